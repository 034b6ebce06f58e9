import { z } from 'zod'
import { SecnodeError } from '../../../errors.ts'
import type { AssembledNode } from '../../../service/assemble.ts'
import {
  DaemonStanding,
  daemonStanding,
  OutsideSight,
  outsideSights,
  SightRequest,
} from '../../../service/doctor-answers.ts'
import { defineSocketRoute, type SocketRoute } from '../../api/route.ts'
import { none } from '../../query.ts'
import { AnchorAnswer, PageAnswer } from '../schemas.ts'

/** What the operator's commands need: the due anchor, the address of the page, the doctor's questions. */
export const ownerRoutes = (node: AssembledNode, pageUrl: () => string | null): SocketRoute[] => [
  defineSocketRoute({
    path: '/anchor',
    summary: 'The certificate that waits for its anchor',
    params: none,
    query: none,
    body: null,
    answer: AnchorAnswer,
    handle: () => {
      const due = node.daemon.finality.dueAnchor()
      if (due !== null) return due
      throw new SecnodeError('ANCHOR_NOT_DUE', 'no certificate waits for its anchor', {
        exitCode: 3,
        hint: '`secnode tally --week last` says where the week stands.',
      })
    },
  }),
  defineSocketRoute({
    path: '/page',
    summary: "The address of the operator's page, with its key",
    params: none,
    query: none,
    body: null,
    answer: PageAnswer,
    handle: () => {
      const url = pageUrl()
      if (url !== null) return { url }
      throw new SecnodeError('WEB_OFF', 'this node serves no page', {
        exitCode: 3,
        hint: 'Write `web: {}` into its configuration; if it has that, the log says why there is no page.',
      })
    },
  }),
  defineSocketRoute({
    path: '/standing',
    summary: 'What the registry has of this node',
    params: none,
    query: none,
    body: null,
    answer: DaemonStanding,
    handle: () => daemonStanding(node),
  }),
  defineSocketRoute({
    path: '/dial-back',
    summary: 'How other seats see the node',
    params: none,
    query: none,
    body: { schema: SightRequest, maxBytes: 4_096 },
    answer: z.array(OutsideSight),
    handle: ({ body, signal }) => outsideSights(node, body, signal),
  }),
]
