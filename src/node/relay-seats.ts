import { outcomeEpochs } from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { type ClosedEpoch, type RelaySeat, relaySeats } from '../relay/seats.ts'
import { addressAt, outcomeAt } from '../week/judged-epoch.ts'
import type { Weeks } from '../week/weeks.ts'
import type { EpochContext } from '../week/epoch-book.ts'

type RelaySources = Pick<Weeks, 'epochs' | 'judged' | 'confirmedHeight'>

/**
 * R-RELAY-1: the active seats that may be hops, by the chain and the attestations that these weeks hold. Errors:
 * RELAY_NO_EPOCH (exit code 3).
 */
export const relaySeatsOf = async (
  weeks: RelaySources,
  signal: AbortSignal = new AbortController().signal,
): Promise<RelaySeat[]> => {
  const { snapshot } = await currentEpoch(weeks)
  const closed: ClosedEpoch[] = []
  for (const past of await lastClosedEpochs(weeks)) {
    const view = await weeks.judged.read(past, null, signal, { addresses: true })
    closed.push({
      seats: past.snapshot,
      attested: view.attested,
      outcomeAt: (index) => outcomeAt(view, index)!,
      addressAt: (index) => addressAt(view, index),
    })
  }
  return relaySeats(snapshot, closed)
}

/** Those whose outcomes count for hops, newest first. Errors: RELAY_NO_EPOCH (exit code 3). */
export const lastClosedEpochs = async (
  weeks: Pick<RelaySources, 'epochs' | 'confirmedHeight'>,
): Promise<EpochContext[]> => {
  const { epoch } = await currentEpoch(weeks)
  const closed: EpochContext[] = []
  for (let e = epoch - 1; e >= 0 && closed.length < outcomeEpochs; e--) {
    const past = await weeks.epochs.get(e)
    if (past !== undefined && past.phases.closes <= weeks.confirmedHeight()) closed.push(past)
  }
  return closed
}

const currentEpoch = async ({ epochs }: Pick<RelaySources, 'epochs'>): Promise<EpochContext> => {
  const current = epochs.current()
  const context = current === null ? undefined : await epochs.get(current)
  if (context !== undefined) return context
  throw new SecnodeError('RELAY_NO_EPOCH', 'no epoch has begun on this chain yet', {
    exitCode: 3,
    hint: 'Let the chain node, or the daemon, catch up first.',
  })
}
