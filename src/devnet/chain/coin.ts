/** An unspent transparent output. */
export interface Coin {
  txid: Uint8Array
  index: number
  /** Base units. */
  value: bigint
  script: Uint8Array
  /** Of the block that made it; `unconfirmedHeight` in the mempool. */
  height: number
  /** Place of its transaction in that block. */
  position: number
  isCoinbase: boolean
}
