import { z } from 'zod'
import { SecnodeError } from '../../../errors.ts'
import type { AssembledNode } from '../../../service/assemble.ts'
import { createFleet, maxFleet } from '../../../service/fleet.ts'
import { nodeStatus, peerStatuses } from '../../../service/status.ts'
import { defineSocketRoute, type SocketRoute } from '../../api/route.ts'
import { none } from '../../query.ts'
import { AlertTestAnswer, FleetAnswer, PeersAnswer, StatusAnswer } from '../schemas.ts'

/** How this node and its owner's others are: status, peers, fleet, alerts. */
export const watchRoutes = (node: AssembledNode): SocketRoute[] => {
  const fleet = createFleet(node)
  return [
    defineSocketRoute({
      path: '/status',
      summary: 'What the node says of itself',
      params: none,
      query: none,
      body: null,
      answer: StatusAnswer,
      handle: () => nodeStatus(node),
    }),
    defineSocketRoute({
      path: '/peers',
      summary: 'Connected peers',
      params: none,
      query: none,
      body: null,
      answer: PeersAnswer,
      handle: () => peerStatuses(node),
    }),
    defineSocketRoute({
      path: '/fleet',
      summary: "Several nodes' week so far",
      params: none,
      query: none,
      body: { schema: z.strictObject({ stakes: z.array(z.string()) }), maxBytes: 128 * maxFleet },
      answer: FleetAnswer,
      handle: ({ body: { stakes }, signal }) => {
        if (stakes.length === 0 || stakes.length > maxFleet || stakes.some(isTooLong)) {
          throw new SecnodeError('FLEET_STAKE', `a fleet has 1 to ${maxFleet} stake addresses`, {
            exitCode: 2,
          })
        }
        return fleet.report(stakes, signal)
      },
    }),
    defineSocketRoute({
      path: '/alert/test',
      summary: 'Sends a test alert to every target',
      params: none,
      query: none,
      body: { schema: none, maxBytes: 64 },
      answer: AlertTestAnswer,
      async handle({ signal }) {
        const tested = await node.alerter.test(signal)
        if (tested.length > 0) return tested
        throw new SecnodeError('ALERTS_NONE', 'no alerts are configured', {
          exitCode: 2,
          hint: 'Write for example `alerts: { webhooks: [{ url: "https://chat.example.org/hook" }] }` and start again.',
        })
      },
    }),
  ]
}

const isTooLong = ({ length }: string): boolean => length === 0 || length > 64
