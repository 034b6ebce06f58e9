import { bytesToHex, hash160, reversedHex } from '../../../../protocol/index.ts'
import { sighash } from '../../../chain/formats/sighash.ts'
import { serializeTransaction } from '../../../chain/formats/transaction.ts'
import type { Transaction, TransactionFields } from '../../../chain/formats/types.ts'
import { parseSecretKeyText } from '../addresses.ts'
import type { Coin } from '../coin.ts'
import { outpointKey, unconfirmedHeight } from '../coins.ts'
import { branchIdAt, upgradeTable } from '../parameters.ts'
import { signInputs, type SigningKeys } from '../sign-inputs.ts'
import { createKeyRing } from '../wallet-keys.ts'
import type { NodeContext } from './context.ts'
import { fail } from './errors.ts'
import {
  optional,
  readAmount,
  readArray,
  readHash,
  readHex,
  readInteger,
  readObject,
  readText,
} from './params.ts'

const hashTypes: Readonly<Record<string, number>> = {
  ALL: sighash.all,
  NONE: sighash.none,
  SINGLE: sighash.single,
  'ALL|ANYONECANPAY': sighash.all | sighash.anyoneCanPay,
  'NONE|ANYONECANPAY': sighash.none | sighash.anyoneCanPay,
  'SINGLE|ANYONECANPAY': sighash.single | sighash.anyoneCanPay,
}

/**
 * `signrawtransaction` after its first parameter: previous outputs, private keys (instead of the wallet's), hash type,
 * consensus branch. Signatures of a multisig that are there already stay, so that co-signers pass the hex on.
 */
export const signRawTransaction = (
  context: NodeContext,
  transaction: Transaction,
  [previousOutputs, secretKeys, hashTypeName, branch]: readonly unknown[],
): unknown => {
  const { chain } = context
  const known = optional(previousOutputs, readArray, []).map(readPreviousOutput)
  const keys = optional<SigningKeys>(secretKeys, (list) => readKeys(context, list), chain.wallet.keys)
  const hashType = hashTypes[optional(hashTypeName, readText, 'ALL')]
  if (hashType === undefined) return fail('parameter', 'Invalid sighash param')
  const branchId = optional(branch, readBranchId, branchIdAt(chain.parameters, chain.tip.height + 1))

  const spent = transaction.inputs.map(({ previousTxid, previousIndex }): Coin | undefined => {
    const outpoint = outpointKey(previousTxid, previousIndex)
    return (
      chain.mempool.view.coin(outpoint) ??
      chain.tree.coins.coin(outpoint) ??
      known.find((output) => outpointKey(output.txid, output.index) === outpoint)
    )
  })
  const missing = spent.flatMap((coin, index) => (coin === undefined ? [index] : []))
  if (missing.length > 0) {
    // ZIP 244 signs the amounts and scripts of all inputs: with one unknown, none can be signed.
    return answer(transaction, missing, 'Input not found or already spent')
  }
  const redeemScripts = new Map(
    known.flatMap(({ redeemScript }) =>
      redeemScript === null ? [] : [[bytesToHex(hash160(redeemScript)), redeemScript] as const],
    ),
  )
  const options = { branchId, hashType, redeemScripts }
  const { fields, unsigned } = signInputs(transaction, spent as Coin[], keys, options)
  return answer(fields, unsigned, 'Operation not valid with the current stack size')
}

interface PreviousOutput extends Coin {
  redeemScript: Uint8Array | null
}

const readPreviousOutput = (item: unknown): PreviousOutput => {
  const { txid, vout, scriptPubKey, redeemScript, amount } = readObject(item)
  const index = readInteger(vout)
  if (index < 0) return fail('deserialization', 'vout must be positive')
  return {
    txid: readHash(txid, 'txid'),
    index,
    script: readHex(scriptPubKey, 'scriptPubKey'),
    value: optional(amount, readAmount, 0n),
    redeemScript: optional<Uint8Array | null>(redeemScript, (hex) => readHex(hex, 'redeemScript'), null),
    height: unconfirmedHeight,
    position: 0,
    isCoinbase: false,
  }
}

const readKeys = ({ chain }: NodeContext, list: unknown): SigningKeys => {
  const ring = createKeyRing()
  for (const text of readArray(list)) {
    const key = parseSecretKeyText(chain.parameters, readText(text))
    if (key === null) return fail('addressOrKey', 'Invalid private key')
    ring.add(key.secretKey, key.isCompressed)
  }
  return ring
}

const readBranchId = (value: unknown): number => {
  const text = readText(value)
  const upgrade = /^[0-9a-f]{1,8}$/i.test(text)
    ? upgradeTable.find(({ branchId }) => branchId === Number.parseInt(text, 16))
    : undefined
  return upgrade?.branchId ?? fail('parameter', `${text} is not a valid consensus branch id`)
}

const answer = (fields: TransactionFields, failed: readonly number[], error: string): unknown => ({
  hex: bytesToHex(serializeTransaction(fields)),
  complete: failed.length === 0,
  ...(failed.length === 0 ? {} : { errors: failed.map((index) => inputError(fields, index, error)) }),
})

const inputError = ({ inputs }: TransactionFields, index: number, error: string): unknown => {
  const { previousTxid, previousIndex, script, sequence } = inputs[index]!
  return {
    txid: reversedHex(previousTxid),
    vout: previousIndex,
    scriptSig: bytesToHex(script),
    sequence,
    error,
  }
}
