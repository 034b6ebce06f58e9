import {
  asciiToBytes,
  bytesToNumberLE,
  concatBytes,
  equalBytes,
  numberToBytesLE,
} from '@noble/curves/utils.js'
import type { OrchardAction } from '../formats/types.ts'
import { MEMO_BYTES } from './memo.ts'
import { blake2b256, open, prfExpand, reduceTo, seal, sealUnreadable } from './note-cipher.ts'
import { encodeNotePlaintext, type NotePlaintext, parseNotePlaintext } from './note-plaintext.ts'
import { diversifyHashOrchard, type OrchardAddress, orchardIvkScalar } from './orchard-keys.ts'
import {
  multiplyPallas,
  pallasBaseFromBytes,
  pallasFromBytes,
  pallasGroupHash,
  type PallasPoint,
  pallasToBytes,
} from './pallas.ts'
import { PALLAS_BASE, PALLAS_ORDER } from './pallas-curve.ts'
import { joinBits, sinsemillaShortCommit } from './sinsemilla.ts'

/**
 * Notes of Orchard and of Ironwood (NU6.3), which differ in the lead byte of the plaintext and in how the
 * commitment's trapdoor is derived: Zcash protocol specification 4.7.3 and 4.19, ZIP 212, ZIP 2005.
 * Everything that an attacker can put on the chain gives null here, never an error.
 */

export type OrchardPool = 'orchard' | 'ironwood'

const LEAD_BYTES = { orchard: 2, ironwood: 3 } as const

export interface OrchardNote {
  pool: OrchardPool
  address: OrchardAddress
  /** Base units. */
  value: bigint
  /** rseed, 32 bytes. */
  randomness: Uint8Array
  /** 512 bytes. */
  memo: Uint8Array
}

/**
 * The note of an action of `pool`'s bundle that is paid to `ivk` (32 bytes; one key serves both pools), or null
 * when it is not, or breaks a check of specification 4.19.2: lead byte, note commitment, ephemeral key.
 */
export const decryptOrchardNote = (
  action: Pick<OrchardAction, 'nullifier' | 'cmx' | 'ephemeralKey' | 'encCiphertext'>,
  ivk: Uint8Array,
  pool: OrchardPool,
): OrchardNote | null => {
  const scalar = orchardIvkScalar(ivk)
  const ephemeralKey = pallasFromBytes(action.ephemeralKey)
  if (scalar === null || ephemeralKey === null) return null
  const plaintext = openPlaintext(action, multiplyPallas(ephemeralKey, scalar), pool)
  if (plaintext === null) return null
  const base = diversifyHashOrchard(plaintext.diversifier)
  return checkedNote(action, plaintext, base, multiplyPallas(base, scalar), pool)
}

/**
 * The note of an action that was sent with `ovk` (32 bytes; all zeros for a shielded coinbase, ZIP 213),
 * or null when it was not, or breaks a check of specification 4.19.3.
 */
export const recoverOrchardAction = (
  action: Pick<
    OrchardAction,
    'cv' | 'nullifier' | 'cmx' | 'ephemeralKey' | 'encCiphertext' | 'outCiphertext'
  >,
  ovk: Uint8Array,
  pool: OrchardPool,
): OrchardNote | null => {
  if (ovk.length !== 32) return null
  const outgoing = open(outgoingKey(ovk, action), action.outCiphertext)
  if (outgoing === null || outgoing.length !== 64) return null
  const key = pallasFromBytes(outgoing.subarray(0, 32))
  const ephemeralSecret = bytesToNumberLE(outgoing.subarray(32))
  if (key === null || ephemeralSecret === 0n || ephemeralSecret >= PALLAS_ORDER) return null
  const plaintext = openPlaintext(action, multiplyPallas(key, ephemeralSecret), pool)
  if (plaintext === null) return null
  return checkedNote(action, plaintext, diversifyHashOrchard(plaintext.diversifier), key, pool)
}

export interface OrchardPayment {
  address: OrchardAddress
  /** Base units, below 2^64. */
  value: bigint
  /** 512 bytes: see `memo.ts`. */
  memo: Uint8Array
  /** Who may read what was sent: 32 bytes, all zeros in a coinbase; null for nobody. */
  ovk: Uint8Array | null
  /** The nullifier of the action, a canonical field element; it makes the note unique. */
  nullifier: Uint8Array
}

/** The parts of an action that a payment decides; rk and the signature are the caller's. */
export type EncryptedOrchardAction = Omit<OrchardAction, 'rk' | 'signature'>

/**
 * A new action that pays `payment.address`: real note commitment, ciphertexts, and value commitment of a spend of 0.
 * Throws only on arguments that are no address, amount, memo or nullifier.
 */
export const encryptOrchardAction = (
  payment: OrchardPayment,
  pool: OrchardPool,
  randomBytes: (length: number) => Uint8Array,
): EncryptedOrchardAction =>
  sealOrchardNote(payment, pool, {
    randomness: randomBytes(32),
    cv: orchardValueCommitment(-payment.value, reduceTo(PALLAS_ORDER, randomBytes(64))),
    outgoingFiller: payment.ovk === null ? randomBytes(96) : null,
  })

/** `encryptOrchardAction` with every random choice given. */
export const sealOrchardNote = (
  { address, value, memo, ovk, nullifier }: OrchardPayment,
  pool: OrchardPool,
  choices: {
    /** rseed. */
    randomness: Uint8Array
    cv: Uint8Array
    /** 32 bytes of key and 64 of plaintext for an outgoing ciphertext that nobody can read. */
    outgoingFiller: Uint8Array | null
  },
): EncryptedOrchardAction => {
  const key = pallasFromBytes(address.transmissionKey)
  if (key === null || address.diversifier.length !== 11) throw new RangeError('not an Orchard address')
  if (value < 0n || value >= 1n << 64n) throw new RangeError('a note holds 0 to 2^64 - 1 base units')
  if (memo.length !== MEMO_BYTES) throw new RangeError('a memo is 512 bytes')
  const { randomness, cv, outgoingFiller } = choices
  const base = diversifyHashOrchard(address.diversifier)
  const cmx = orchardNoteCommitment(
    pool,
    pallasToBytes(base),
    address.transmissionKey,
    value,
    nullifier,
    randomness,
  )
  if (cmx === null) throw new RangeError('a nullifier is a canonical field element')
  const ephemeralSecret = ephemeralSecretOf(randomness, nullifier)
  if (ephemeralSecret === 0n) throw new RangeError('not a seed for this nullifier')
  const ephemeralKey = pallasToBytes(multiplyPallas(base, ephemeralSecret))
  const plaintext = encodeNotePlaintext({
    leadByte: LEAD_BYTES[pool],
    diversifier: address.diversifier,
    value,
    randomness,
    memo,
  })
  const encCiphertext = seal(noteKey(multiplyPallas(key, ephemeralSecret), ephemeralKey), plaintext)
  const outCiphertext =
    ovk === null
      ? sealUnreadable(outgoingFiller)
      : seal(
          outgoingKey(ovk, { cv, cmx, ephemeralKey }),
          concatBytes(address.transmissionKey, numberToBytesLE(ephemeralSecret, 32)),
        )
  return { cv, nullifier, cmx, ephemeralKey, encCiphertext, outCiphertext }
}

/** cv, 32 bytes: [value] V + [trapdoor] R; `value` is spent minus created. */
export const orchardValueCommitment = (value: bigint, trapdoor: bigint): Uint8Array => {
  const scalar = ((value % PALLAS_ORDER) + PALLAS_ORDER) % PALLAS_ORDER
  const valueBase = pallasGroupHash('z.cash:Orchard-cv', asciiToBytes('v'))
  const blindingBase = pallasGroupHash('z.cash:Orchard-cv', asciiToBytes('r'))
  return pallasToBytes(multiplyPallas(valueBase, scalar).add(multiplyPallas(blindingBase, trapdoor)))
}

/**
 * cmx, 32 bytes, of the note that a seed makes; null when the nullifier is no canonical field element.
 * `baseBytes` and `keyBytes` are the encodings of g_d and pk_d.
 */
export const orchardNoteCommitment = (
  pool: OrchardPool,
  baseBytes: Uint8Array,
  keyBytes: Uint8Array,
  value: bigint,
  nullifier: Uint8Array,
  randomness: Uint8Array,
): Uint8Array | null => {
  const rho = pallasBaseFromBytes(nullifier)
  if (rho === null) return null
  const psi = reduceTo(PALLAS_BASE, prfExpand(randomness, 0x09, nullifier))
  const message = joinBits(
    { value: bytesToNumberLE(baseBytes), bits: 256 },
    { value: bytesToNumberLE(keyBytes), bits: 256 },
    { value, bits: 64 },
    { value: rho, bits: 255 },
    { value: psi, bits: 255 },
  )
  const preimage =
    pool === 'orchard'
      ? prfExpand(randomness, 0x05, nullifier)
      : // ZIP 2005: Ironwood's binds every field of the note. No official table has it yet; the tests compare with
        // values that the orchard crate made (test/vectors/app-zcash).
        prfExpand(
          randomness,
          0x0b,
          baseBytes,
          keyBytes,
          numberToBytesLE(value, 8),
          nullifier,
          numberToBytesLE(psi, 32),
        )
  const trapdoor = reduceTo(PALLAS_ORDER, preimage)
  return numberToBytesLE(sinsemillaShortCommit('z.cash:Orchard-NoteCommit', message, trapdoor), 32)
}

const openPlaintext = (
  action: Pick<OrchardAction, 'ephemeralKey' | 'encCiphertext'>,
  shared: PallasPoint,
  pool: OrchardPool,
): NotePlaintext<number> | null => {
  const bytes = open(noteKey(shared, action.ephemeralKey), action.encCiphertext)
  return bytes === null ? null : parseNotePlaintext(bytes, [LEAD_BYTES[pool]])
}

/** What both ways of decrypting check alike, with g_d = `base` and pk_d = `key`. */
const checkedNote = (
  action: Pick<OrchardAction, 'nullifier' | 'cmx' | 'ephemeralKey'>,
  { diversifier, value, randomness, memo }: NotePlaintext<number>,
  base: PallasPoint,
  key: PallasPoint,
  pool: OrchardPool,
): OrchardNote | null => {
  const ephemeralSecret = ephemeralSecretOf(randomness, action.nullifier)
  if (ephemeralSecret === 0n) return null
  const ephemeralKey = pallasToBytes(multiplyPallas(base, ephemeralSecret))
  if (!equalBytes(ephemeralKey, action.ephemeralKey)) return null
  const transmissionKey = pallasToBytes(key)
  const cmx = orchardNoteCommitment(
    pool,
    pallasToBytes(base),
    transmissionKey,
    value,
    action.nullifier,
    randomness,
  )
  if (cmx === null || !equalBytes(cmx, action.cmx)) return null
  return { pool, address: { diversifier, transmissionKey }, value, randomness, memo }
}

const ephemeralSecretOf = (randomness: Uint8Array, nullifier: Uint8Array): bigint =>
  reduceTo(PALLAS_ORDER, prfExpand(randomness, 0x04, nullifier))

const KDF = asciiToBytes('Zcash_OrchardKDF')
const DERIVE_OCK = asciiToBytes('Zcash_Orchardock')

const noteKey = (shared: PallasPoint, ephemeralKey: Uint8Array): Uint8Array =>
  blake2b256(KDF, pallasToBytes(shared), ephemeralKey)

const outgoingKey = (
  ovk: Uint8Array,
  { cv, cmx, ephemeralKey }: Pick<OrchardAction, 'cv' | 'cmx' | 'ephemeralKey'>,
): Uint8Array => blake2b256(DERIVE_OCK, ovk, cv, cmx, ephemeralKey)
