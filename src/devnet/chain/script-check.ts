import { hash as digestOf } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { equalBytes, hash160 } from '../../../protocol/index.ts'
import { classifyScript } from '../../chain/formats/script.ts'
import { sighash, transparentSignatureHash } from '../../chain/formats/sighash.ts'
import type { Transaction, TransactionFields } from '../../chain/formats/types.ts'
import type { Coin } from './coin.ts'
import { parseMultisig, parsePushes } from '../../chain/formats/input-script.ts'
import { branchIdAt } from './parameters.ts'
import { invalid, nonstandard, type Rejection } from './rejection.ts'
import type { RuleContext } from './rule-context.ts'

/**
 * Whether inputs may spend their coins. There is no script interpreter: the two templates that the network uses are
 * judged directly, P2PKH and P2SH of an m-of-n multisig, as the interpreter would judge them under the flags that
 * nodes relay with (BIP 66 strict DER, low s). A coin with any other script cannot be spent on this chain.
 *
 * ZEN's OP_CHECKBLOCKATHEIGHT is judged where the output is made (`replay-protection.ts`), in every block anew; a
 * reorganisation that takes the block away takes the output along, so nothing is left to judge when it is spent.
 */
export const checkInputScripts = (
  transaction: Transaction,
  spent: readonly Coin[],
  context: RuleContext,
): Rejection | null => {
  const branchId = branchIdAt(context.parameters, context.height)
  // Signatures depend on nothing but these: coins are named by the txids of what made them.
  const cacheKey = `${branchId}:${digestOf('sha256', transaction.bytes)}`
  if (context.signatureCache.has(cacheKey)) return null
  for (let index = 0; index < spent.length; index++) {
    const rejection = checkInput(transaction, index, spent, branchId)
    if (rejection !== null) return rejection
  }
  if (context.signatureCache.size >= maxCachedSignatures) context.signatureCache.clear()
  context.signatureCache.add(cacheKey)
  return null
}

const maxCachedSignatures = 100_000

/**
 * A signature for one input of a transaction: DER and a hash type byte, made by the public key, over the script that
 * the input names (the redeem script of P2SH).
 */
export const isSignatureGood = (
  transaction: TransactionFields,
  inputIndex: number,
  spent: readonly Coin[],
  signed: { signature: Uint8Array; publicKey: Uint8Array; redeemScript: Uint8Array | null; branchId: number },
): boolean => {
  const { signature, publicKey, redeemScript, branchId } = signed
  const hashType = signature.at(-1)
  if (hashType === undefined || !definedHashTypes.has(hashType)) return false
  try {
    const digest = transparentSignatureHash(transaction, {
      inputIndex,
      spentOutputs: spent,
      redeemScript,
      hashType,
      consensusBranchId: branchId,
    })
    const options = { format: 'der', lowS: true, prehash: false } as const
    return secp256k1.verify(signature.subarray(0, -1), digest, publicKey, options)
  } catch {
    // Not DER, not a point, or a hash type that has nothing to sign here.
    return false
  }
}

const definedHashTypes = new Set(
  [sighash.all, sighash.none, sighash.single].flatMap((type) => [type, type | sighash.anyoneCanPay]),
)

const checkInput = (
  transaction: Transaction,
  inputIndex: number,
  spent: readonly Coin[],
  branchId: number,
): Rejection | null => {
  const { script } = transaction.inputs[inputIndex]!
  const coinScript = classifyScript(spent[inputIndex]!.script, transaction.family)
  const pushes = parsePushes(script)
  if (pushes === null) return scriptFailure('Only non-push operators allowed in signatures')
  if (coinScript.kind === 'p2pkh') {
    const [signature, publicKey] = pushes
    if (pushes.length !== 2 || signature === undefined || publicKey === undefined) return falseTop
    if (!equalBytes(hash160(publicKey), coinScript.hash160)) {
      return scriptFailure('Script failed an OP_EQUALVERIFY operation')
    }
    const signed = { signature, publicKey, redeemScript: null, branchId }
    return isSignatureGood(transaction, inputIndex, spent, signed) ? null : falseTop
  }
  if (coinScript.kind !== 'p2sh') return notInterpreted
  const redeemScript = pushes.at(-1)
  if (redeemScript === undefined || !equalBytes(hash160(redeemScript), coinScript.hash160)) return falseTop
  const multisig = parseMultisig(redeemScript)
  if (multisig === null) return notInterpreted
  const [dummy, ...signatures] = pushes.slice(0, -1)
  if (dummy?.length !== 0) return scriptFailure('Dummy CHECKMULTISIG argument must be zero')
  if (signatures.length !== multisig.required) return falseTop
  // OP_CHECKMULTISIG: signatures stand in the order of their keys.
  let nextKey = 0
  for (const signature of signatures) {
    const found = multisig.publicKeys
      .slice(nextKey)
      .findIndex((publicKey) =>
        isSignatureGood(transaction, inputIndex, spent, { signature, publicKey, redeemScript, branchId }),
      )
    if (found < 0) return falseTop
    nextKey += found + 1
  }
  return null
}

const scriptFailure = (why: string): Rejection => invalid(`mandatory-script-verify-flag-failed (${why})`)

const falseTop = scriptFailure(
  'Script evaluated without error but finished with a false/empty top stack element',
)

/** A real node would run it; `bad-txns-nonstandard-inputs` is what it says of scripts it does not relay. */
const notInterpreted = nonstandard('bad-txns-nonstandard-inputs')
