import { defineRoute } from '../../api/route.ts'
import { none, Paged } from '../../query.ts'
import { statusOf, findingsOf, serverInfo } from './view.ts'
import { Status, FindingPage, ServerInfo } from './schemas.ts'
import { pageOf } from '../../view/parts.ts'

export const serverRoutes = [
  defineRoute({
    path: '/status',
    summary: 'This node, its chain, its network',
    tag: 'server',
    params: none,
    query: none,
    answer: Status,
    isMomentary: true,
    handle: ({ parts, signal }) => statusOf(parts, signal),
  }),
  defineRoute({
    path: '/findings',
    summary: 'What this node found to be wrong with itself, worst first, with what to do about it',
    tag: 'server',
    params: none,
    query: Paged,
    answer: FindingPage,
    isMomentary: true,
    handle: ({ parts, query }) => pageOf(findingsOf(parts), query, (finding) => finding),
  }),
  defineRoute({
    path: '/server',
    summary: 'Statistics of this server',
    tag: 'server',
    params: none,
    query: none,
    answer: ServerInfo,
    isMomentary: true,
    handle: ({ parts, counts }) => serverInfo(parts, counts),
  }),
]
