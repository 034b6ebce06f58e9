import { z } from 'zod'
import { defineRoute } from '../../api/route.ts'
import { none, Stakes, paging, OfSeat, NumberText } from '../../query.ts'
import { judgedEpoch } from '../history/view.ts'
import { NodePage, TlsPage, NodeDetail } from './schemas.ts'
import { listNodes, nodeDetail, tlsStateOf } from './view.ts'
import { pageOf } from '../../view/parts.ts'

export const nodesRoutes = [
  defineRoute({
    path: '/nodes',
    summary: 'Nodes, by seat',
    description: '`stake` names own nodes by the addresses of their stakes.',
    tag: 'nodes',
    params: none,
    query: z.strictObject({
      ...paging,
      state: z.enum(['active', 'waiting', 'retired']).optional(),
      standing: z.enum(['credited', 'valid', 'undecided', 'invalid']).optional(),
      host: z
        .string()
        .regex(/^[a-z0-9.-]{1,71}$/, { error: 'must be part of a host name' })
        .optional(),
      stake: Stakes.optional(),
    }),
    answer: NodePage,
    handle: ({ parts, query: { page, limit, stake, ...filter }, signal }) =>
      listNodes(parts, { ...filter, stakes: stake }, { page, limit }, signal),
  }),
  defineRoute({
    path: '/nodes/{seat}',
    summary: 'A node',
    tag: 'nodes',
    params: OfSeat,
    query: none,
    answer: NodeDetail,
    handle: ({ parts, params, signal }) => nodeDetail(parts, params.seat, signal),
  }),
  defineRoute({
    path: '/certificates',
    summary: 'TLS certificates of nodes, as their challengers found them in an epoch',
    tag: 'nodes',
    params: none,
    query: z.strictObject({ ...paging, epoch: NumberText.optional() }),
    answer: TlsPage,
    async handle({ parts, query, signal }) {
      const judged = await judgedEpoch(parts, query.epoch, signal)
      return pageOf(judged.snapshot, query, ({ seat }) => tlsStateOf(judged, seat)!)
    },
  }),
]
