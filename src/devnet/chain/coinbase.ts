import { pushScriptNumber } from '../../chain/formats/script.ts'
import type { TransactionFields, TransactionOutput } from '../../chain/formats/types.ts'
import { newTransaction, transactionVersionAt } from './new-transaction.ts'
import type { ChainParameters } from './parameters.ts'

export interface CoinbasePlan {
  height: number
  minerScript: Uint8Array
  /** Base units, of the other transactions of the block. */
  fees: bigint
  extraNonce: number
}

/** The first transaction of a block: the miner's reward with the fees, then the treasury's amount. */
export const coinbaseFields = (
  parameters: ChainParameters,
  { height, minerScript, fees, extraNonce }: CoinbasePlan,
): TransactionFields => {
  const { minerReward, treasury } = parameters
  const outputs: TransactionOutput[] = [{ value: minerReward + fees, script: minerScript }]
  if (treasury !== null && treasury.amountPerBlock > 0n) {
    outputs.push({ value: treasury.amountPerBlock, script: treasury.script })
  }
  const version = transactionVersionAt(parameters, height)
  return {
    ...newTransaction(parameters, height, version),
    inputs: [
      {
        previousTxid: new Uint8Array(32),
        previousIndex: 0xffffffff,
        script: Uint8Array.of(...encodeCoinbaseHeight(height), 4, ...u32Bytes(extraNonce)),
        sequence: 0xffffffff,
      },
    ],
    outputs,
    // ZIP 203: since NU5 a coinbase expires at its own height.
    expiryHeight: version >= 5 ? height : 0,
  }
}

/** How a coinbase's script begins: the height as CScript pushes a number (BIP 34). */
export const encodeCoinbaseHeight = (height: number): Uint8Array => pushScriptNumber(height)

const u32Bytes = (value: number): number[] => [
  value & 0xff,
  (value >>> 8) & 0xff,
  (value >>> 16) & 0xff,
  value >>> 24,
]
