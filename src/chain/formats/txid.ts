import { doubleSha256, personalBlake2b256 } from './hashes.ts'
import { writeOutpoint, writeOutput } from './transparent.ts'
import type { OrchardBundle, TransactionFields } from './types.ts'
import { createByteWriter } from './writer.ts'

/** Internal byte order. `bytes` is the serialised transaction. */
export const transactionId = (fields: TransactionFields, bytes: Uint8Array): Uint8Array =>
  isZip244(fields) ? rootDigest(fields, transparentDigest(fields)) : doubleSha256(bytes)

/** True if the txid is the effecting data's only, and the signature hash is built like the txid (v5 and later). */
export const isZip244 = (fields: TransactionFields): boolean =>
  fields.versionGroupId !== null && fields.version >= 5

/**
 * ZIP 244 with the changes of ZIP 229 for v6: root of the digest tree with the given transparent digest, which is
 * the only thing that differs between the txid and a signature hash.
 */
export const rootDigest = (fields: TransactionFields, transparent: Uint8Array): Uint8Array => {
  const personalization = createByteWriter(16)
    .bytes(rootPersonalization)
    .u32(fields.consensusBranchId ?? 0)
    .finish()
  const digests = [headerDigest(fields), transparent, saplingDigest(fields)]
  if (fields.version === 5) digests.push(orchardDigest(fields.orchard, orchardV5))
  else digests.push(orchardDigest(fields.orchard, orchardV6), orchardDigest(fields.ironwood, ironwoodV6))
  return personalBlake2b256(personalization, digests)
}

const rootPersonalization = new TextEncoder().encode('ZcashTxHash_')

const headerDigest = (fields: TransactionFields): Uint8Array =>
  personalBlake2b256('ZTxIdHeadersHash', [
    createByteWriter(20)
      .u32(0x80000000 + fields.version)
      .u32(fields.versionGroupId ?? 0)
      .u32(fields.consensusBranchId ?? 0)
      .u32(fields.lockTime)
      .u32(fields.expiryHeight)
      .finish(),
  ])

/** Of the txid, and of the signature hash of a transaction without transparent inputs or of a coinbase. */
export const transparentDigest = (fields: TransactionFields): Uint8Array => {
  const { inputs, outputs } = fields
  if (inputs.length + outputs.length === 0) return personalBlake2b256('ZTxIdTranspaHash')
  return personalBlake2b256('ZTxIdTranspaHash', [
    prevoutsDigest(inputs),
    sequenceDigest(inputs),
    outputsDigest(outputs),
  ])
}

export const prevoutsDigest = (inputs: TransactionFields['inputs']): Uint8Array => {
  const writer = createByteWriter()
  for (const input of inputs) writeOutpoint(writer, input)
  return personalBlake2b256('ZTxIdPrevoutHash', [writer.finish()])
}

export const sequenceDigest = (inputs: TransactionFields['inputs']): Uint8Array => {
  const writer = createByteWriter()
  for (const input of inputs) writer.u32(input.sequence)
  return personalBlake2b256('ZTxIdSequencHash', [writer.finish()])
}

export const outputsDigest = (outputs: TransactionFields['outputs']): Uint8Array => {
  const writer = createByteWriter()
  for (const output of outputs) writeOutput(writer, output)
  return personalBlake2b256('ZTxIdOutputsHash', [writer.finish()])
}

const saplingDigest = (fields: TransactionFields): Uint8Array => {
  const { saplingSpends: spends, saplingOutputs: outputs } = fields
  if (spends.length + outputs.length === 0) return personalBlake2b256('ZTxIdSaplingHash')
  return personalBlake2b256('ZTxIdSaplingHash', [
    saplingSpendsDigest(fields),
    saplingOutputsDigest(outputs),
    createByteWriter(8).i64(fields.saplingValueBalance).finish(),
  ])
}

const saplingSpendsDigest = ({ version, saplingSpends: spends }: TransactionFields): Uint8Array => {
  if (spends.length === 0) return personalBlake2b256('ZTxIdSSpendsHash')
  return personalBlake2b256('ZTxIdSSpendsHash', [
    personalBlake2b256(
      'ZTxIdSSpendCHash',
      spends.map((spend) => spend.nullifier),
    ),
    // The anchor is the effecting data's in v5 and the authorising data's in v6 (ZIP 229).
    version === 5
      ? personalBlake2b256(
          'ZTxIdSSpendNHash',
          spends.flatMap((spend) => [spend.cv, spend.anchor, spend.rk]),
        )
      : personalBlake2b256(
          'ZTxIdSSpendNH_v6',
          spends.flatMap((spend) => [spend.cv, spend.rk]),
        ),
  ])
}

const saplingOutputsDigest = (outputs: TransactionFields['saplingOutputs']): Uint8Array => {
  if (outputs.length === 0) return personalBlake2b256('ZTxIdSOutputHash')
  return personalBlake2b256('ZTxIdSOutputHash', [
    personalBlake2b256(
      'ZTxIdSOutC__Hash',
      outputs.flatMap(({ cmu, ephemeralKey, encCiphertext }) => [
        cmu,
        ephemeralKey,
        compactPart(encCiphertext),
      ]),
    ),
    personalBlake2b256(
      'ZTxIdSOutM__Hash',
      outputs.map(({ encCiphertext }) => memoPart(encCiphertext)),
    ),
    personalBlake2b256(
      'ZTxIdSOutN__Hash',
      outputs.flatMap(({ cv, encCiphertext, outCiphertext }) => [cv, lastPart(encCiphertext), outCiphertext]),
    ),
  ])
}

/** Personalisations of the digests of a bundle, and whether the top one covers the anchor. */
interface BundleHashing {
  compact: string
  memos: string
  noncompact: string
  bundle: string
  hasAnchor: boolean
}

const orchardV5: BundleHashing = {
  compact: 'ZTxIdOrcActCHash',
  memos: 'ZTxIdOrcActMHash',
  noncompact: 'ZTxIdOrcActNHash',
  bundle: 'ZTxIdOrchardHash',
  hasAnchor: true,
}
const orchardV6: BundleHashing = { ...orchardV5, bundle: 'ZTxIdOrchardH_v6', hasAnchor: false }
const ironwoodV6: BundleHashing = {
  compact: 'ZTxIdIrnActCH_v6',
  memos: 'ZTxIdIrnActMH_v6',
  noncompact: 'ZTxIdIrnActNH_v6',
  bundle: 'ZTxIdIronwd_H_v6',
  hasAnchor: false,
}

const orchardDigest = (bundle: OrchardBundle | null, hashing: BundleHashing): Uint8Array => {
  if (bundle === null) return personalBlake2b256(hashing.bundle)
  const { actions } = bundle
  return personalBlake2b256(hashing.bundle, [
    personalBlake2b256(
      hashing.compact,
      actions.flatMap(({ nullifier, cmx, ephemeralKey, encCiphertext }) => [
        nullifier,
        cmx,
        ephemeralKey,
        compactPart(encCiphertext),
      ]),
    ),
    personalBlake2b256(
      hashing.memos,
      actions.map(({ encCiphertext }) => memoPart(encCiphertext)),
    ),
    personalBlake2b256(
      hashing.noncompact,
      actions.flatMap(({ cv, rk, encCiphertext, outCiphertext }) => [
        cv,
        rk,
        lastPart(encCiphertext),
        outCiphertext,
      ]),
    ),
    createByteWriter(9).u8(bundle.flags).i64(bundle.valueBalance).finish(),
    ...(hashing.hasAnchor ? [bundle.anchor] : []),
  ])
}

/** What a light wallet needs to find its notes: lead byte, diversifier, value, seed. */
const compactPart = (ciphertext: Uint8Array): Uint8Array => ciphertext.subarray(0, 52)
const memoPart = (ciphertext: Uint8Array): Uint8Array => ciphertext.subarray(52, 564)
/** The authentication tag. */
const lastPart = (ciphertext: Uint8Array): Uint8Array => ciphertext.subarray(564)
