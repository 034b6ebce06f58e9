import type { ChainParameters } from './parameters.ts'

/** Where in the chain a transaction is judged. */
export interface RuleContext {
  parameters: ChainParameters
  /** Of the block that holds it, or of the next block for the mempool. */
  height: number
  /** Median time of the 11 blocks before that block, seconds since 1970. */
  medianTime: number
  /** Internal hash of the best chain's block at that height; undefined above its tip. */
  blockHashAt(height: number): Uint8Array | undefined
  /** Transactions whose signatures were found good before (`script-check.ts`). */
  signatureCache: Set<string>
}
