import { hexToBytes } from '../../../protocol/index.ts'
import { SecnodeError } from '../../errors.ts'
import { type BlockReference, p2pkhScript, p2shScript } from '../../chain/formats/script.ts'
import type { TransactionFields, TransactionOutput } from '../../chain/formats/types.ts'
import type { Coin } from './coin.ts'
import { conventionalFee, isDust, logicalActions, relayFee } from './fees.ts'
import { newTransaction, transactionVersionAt } from './new-transaction.ts'
import type { ChainParameters } from './parameters.ts'
import type { ShieldedParts } from './shielded-outputs.ts'

/** A transparent payment. */
export interface Payee {
  kind: 'p2pkh' | 'p2sh'
  hash160: Uint8Array
  /** Base units. */
  value: bigint
}

export interface PaymentPlan {
  parameters: ChainParameters
  /** Of the next block. */
  height: number
  payees: readonly Payee[]
  shielded: ShieldedParts
  /** Coins that may be spent, in the order in which to take them. */
  available: readonly Coin[]
  /** Base units; null for what the rules of the family ask. */
  fee: bigint | null
  /** Owner who gets the change; called only if there is any. */
  changeTo(): string
  /** The block that outputs refer to (ZEN), or null. */
  reference: BlockReference | null
}

/** zcashd DEFAULT_TX_EXPIRY_DELTA after Blossom, in blocks. */
export const defaultExpiryDelta = 40

/** ASYNC_RPC_OPERATION_DEFAULT_MINERS_FEE of zend: 0.0001 coin. */
export const defaultZenFee = 10_000n

/** An unsigned transaction that makes the payments from the first coins that suffice. Throws WALLET_INSUFFICIENT_FUNDS. */
export const draftPayment = (
  plan: PaymentPlan,
): { fields: TransactionFields; spent: Coin[]; fee: bigint } => {
  const { parameters, height, payees, shielded, available, reference } = plan
  const outputs = payees.map(({ kind, hash160, value }) => outputTo(kind, hash160, value, reference))
  const wanted = outputs.reduce((sum, { value }) => sum + value, shielded.total)
  const version = versionFor(parameters, height, shielded)
  const base: TransactionFields = {
    ...newTransaction(parameters, height, version),
    ...shielded.fields,
    outputs,
    expiryHeight: parameters.family === 'zcash' && version >= 3 ? height + defaultExpiryDelta : 0,
  }
  const placeholder = outputTo('p2pkh', new Uint8Array(20), 0n, reference)
  const spent: Coin[] = []
  let collected = 0n
  for (const coin of available) {
    spent.push(coin)
    collected += coin.value
    if (collected < wanted) continue
    const inputs = spent.map(({ txid, index }) => ({
      previousTxid: txid,
      previousIndex: index,
      script: new Uint8Array(p2pkhInputScriptBytes),
      sequence: 0xffffffff,
    }))
    const withoutChange = { ...base, inputs }
    const withChange = { ...withoutChange, outputs: [...outputs, placeholder] }
    const feeWithChange = plan.fee ?? feeOf(withChange)
    const change = { ...placeholder, value: collected - wanted - feeWithChange }
    const unsigned = inputs.map((input) => ({ ...input, script: new Uint8Array() }))
    if (change.value > 0n && !isDust(change)) {
      const [kind, hash] = plan.changeTo().split(':') as ['p2pkh' | 'p2sh', string]
      const changeOutput = outputTo(kind, hexToBytes(hash), change.value, reference)
      const fields = { ...base, inputs: unsigned, outputs: [...outputs, changeOutput] }
      return { fields, spent, fee: feeWithChange }
    }
    // Change that nobody would spend goes to the miner.
    if (collected >= wanted + (plan.fee ?? feeOf(withoutChange))) {
      return { fields: { ...base, inputs: unsigned }, spent, fee: collected - wanted }
    }
  }
  throw new SecnodeError(
    'WALLET_INSUFFICIENT_FUNDS',
    `${wanted} base units and a fee are asked for, ${collected} are there`,
  )
}

export const outputTo = (
  kind: 'p2pkh' | 'p2sh',
  hash160: Uint8Array,
  value: bigint,
  reference: BlockReference | null,
): TransactionOutput => ({
  value,
  script: kind === 'p2pkh' ? p2pkhScript(hash160, reference) : p2shScript(hash160, reference),
})

/** Pushes of a DER signature of at most 72 bytes with its hash type, and of a compressed key. */
const p2pkhInputScriptBytes = 1 + 72 + 1 + 33

const feeOf = (fields: TransactionFields): bigint => {
  if (fields.family === 'zcash') return conventionalFee(logicalActions(fields))
  const size = approximateBytes(fields)
  const least = relayFee(size)
  return least > defaultZenFee ? least : defaultZenFee
}

/** An upper bound of the serialised size of a ZEN transaction. */
const approximateBytes = ({ inputs, outputs, joinSplits }: TransactionFields): number =>
  64 +
  inputs.reduce((sum, { script }) => sum + 41 + script.length, 0) +
  outputs.reduce((sum, { script }) => sum + 9 + script.length, 0) +
  (joinSplits.length === 0 ? 0 : 96 + 1698 * joinSplits.length)

/** JoinSplits need Zcash v4 or ZEN -3, Ironwood needs v6. */
const versionFor = (parameters: ChainParameters, height: number, { fields }: ShieldedParts): number => {
  if (fields.joinSplits.length > 0) return parameters.family === 'zen' ? -3 : 4
  return fields.ironwood === null ? transactionVersionAt(parameters, height) : 6
}
