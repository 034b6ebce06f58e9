import type { ChainWeeks, Epoch, Height, Seat, SeatRecord, Snapshot } from '../../protocol/index.ts'

/** What the daemon's roles need of the chain; the follower gives it. */
export interface ChainView {
  /** Height of the last confirmed block that was followed; below the activation at first. */
  readonly confirmedHeight: Height
  /** Hash (internal order) of a followed block. */
  hashAt(height: Height): Promise<Uint8Array | undefined>
  /** Median time past, in seconds. */
  medianTimeAt(height: Height): Promise<number | undefined>
  transactionCountAt(height: Height): Promise<number | undefined>
  /** Undefined until block b(e − 1) was followed. */
  snapshotOf(epoch: Epoch): Promise<Snapshot | undefined>
  /** What a checkpoint says of it (R-CP-1), without reading it. */
  snapshotSummaryOf(epoch: Epoch): Promise<{ seats: number; root: Uint8Array } | undefined>
  /** The seat of a stake (hash160), as of the last confirmed block. */
  seatOfStake(stake: Uint8Array): Seat | undefined
  /** The same with all that it was announced with. */
  recordOf(stake: Uint8Array): SeatRecord | undefined
  /** Raw bytes, from a block whose hash is that of the followed header. Throws if the node cannot give them. */
  readTransaction(height: Height, index: number, signal: AbortSignal): Promise<Uint8Array>
}

export type ChainEvent =
  | { kind: 'connected'; height: Height }
  /** Blocks above `height` are no longer of the chain (R-CHAIN-2). */
  | { kind: 'disconnected'; height: Height }

/** What the chain says of weeks (R-CP-1…6). */
export interface FinalityView {
  weeks(): ChainWeeks
  /** All seats as they stood after block b(epoch); undefined until it was followed. */
  registryAt(epoch: Epoch): Promise<readonly SeatRecord[] | undefined>
}

/** A follower at work: the view, and its events one after the other. */
export interface ChainSource {
  readonly view: ChainView
  /** Freezes and anchors as the chain has them. */
  readonly finality: FinalityView
  /** Each event is awaited before the next comes. Set before `start`. */
  onEvent(listener: (event: ChainEvent) => Promise<void>): void
  start(): Promise<void>
  stop(): Promise<void>
  /** Whether the last confirmed block of the chain node was followed. */
  isCaughtUp(): boolean
}
