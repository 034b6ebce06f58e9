import {
  type ChainWeeks,
  type Epoch,
  epochStart,
  type Genesis,
  type Height,
  type Seat,
  type SeatRecord,
  type Snapshot,
} from '../../../protocol/index.ts'
import type { HeaderRow } from '../../store/chain-index.ts'
import type { SnapshotSummary } from '../../store/registry-encoding.ts'
import type { ChainState, SeatStanding } from './chain-state.ts'

/** What is known of the blocks that were followed. */
export interface FollowedChain {
  headerAt(height: Height): Promise<HeaderRow | undefined>
  hashAt(height: Height): Promise<Uint8Array | undefined>
  medianTimeAt(height: Height): Promise<number | undefined>
  transactionCountAt(height: Height): Promise<number | undefined>
  /** R-EPOCH-5; undefined until block b(epoch − 1) was followed. */
  snapshotOf(epoch: Epoch): Promise<Snapshot | undefined>
  snapshotSummaryOf(epoch: Epoch): Promise<SnapshotSummary | undefined>
  /** All seats, active or not, as they stood after a block from the activation on; undefined until it was followed. */
  seatsAfter(height: Height): Promise<readonly SeatRecord[] | undefined>
  /** All seats as they stood after block b(epoch). */
  registryAt(epoch: Epoch): Promise<readonly SeatRecord[] | undefined>
  /** The weeks as of the block followed last: ends, freezes, anchors (R-CP-1…6). */
  weeks(): ChainWeeks
  /** The seat of a stake (hash160) as of the block followed last. */
  seatOfStake(stake: Uint8Array): Seat | undefined
  /** The same with all that it was announced with. */
  recordOf(stake: Uint8Array): SeatRecord | undefined
  /** What is registered for a stake (hash160), active or not, as of the block followed last. */
  standingOf(stake: Uint8Array): SeatStanding | undefined
}

export const followedChainOf = (state: ChainState, genesis: Genesis): FollowedChain => {
  const headerAt = async (height: Height) => state.index.headerAt(height)
  return {
    headerAt,
    hashAt: async (height) => (await headerAt(height))?.hash,
    medianTimeAt: async (height) => (await headerAt(height))?.medianTimePast ?? undefined,
    transactionCountAt: async (height) => (await headerAt(height))?.transactionCount,
    snapshotOf: async (epoch) => state.snapshotOf(epoch),
    snapshotSummaryOf: async (epoch) => state.snapshotSummaryOf(epoch),
    seatsAfter: async (height) => state.seatsAfter(height),
    registryAt: async (epoch) => state.seatsAfter(epochStart(genesis, epoch)),
    weeks: () => state.weeks(),
    seatOfStake: (stake) => state.seatOfStake(stake),
    recordOf: (stake) => state.standingOf(stake)?.record,
    standingOf: (stake) => state.standingOf(stake),
  }
}
