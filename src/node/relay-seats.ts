import { judgeEpoch, outcomeEpochs } from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { type ClosedEpoch, type RelaySeat, relaySeats } from '../relay/seats.ts'
import { gatherEpoch, type WeekSources } from '../week/gather.ts'
import type { EpochContext } from '../week/epoch-book.ts'

type RelaySources = Pick<WeekSources, 'epochs' | 'standing' | 'confirmedHeight'>

/**
 * R-RELAY-1: the active seats that may be hops, by the chain and the attestations that these sources hold. Errors:
 * RELAY_NO_EPOCH (exit code 3).
 */
export const relaySeatsOf = async (sources: RelaySources): Promise<RelaySeat[]> => {
  const { snapshot } = await currentEpoch(sources)
  const closed: ClosedEpoch[] = []
  for (const past of await lastClosedEpochs(sources)) {
    const { attestations } = await gatherEpoch(sources, past)
    const { outcomes } = judgeEpoch({ beacon: past.beacon, attestations }, past.params)
    closed.push({ seats: past.snapshot, committees: past.committees, attestations, outcomes })
  }
  return relaySeats(snapshot, closed)
}

/** Those whose outcomes count for hops, newest first. Errors: RELAY_NO_EPOCH (exit code 3). */
export const lastClosedEpochs = async (sources: RelaySources): Promise<EpochContext[]> => {
  const { epoch } = await currentEpoch(sources)
  const closed: EpochContext[] = []
  for (let e = epoch - 1; e >= 0 && closed.length < outcomeEpochs; e--) {
    const past = await sources.epochs.get(e)
    if (past !== undefined && past.phases.closes <= sources.confirmedHeight()) closed.push(past)
  }
  return closed
}

const currentEpoch = async ({ epochs }: RelaySources): Promise<EpochContext> => {
  const current = epochs.current()
  const context = current === null ? undefined : await epochs.get(current)
  if (context !== undefined) return context
  throw new SecnodeError('RELAY_NO_EPOCH', 'no epoch has begun on this chain yet', {
    exitCode: 3,
    hint: 'Let the chain node, or the daemon, catch up first.',
  })
}
