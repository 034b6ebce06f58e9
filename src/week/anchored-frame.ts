import {
  type CheckpointFrame,
  type ChainWeeks,
  type Epoch,
  type FramedEpoch,
  frameOf,
  type Genesis,
  type NetworkId,
  type ParamsSchedule,
  registryRootInSteps,
  type SeatRecord,
  type Week,
  weeksListedBy,
} from '../../protocol/index.ts'
import { inSlices } from '../async/slices.ts'
import { SecnodeError } from '../errors.ts'
import type { ChainView } from './chain-view.ts'
import type { EpochBook } from './epoch-book.ts'

/** What the frame of a checkpoint is read from; a follower's state has all of it. */
export interface FrameParts {
  genesis: Genesis
  networkId: NetworkId
  schedule: ParamsSchedule
  epochs: Pick<EpochBook, 'beaconOf'>
  weeks(): ChainWeeks
  /** All seats as they stood after block b(epoch). */
  seatsAfter(epoch: Epoch): Promise<readonly SeatRecord[] | undefined>
  snapshotSummaryOf: ChainView['snapshotSummaryOf']
  /** What came in for a week of these epochs, before `feeReserve` (R-TALLY-6). */
  incomeOf(week: Week, epochs: { first: Epoch; last: Epoch }, signal: AbortSignal): Promise<bigint>
}

/** What the chain says of a frozen week, and all seats as they stood after its block F. */
export interface FramedWeekOfChain {
  frame: CheckpointFrame
  seats: readonly SeatRecord[]
}

/**
 * R-CP-1: what the chain says of a frozen week, and its checkpoint must say too. Snapshots are not read: their roots were
 * computed when their epochs opened. Undefined if the chain was not followed that far. Errors: those of `incomeOf`.
 */
export const frameOfWeek = async (
  parts: FrameParts,
  week: Week,
  signal: AbortSignal,
): Promise<FramedWeekOfChain | undefined> => {
  const weeks = parts.weeks()
  const listed = weeksListedBy(weeks, week)
  const seats = await parts.seatsAfter(listed.at(-1)!.last! + 2)
  if (seats === undefined) return undefined
  const framed = new Map<Epoch, Omit<FramedEpoch, 'epoch'>>()
  const income = new Map<Week, bigint>()
  for (const { week: name, first, last } of listed) {
    for (let epoch = first; epoch <= last!; epoch++) {
      const [beacon, snapshot] = await Promise.all([
        parts.epochs.beaconOf(epoch),
        parts.snapshotSummaryOf(epoch),
      ])
      if (beacon === undefined || snapshot === undefined) return undefined
      framed.set(epoch, { beacon, seats: snapshot.seats, snapshotRoot: snapshot.root })
    }
    income.set(name, await parts.incomeOf(name, { first, last: last! }, signal))
  }
  const registryRoot = await inSlices(registryRootInSteps(seats))
  const frame = frameOf(parts, weeks, week, {
    registryRoot,
    incomeOf: (name) => income.get(name)!,
    epochOf: (epoch) => framed.get(epoch)!,
  })
  return { frame, seats }
}

export const notFollowed = (week: Week): SecnodeError =>
  new SecnodeError('CHAIN_NOT_FOLLOWED', `the chain was not followed up to the freeze of week ${week}`, {
    exitCode: 3,
    hint: 'Wait until the follower has caught up.',
  })
