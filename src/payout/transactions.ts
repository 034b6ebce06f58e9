import {
  outpointKey,
  type OutputTemplate,
  type PayoutOutput,
  type PayoutTransaction,
} from '../../protocol/index.ts'
import { emptyTransaction } from '../chain/formats/empty-transaction.ts'
import {
  type BlockReference,
  classifyScript,
  nullDataScript,
  p2pkhScript,
  p2shScript,
} from '../chain/formats/script.ts'
import { serializeTransaction } from '../chain/formats/transaction.ts'
import { transactionId } from '../chain/formats/txid.ts'
import type {
  ChainFamily,
  Transaction,
  TransactionFields,
  TransactionOutput,
} from '../chain/formats/types.ts'

/** What the rules of payouts see of a transaction. */
export const payoutTransactionOf = (
  transaction: Pick<Transaction, 'txid' | 'family' | 'inputs' | 'outputs'>,
): PayoutTransaction => ({
  txid: transaction.txid,
  spends: transaction.inputs.map(({ previousTxid, previousIndex }) =>
    outpointKey(previousTxid, previousIndex),
  ),
  outputs: transaction.outputs.map(({ value, script }) => ({
    value,
    to: classifyScript(script, transaction.family),
  })),
})

export interface Outpoint {
  /** Internal byte order. */
  txid: Uint8Array
  index: number
}

/** How payouts are written: Zcash version 5 (ZIP 225), ZEN version 1; no lock time, no expiry, nothing shielded. */
export interface PayoutFormat {
  family: ChainFamily
  /** Zcash: of the block that is to hold the transaction. Null in ZEN. */
  branchId: number | null
  /** ZEN: the block that outputs refer to. Null in Zcash. */
  reference: BlockReference | null
}

export const unsignedTransaction = (
  { family, branchId, reference }: PayoutFormat,
  inputs: readonly Outpoint[],
  outputs: readonly PayoutOutput[],
): TransactionFields => ({
  ...emptyTransaction(family, family === 'zcash' ? 5 : 1, branchId),
  inputs: inputs.map(({ txid, index }) => ({
    previousTxid: txid,
    previousIndex: index,
    script: new Uint8Array(),
    sequence: 0xffff_ffff,
  })),
  outputs: outputs.map((output) => outputOf(output, reference)),
})

export const txidOf = (fields: TransactionFields): Uint8Array =>
  transactionId(fields, serializeTransaction(fields))

export const withoutScripts = (fields: TransactionFields): TransactionFields => ({
  ...fields,
  inputs: fields.inputs.map((input) => ({ ...input, script: new Uint8Array() })),
})

const outputOf = ({ value, to }: PayoutOutput, reference: BlockReference | null): TransactionOutput => ({
  value,
  script: scriptOf(to, reference),
})

const scriptOf = (to: OutputTemplate, reference: BlockReference | null): Uint8Array => {
  switch (to.kind) {
    case 'p2pkh':
      return p2pkhScript(to.hash160, reference)
    case 'p2sh':
      return p2shScript(to.hash160, reference)
    case 'nulldata':
      return nullDataScript(to.data, reference)
    case 'other':
      throw new RangeError('no output of ours has such a script')
  }
}
