import { secp256k1 } from '@noble/curves/secp256k1.js'
import { bytesToHex, equalBytes, hash160 } from '../../../protocol/index.ts'
import { classifyScript, multisigInputScript, p2pkhInputScript } from '../../chain/formats/script.ts'
import { sighash, transparentSignatureHash } from '../../chain/formats/sighash.ts'
import type { TransactionFields } from '../../chain/formats/types.ts'
import type { Coin } from './coin.ts'
import { parseMultisig, parsePushes } from '../../chain/formats/input-script.ts'
import { isSignatureGood } from './script-check.ts'
import { ownerKey } from './script-owner.ts'
import type { WalletKey } from './wallet-keys.ts'

export interface SigningKeys {
  /** By the owner key of its P2PKH script. */
  find(owner: string): WalletKey | undefined
}

export interface SignOptions {
  branchId: number
  hashType?: number
  /** By the hex of their hash160. */
  redeemScripts?: ReadonlyMap<string, Uint8Array>
}

/** The transaction with every input signed that the keys can sign, as far as they can. */
export const signInputs = (
  fields: TransactionFields,
  spent: readonly Coin[],
  keys: SigningKeys,
  options: SignOptions,
): { fields: TransactionFields; isComplete: boolean; unsigned: number[] } => {
  const unsigned: number[] = []
  const inputs = fields.inputs.map((input, index) => {
    const signed = signInput(fields, index, spent, keys, options)
    if (!signed.isComplete) unsigned.push(index)
    return { ...input, script: signed.script }
  })
  return { fields: { ...fields, inputs }, isComplete: unsigned.length === 0, unsigned }
}

interface SignedScript {
  script: Uint8Array
  isComplete: boolean
}

const signInput = (
  fields: TransactionFields,
  inputIndex: number,
  spent: readonly Coin[],
  keys: SigningKeys,
  { branchId, hashType = sighash.all, redeemScripts }: SignOptions,
): SignedScript => {
  const { script } = fields.inputs[inputIndex]!
  const coinScript = classifyScript(spent[inputIndex]!.script, fields.family)
  const pushes = parsePushes(script) ?? []

  const sign = (key: WalletKey, redeemScript: Uint8Array | null): Uint8Array => {
    const digest = transparentSignatureHash(fields, {
      inputIndex,
      spentOutputs: spent,
      redeemScript,
      hashType,
      consensusBranchId: branchId,
    })
    const signature = secp256k1.sign(digest, key.secretKey, { format: 'der', prehash: false })
    return Uint8Array.of(...signature, hashType)
  }
  const isGood = (signature: Uint8Array, publicKey: Uint8Array, redeemScript: Uint8Array | null): boolean =>
    isSignatureGood(fields, inputIndex, spent, { signature, publicKey, redeemScript, branchId })

  if (coinScript.kind === 'p2pkh') {
    const key = keys.find(ownerKey('p2pkh', coinScript.hash160))
    if (key !== undefined)
      return { script: p2pkhInputScript(sign(key, null), key.publicKey), isComplete: true }
    const [signature, publicKey] = pushes
    const isComplete =
      signature !== undefined &&
      publicKey !== undefined &&
      equalBytes(hash160(publicKey), coinScript.hash160) &&
      isGood(signature, publicKey, null)
    return { script, isComplete }
  }
  if (coinScript.kind !== 'p2sh') return { script, isComplete: false }

  const redeemScript = redeemScripts?.get(bytesToHex(coinScript.hash160)) ?? pushes.at(-1)
  const multisig = redeemScript === undefined ? null : parseMultisig(redeemScript)
  if (redeemScript === undefined || multisig === null) return { script, isComplete: false }
  // What co-signers put there before stays.
  const earlier = pushes.slice(1, -1).filter(({ length }) => length > 0)
  const signatures = multisig.publicKeys.flatMap((publicKey) => {
    const key = keys.find(ownerKey('p2pkh', hash160(publicKey)))
    const found = earlier.find((signature) => isGood(signature, publicKey, redeemScript))
    return found ?? (key === undefined ? [] : [sign(key, redeemScript)])
  })
  const enough = signatures.slice(0, multisig.required)
  if (enough.length === 0) return { script, isComplete: false }
  return {
    script: multisigInputScript(enough, redeemScript),
    isComplete: enough.length === multisig.required,
  }
}
