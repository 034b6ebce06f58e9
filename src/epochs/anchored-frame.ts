import {
  type CheckpointFrame,
  type ChainWeeks,
  type Epoch,
  frameOf,
  type Genesis,
  type NetworkId,
  type ParamsSchedule,
  registryRootInSteps,
  type SeatRecord,
  type Week,
} from '../../protocol/index.ts'
import { inSlices } from '../async/slices.ts'
import type { EpochBook } from './epoch-book.ts'

/** What the frame of a checkpoint is read from; a follower's state has all of it. */
export interface FrameParts {
  genesis: Genesis
  networkId: NetworkId
  schedule: ParamsSchedule
  epochs: Pick<EpochBook, 'get'>
  weeks(): ChainWeeks
  /** All seats as they stood after block b(epoch). */
  seatsAfter(epoch: Epoch): Promise<readonly SeatRecord[] | undefined>
}

/** R-CP-1: what the chain says of a frozen week, and its checkpoint must say too. */
export const frameOfWeek = async (parts: FrameParts, week: Week): Promise<CheckpointFrame> => {
  const weeks = parts.weeks()
  const record = weeks.records.findLast((one) => one.week === week)!
  const seats = await parts.seatsAfter(record.last! + 2)
  const framed = new Map<Epoch, { beacon: Uint8Array; seats: number }>()
  const names = new Set([...record.covers, record.week])
  for (const { week: name, first, last } of weeks.records) {
    if (!names.has(name)) continue
    for (let epoch = first; epoch <= last!; epoch++) {
      const context = await parts.epochs.get(epoch)
      if (context !== undefined) framed.set(epoch, { beacon: context.beacon, seats: context.snapshot.length })
    }
  }
  const registryRoot = await inSlices(registryRootInSteps(seats ?? []))
  return frameOf(parts, weeks, week, registryRoot, (epoch) => framed.get(epoch)!)
}
