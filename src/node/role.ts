import type { Epoch, Height } from '../../protocol/index.ts'

/** Where the chain stands, as the daemon tells its roles. */
export interface Tip {
  /** Confirmed. */
  height: Height
  /** The running epoch. */
  epoch: Epoch
  /** The first epoch whose attestations sync still takes. */
  openFrom: Epoch
  /** Since this height the chain was followed at its tip, block by block. */
  watchedFrom: Height
}

/** A part of the daemon that follows the chain. The daemon calls its roles in the order of one list, each in its turn. */
export interface Role {
  start?(): Promise<void> | void
  /** A new height at the tip of the chain. */
  onHeight?(tip: Tip): Promise<void>
  /** A new height while the chain is still being caught up with. */
  onCatchUp?(height: Height): Promise<void>
  /** Blocks above this height are no longer of the chain (R-CHAIN-2). */
  forgetAbove?(height: Height): void
  /** Begins nothing more and waits for what is under way. */
  stop?(): Promise<void>
}
