import { Hono } from 'hono'
import type { AssembledNode } from '../../service/assemble.ts'
import { relaySeatsOf } from '../../node/relay-seats.ts'
import { rowOfSeat, type RelaySeatsAnswer } from '../../relay/seats.ts'

/** Answers of the control socket about the relay: how this node's hop fares, and which seats may be hops. */
export const relayRoutes = ({ daemon, weeks }: AssembledNode, signal: AbortSignal): Hono => {
  const app = new Hono()
  app.get('/relay', (context) => context.json(daemon.relay.status()))
  app.get('/relay/seats', async (context) => {
    const answer: RelaySeatsAnswer = {
      ownSeat: daemon.node.ownSeat() ?? null,
      seats: (await relaySeatsOf(weeks, signal)).map(rowOfSeat),
    }
    return context.json(answer)
  })
  return app
}
