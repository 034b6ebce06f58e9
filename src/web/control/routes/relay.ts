import { relaySeatsOf } from '../../../node/relay-seats.ts'
import { RelaySeatsAnswer, rowOfSeat } from '../../../relay/seats.ts'
import type { AssembledNode } from '../../../service/assemble.ts'
import { defineSocketRoute, type SocketRoute } from '../../api/route.ts'
import { none } from '../../query.ts'
import { RelayAnswer } from '../schemas.ts'

/** How this node's hop fares, and which seats may be hops. */
export const relayRoutes = ({ daemon, weeks }: AssembledNode): SocketRoute[] => [
  defineSocketRoute({
    path: '/relay',
    summary: "Circuits, cells and refusals of the node's relay",
    params: none,
    query: none,
    body: null,
    answer: RelayAnswer,
    handle: () => daemon.relay.status(),
  }),
  defineSocketRoute({
    path: '/relay/seats',
    summary: 'Seats that may be hops',
    params: none,
    query: none,
    body: null,
    answer: RelaySeatsAnswer,
    handle: async ({ signal }) => ({
      ownSeat: daemon.node.ownSeat() ?? null,
      seats: (await relaySeatsOf(weeks, signal)).map(rowOfSeat),
    }),
  }),
]
