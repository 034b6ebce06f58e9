import { judgeEpoch, outcomeEpochs } from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { type ClosedEpoch, type RelaySeat, relaySeats } from '../relay/seats.ts'
import { gatherEpoch, type WeekSources } from '../tally/gather.ts'

/**
 * R-RELAY-1: the active seats that may be hops, by the chain and the attestations that these sources hold. Errors:
 * RELAY_NO_EPOCH (exit code 3).
 */
export const relaySeatsOf = async (
  weeks: Pick<WeekSources, 'epochs' | 'standing' | 'confirmedHeight'>,
): Promise<RelaySeat[]> => {
  const { epochs } = weeks
  const current = epochs.current()
  const context = current === null ? undefined : await epochs.get(current)
  if (context === undefined) {
    throw new SecnodeError('RELAY_NO_EPOCH', 'no epoch has begun on this chain yet', {
      exitCode: 3,
      hint: 'Let the chain node, or the daemon, catch up first.',
    })
  }
  const closed: ClosedEpoch[] = []
  for (let e = context.epoch - 1; e >= 0 && closed.length < outcomeEpochs; e--) {
    const past = await epochs.get(e)
    if (past === undefined || past.phases.closes > weeks.confirmedHeight()) continue
    const { attestations } = await gatherEpoch(weeks, past)
    const { outcomes } = judgeEpoch({ beacon: past.beacon, attestations }, past.params)
    closed.push({ seats: past.snapshot, committees: past.committees, attestations, outcomes })
  }
  return relaySeats(context.snapshot, closed)
}
