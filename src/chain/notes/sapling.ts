import {
  asciiToBytes,
  bytesToNumberLE,
  concatBytes,
  equalBytes,
  numberToBytesLE,
} from '@noble/curves/utils.js'
import type { SaplingOutput } from '../formats/types.ts'
import {
  diversifyHashSapling,
  JUBJUB_ORDER,
  jubjubFromBytes,
  jubjubKeyFromBytes,
  type JubjubPoint,
  multiplyJubjub,
} from './jubjub.ts'
import { MEMO_BYTES } from './memo.ts'
import { blake2b256, open, prfExpand, reduceTo, seal, sealUnreadable } from './note-cipher.ts'
import { encodeNotePlaintext, type NotePlaintext, parseNotePlaintext } from './note-plaintext.ts'
import { saplingNoteCommitment, saplingValueCommitment } from './sapling-commitment.ts'
import { type SaplingAddress, saplingIvkScalar } from './sapling-keys.ts'

/**
 * Notes of Sapling: Zcash protocol specification 4.7.2 and 4.19, ZIP 212.
 * Everything that an attacker can put on the chain gives null here, never an error.
 */

/** First byte of a plaintext: 1 carries the commitment's trapdoor, 2 a seed for it and for the ephemeral key (ZIP 212). */
export type SaplingLeadByte = 1 | 2

export interface SaplingNote {
  leadByte: SaplingLeadByte
  address: SaplingAddress
  /** Base units. */
  value: bigint
  /** rcm (lead byte 1) or rseed (lead byte 2), 32 bytes. */
  randomness: Uint8Array
  /** 512 bytes. */
  memo: Uint8Array
}

/** Both at any height (R-CHAIN-4): ZIP 212 binds who receives money, and here a memo is read under a published key. */
const LEAD_BYTES: readonly SaplingLeadByte[] = [1, 2]

/**
 * The note of an output that is paid to `ivk` (32 bytes), or null when it is not, or breaks a check of
 * specification 4.19.2: lead byte, diversifier, canonical trapdoor, note commitment, ephemeral key.
 */
export const decryptSaplingNote = (
  output: Pick<SaplingOutput, 'cmu' | 'ephemeralKey' | 'encCiphertext'>,
  ivk: Uint8Array,
): SaplingNote | null => {
  const scalar = saplingIvkScalar(ivk)
  const ephemeralKey = jubjubFromBytes(output.ephemeralKey)
  if (scalar === null || ephemeralKey === null) return null
  const shared = multiplyJubjub(ephemeralKey, scalar).clearCofactor()
  // Consensus refuses ephemeral keys of small order; they are the ones that agree on the identity.
  if (shared.is0()) return null
  const plaintext = openPlaintext(output, shared)
  if (plaintext === null) return null
  const base = diversifyHashSapling(plaintext.diversifier)
  if (base === null) return null
  return checkedNote(output, plaintext, base, multiplyJubjub(base, scalar))
}

/**
 * The note of an output that was sent with `ovk` (32 bytes; all zeros for a shielded coinbase, ZIP 213),
 * or null when it was not, or breaks a check of specification 4.19.3.
 */
export const recoverSaplingOutput = (
  output: Pick<SaplingOutput, 'cv' | 'cmu' | 'ephemeralKey' | 'encCiphertext' | 'outCiphertext'>,
  ovk: Uint8Array,
): SaplingNote | null => {
  if (ovk.length !== 32) return null
  const outgoing = open(outgoingKey(ovk, output), output.outCiphertext)
  if (outgoing === null || outgoing.length !== 64) return null
  const key = jubjubKeyFromBytes(outgoing.subarray(0, 32))
  const ephemeralSecret = bytesToNumberLE(outgoing.subarray(32))
  if (key === null || ephemeralSecret === 0n || ephemeralSecret >= JUBJUB_ORDER) return null
  const plaintext = openPlaintext(output, multiplyJubjub(key, ephemeralSecret).clearCofactor())
  if (plaintext === null) return null
  const base = diversifyHashSapling(plaintext.diversifier)
  if (base === null || !equalBytes(multiplyJubjub(base, ephemeralSecret).toBytes(), output.ephemeralKey)) {
    return null
  }
  return checkedNote(output, plaintext, base, key)
}

export interface SaplingPayment {
  address: SaplingAddress
  /** Base units, below 2^64. */
  value: bigint
  /** 512 bytes: see `memo.ts`. */
  memo: Uint8Array
  /** Who may read what was sent: 32 bytes, all zeros in a coinbase; null for nobody. */
  ovk: Uint8Array | null
}

/** The parts of an output that a payment decides; the proof is the caller's. */
export type EncryptedSaplingOutput = Omit<SaplingOutput, 'proof'>

/**
 * A new output with lead byte 2 that pays `payment.address`: real value and note commitments and ciphertexts.
 * Throws only on arguments that are no address, amount or memo.
 */
export const encryptSaplingOutput = (
  payment: SaplingPayment,
  randomBytes: (length: number) => Uint8Array,
): EncryptedSaplingOutput => {
  const randomness = randomBytes(32)
  return sealSaplingNote(payment, {
    leadByte: 2,
    randomness,
    ephemeralSecret: reduceTo(JUBJUB_ORDER, prfExpand(randomness, 0x05)),
    cv: saplingValueCommitment(payment.value, reduceTo(JUBJUB_ORDER, randomBytes(64))),
    outgoingFiller: payment.ovk === null ? randomBytes(96) : null,
  })
}

/** `encryptSaplingOutput` with every random choice given; with lead byte 1 only for checking old vectors. */
export const sealSaplingNote = (
  { address, value, memo, ovk }: SaplingPayment,
  choices: {
    leadByte: SaplingLeadByte
    randomness: Uint8Array
    ephemeralSecret: bigint
    cv: Uint8Array
    /** 32 bytes of key and 64 of plaintext for an outgoing ciphertext that nobody can read. */
    outgoingFiller: Uint8Array | null
  },
): EncryptedSaplingOutput => {
  const base = diversifyHashSapling(address.diversifier)
  const key = jubjubKeyFromBytes(address.transmissionKey)
  if (base === null || key === null) throw new RangeError('not a Sapling address')
  if (value < 0n || value >= 1n << 64n) throw new RangeError('a note holds 0 to 2^64 - 1 base units')
  if (memo.length !== MEMO_BYTES) throw new RangeError('a memo is 512 bytes')
  const { leadByte, randomness, ephemeralSecret, cv, outgoingFiller } = choices
  const trapdoor = trapdoorOf(leadByte, randomness)
  if (trapdoor === null) throw new RangeError('not a canonical trapdoor')
  const cmu = saplingNoteCommitment(base.toBytes(), address.transmissionKey, value, trapdoor)
  const ephemeralKey = multiplyJubjub(base, ephemeralSecret).toBytes()
  const plaintext = encodeNotePlaintext({
    leadByte,
    diversifier: address.diversifier,
    value,
    randomness,
    memo,
  })
  const encCiphertext = seal(
    noteKey(multiplyJubjub(key, ephemeralSecret).clearCofactor(), ephemeralKey),
    plaintext,
  )
  const outgoing =
    ovk === null
      ? sealUnreadable(outgoingFiller)
      : seal(
          outgoingKey(ovk, { cv, cmu, ephemeralKey }),
          concatBytes(address.transmissionKey, numberToBytesLE(ephemeralSecret, 32)),
        )
  return { cv, cmu, ephemeralKey, encCiphertext, outCiphertext: outgoing }
}

const openPlaintext = (
  output: Pick<SaplingOutput, 'ephemeralKey' | 'encCiphertext'>,
  shared: JubjubPoint,
): NotePlaintext<SaplingLeadByte> | null => {
  const bytes = open(noteKey(shared, output.ephemeralKey), output.encCiphertext)
  return bytes === null ? null : parseNotePlaintext(bytes, LEAD_BYTES)
}

/** What both ways of decrypting check alike, with g_d = `base` and pk_d = `key`. */
const checkedNote = (
  output: Pick<SaplingOutput, 'cmu' | 'ephemeralKey'>,
  { leadByte, diversifier, value, randomness, memo }: NotePlaintext<SaplingLeadByte>,
  base: JubjubPoint,
  key: JubjubPoint,
): SaplingNote | null => {
  const trapdoor = trapdoorOf(leadByte, randomness)
  if (trapdoor === null) return null
  const transmissionKey = key.toBytes()
  const cmu = saplingNoteCommitment(base.toBytes(), transmissionKey, value, trapdoor)
  if (!equalBytes(cmu, output.cmu)) return null
  if (leadByte === 2) {
    const ephemeralSecret = reduceTo(JUBJUB_ORDER, prfExpand(randomness, 0x05))
    if (!equalBytes(multiplyJubjub(base, ephemeralSecret).toBytes(), output.ephemeralKey)) return null
  }
  return { leadByte, address: { diversifier, transmissionKey }, value, randomness, memo }
}

/** rcm: written in the plaintext (lead byte 1; null unless canonical) or derived from rseed (lead byte 2). */
const trapdoorOf = (leadByte: SaplingLeadByte, randomness: Uint8Array): bigint | null => {
  if (leadByte === 2) return reduceTo(JUBJUB_ORDER, prfExpand(randomness, 0x04))
  const trapdoor = bytesToNumberLE(randomness)
  return trapdoor < JUBJUB_ORDER ? trapdoor : null
}

const KDF = asciiToBytes('Zcash_SaplingKDF')
const DERIVE_OCK = asciiToBytes('Zcash_Derive_ock')

/** KDF^Sapling of a shared point whose cofactor is cleared. */
const noteKey = (shared: JubjubPoint, ephemeralKey: Uint8Array): Uint8Array =>
  blake2b256(KDF, shared.toBytes(), ephemeralKey)

const outgoingKey = (
  ovk: Uint8Array,
  { cv, cmu, ephemeralKey }: Pick<SaplingOutput, 'cv' | 'cmu' | 'ephemeralKey'>,
): Uint8Array => blake2b256(DERIVE_OCK, ovk, cv, cmu, ephemeralKey)
