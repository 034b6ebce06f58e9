import { Hono } from 'hono'
import { judgeEpoch, outcomeEpochs } from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { type ClosedEpoch, relaySeats, type RelaySeatsAnswer, rowOfSeat } from '../relay/seats.ts'
import { gatherEpoch } from '../tally/gather.ts'
import type { AssembledNode } from './assemble.ts'

/** Answers of the control socket about the relay: how this node's hop fares, and which seats may be hops. */
export const relayRoutes = (node: AssembledNode): Hono => {
  const app = new Hono()
  app.get('/relay', (context) => context.json(node.daemon.relay.status()))
  app.get('/relay/seats', async (context) => context.json(await relaySeatsOf(node)))
  return app
}

/** R-RELAY-1, from what this node holds. Errors: RELAY_NO_EPOCH. */
export const relaySeatsOf = async ({ daemon, weeks }: AssembledNode): Promise<RelaySeatsAnswer> => {
  const { epochs, node } = daemon
  const current = epochs.current()
  const context = current === null ? undefined : await epochs.get(current)
  if (context === undefined) {
    throw new SecnodeError('RELAY_NO_EPOCH', 'no epoch has begun on this chain yet', {
      exitCode: 3,
      hint: 'Let the daemon follow the chain first; `secnode status` says how far it is.',
    })
  }
  const closed: ClosedEpoch[] = []
  for (let e = context.epoch - 1; e >= 0 && closed.length < outcomeEpochs; e--) {
    const past = await epochs.get(e)
    if (past === undefined || past.phases.closes > node.chain.confirmedHeight) continue
    const gathered = await gatherEpoch(weeks, past)
    const { outcomes } = judgeEpoch(gathered, past.params)
    closed.push({
      seats: past.snapshot,
      committees: past.committees,
      attestations: gathered.attestations,
      outcomes,
    })
  }
  return {
    networkId: node.networkId,
    epoch: context.epoch,
    ownSeat: node.ownSeat() ?? null,
    seats: relaySeats(context.snapshot, closed).map(rowOfSeat),
  }
}
