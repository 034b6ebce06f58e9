import { secp256k1 } from '@noble/curves/secp256k1.js'
import { equalBytes, hash160 } from '../../protocol/index.ts'
import { type Multisig, parseMultisig, parsePushes } from './formats/input-script.ts'
import { classifyScript, multisigInputScript, p2pkhInputScript } from './formats/script.ts'
import { sighash, transparentSignatureHash } from './formats/sighash.ts'
import type { TransactionFields, TransactionOutput } from './formats/types.ts'

/** A key that signs, with its compressed public key (33 bytes). */
export interface SigningKey {
  secretKey: Uint8Array
  publicKey: Uint8Array
}

/** An input of a transaction with the outputs that all of its inputs spend. */
export interface SpendingInput {
  fields: TransactionFields
  inputIndex: number
  spentOutputs: readonly TransactionOutput[]
  /** Of P2SH. */
  redeemScript: Uint8Array | null
}

/** An input script, and how many of the signatures that it needs it has. */
export interface InputSignatures {
  script: Uint8Array
  signatures: number
  required: number
}

/** Nodes relay no longer ones (zcashd: `scriptsig-size`); 15 signatures and a redeem script of 15 keys fit. */
const maxInputScriptBytes = 1_650

/**
 * Counts the signatures of an input as it stands. A node runs the bytes, not what could be made of them: a script that
 * is not, byte for byte, the one that `signaturesOf` makes of its signatures has none.
 */
export const signaturesIn = (input: SpendingInput): Omit<InputSignatures, 'script'> => {
  const { script } = input.fields.inputs[input.inputIndex]!
  const made = signaturesOf(input, [script], null)
  return { signatures: equalBytes(made.script, script) ? made.signatures : 0, required: made.required }
}

/**
 * The signatures (SIGHASH_ALL) of an input that are good, of all those that stand in `scripts`, and with a new one by
 * `key` if it is among those who may sign and one is still needed. Signatures that are not good are left out, and so is
 * a script that no node would relay: each costs at most one verification for each key. An input of another kind than
 * P2PKH or P2SH multisig needs one signature and has none.
 */
export const signaturesOf = (
  input: SpendingInput,
  scripts: readonly Uint8Array[],
  key: SigningKey | null,
): InputSignatures => {
  const { fields, inputIndex, spentOutputs, redeemScript } = input
  const spent = classifyScript(spentOutputs[inputIndex]!.script, fields.family)
  const pushes = scripts.map((script) =>
    script.length > maxInputScriptBytes ? [] : (parsePushes(script) ?? []),
  )
  const digest = transparentSignatureHash(fields, {
    inputIndex,
    spentOutputs,
    redeemScript,
    hashType: sighash.all,
    // Versions 1 and 5 are what is signed here: neither is told the branch from outside.
    consensusBranchId: null,
  })
  if (spent.kind === 'p2pkh') return signaturesOfKey(digest, spent.hash160, pushes, key)
  const multisig = redeemScript === null ? null : parseMultisig(redeemScript)
  if (spent.kind === 'p2sh' && multisig !== null && equalBytes(hash160(redeemScript!), spent.hash160)) {
    return signaturesOfMultisig(digest, multisig, redeemScript!, pushes, key)
  }
  return { script: new Uint8Array(), signatures: 0, required: 1 }
}

export const signingKeyOf = (secretKey: Uint8Array): SigningKey => ({
  secretKey,
  publicKey: secp256k1.getPublicKey(secretKey, true),
})

const signaturesOfKey = (
  digest: Uint8Array,
  owner: Uint8Array,
  pushesOfScripts: readonly (readonly Uint8Array[])[],
  key: SigningKey | null,
): InputSignatures => {
  for (const [signature, publicKey, ...more] of pushesOfScripts) {
    if (signature === undefined || publicKey === undefined || more.length > 0) continue
    if (equalBytes(hash160(publicKey), owner) && isGood(signature, digest, publicKey)) {
      return { script: p2pkhInputScript(signature, publicKey), signatures: 1, required: 1 }
    }
  }
  if (key === null || !equalBytes(hash160(key.publicKey), owner)) {
    return { script: new Uint8Array(), signatures: 0, required: 1 }
  }
  return { script: p2pkhInputScript(sign(digest, key), key.publicKey), signatures: 1, required: 1 }
}

const signaturesOfMultisig = (
  digest: Uint8Array,
  { required, publicKeys }: Multisig,
  redeemScript: Uint8Array,
  pushesOfScripts: readonly (readonly Uint8Array[])[],
  key: SigningKey | null,
): InputSignatures => {
  const found: (Uint8Array | undefined)[] = publicKeys.map(() => undefined)
  for (const pushes of pushesOfScripts) {
    // The first push is the empty one, the last the redeem script.
    const candidates = pushes.slice(1, -1)
    if (candidates.length > publicKeys.length) continue
    // As OP_CHECKMULTISIG walks: signatures stand in the order of their keys.
    for (const [i, publicKey] of publicKeys.entries()) {
      const [signature] = candidates
      if (signature === undefined) break
      if (!isGood(signature, digest, publicKey)) continue
      found[i] ??= signature
      candidates.shift()
    }
  }
  const missing = required - found.filter((signature) => signature !== undefined).length
  const own = key === null ? -1 : publicKeys.findIndex((publicKey) => equalBytes(publicKey, key.publicKey))
  if (missing > 0 && own >= 0) found[own] ??= sign(digest, key!)
  const signatures = found.filter((signature) => signature !== undefined).slice(0, required)
  return {
    script: signatures.length === 0 ? new Uint8Array() : multisigInputScript(signatures, redeemScript),
    signatures: signatures.length,
    required,
  }
}

/** DER with low s, by RFC 6979: the same bytes every time. The hash type follows. */
const sign = (digest: Uint8Array, { secretKey }: SigningKey): Uint8Array =>
  Uint8Array.of(...secp256k1.sign(digest, secretKey, { format: 'der', prehash: false }), sighash.all)

const isGood = (signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean => {
  if (signature.at(-1) !== sighash.all) return false
  try {
    const options = { format: 'der', lowS: true, prehash: false } as const
    return secp256k1.verify(signature.subarray(0, -1), digest, publicKey, options)
  } catch {
    // Not DER, or not a point.
    return false
  }
}
