import { createHash } from 'node:crypto'
import { asciiToBytes, concatBytes, equalBytes, numberToBytesLE } from '@noble/curves/utils.js'
import type { JoinSplit } from '../formats/types.ts'
import { MEMO_BYTES } from './memo.ts'
import { blake2b256, open, seal } from './note-cipher.ts'
import {
  deriveSproutKeys,
  prfRho,
  type SproutAddress,
  type SproutViewingKey,
  x25519,
  x25519PublicKey,
} from './sprout-keys.ts'

/**
 * Notes of Sprout, of Zcash and of ZEN: Zcash protocol specification 4.7.1, 4.18.
 *
 * The note commitment binds amount and paying key, so whoever has the (published) viewing key can check a payment.
 * Everything that an attacker can put on the chain gives null here, never an error.
 */

export interface SproutNote {
  address: SproutAddress
  /** Base units. */
  value: bigint
  /** 32 bytes. */
  rho: Uint8Array
  /** The commitment's trapdoor r, 32 bytes. */
  randomness: Uint8Array
  /** 512 bytes. */
  memo: Uint8Array
}

type SealedNotes = Pick<
  JoinSplit,
  'nullifiers' | 'commitments' | 'ephemeralKey' | 'randomSeed' | 'ciphertexts'
>

/**
 * The note of output `index` of a JoinSplit that is paid to `viewingKey`, or null when it is not, or breaks a
 * check of specification 4.18.2. `joinSplitPublicKey` is the transaction's, 32 bytes.
 */
export const decryptSproutNote = (
  joinSplit: SealedNotes,
  joinSplitPublicKey: Uint8Array,
  viewingKey: SproutViewingKey,
  index: 0 | 1,
): SproutNote | null => decryptSproutJoinSplit(joinSplit, joinSplitPublicKey, viewingKey)[index]

/** Both outputs of a JoinSplit at the price of one key agreement: see `decryptSproutNote`. */
export const decryptSproutJoinSplit = (
  joinSplit: SealedNotes,
  joinSplitPublicKey: Uint8Array,
  viewingKey: SproutViewingKey,
): readonly [SproutNote | null, SproutNote | null] => {
  const shared = x25519(viewingKey.receivingKey, joinSplit.ephemeralKey)
  if (shared === null) return [null, null]
  const address = {
    payingKey: viewingKey.payingKey,
    transmissionKey: transmissionKeyOf(viewingKey.receivingKey),
  }
  const hSig = sproutHSig(joinSplit.randomSeed, joinSplit.nullifiers, joinSplitPublicKey)
  const decrypt = (index: 0 | 1): SproutNote | null => {
    const key = noteKey(index, hSig, shared, joinSplit.ephemeralKey, address.transmissionKey)
    const plaintext = open(key, joinSplit.ciphertexts[index])
    if (plaintext === null) return null
    const note = parsePlaintext(plaintext, address)
    return note !== null && equalBytes(sproutNoteCommitment(note), joinSplit.commitments[index]) ? note : null
  }
  return [decrypt(0), decrypt(1)]
}

export interface SproutPayment {
  address: SproutAddress
  /** Base units, below 2^64. */
  value: bigint
  /** 512 bytes: see `memo.ts`. */
  memo: Uint8Array
}

/**
 * The parts of a new JoinSplit that its two outputs decide: real note commitments and ciphertexts; null is an output
 * of zero to an address that nobody knows. Proof, macs, anchor and amounts are the caller's.
 */
export const encryptSproutJoinSplit = (
  payments: readonly [SproutPayment | null, SproutPayment | null],
  nullifiers: readonly [Uint8Array, Uint8Array],
  joinSplitPublicKey: Uint8Array,
  randomBytes: (length: number) => Uint8Array,
): SealedNotes => {
  const randomSeed = randomBytes(32)
  const hSig = sproutHSig(randomSeed, nullifiers, joinSplitPublicKey)
  const phi = randomBytes(32)
  const noteOf = (index: 0 | 1): SproutNote => {
    const payment = payments[index] ?? {
      address: deriveSproutKeys(randomBytes(32)).address,
      value: 0n,
      memo: new Uint8Array(MEMO_BYTES),
    }
    return { ...payment, rho: prfRho(phi, index, hSig), randomness: randomBytes(32) }
  }
  return sealSproutNotes([noteOf(0), noteOf(1)], nullifiers, randomSeed, joinSplitPublicKey, randomBytes(32))
}

/** `encryptSproutJoinSplit` with every random choice given. */
export const sealSproutNotes = (
  notes: readonly [SproutNote, SproutNote],
  nullifiers: readonly [Uint8Array, Uint8Array],
  randomSeed: Uint8Array,
  joinSplitPublicKey: Uint8Array,
  ephemeralSecret: Uint8Array,
): SealedNotes => {
  const hSig = sproutHSig(randomSeed, nullifiers, joinSplitPublicKey)
  const ephemeralKey = x25519PublicKey(ephemeralSecret)
  const sealNote = (index: 0 | 1): Uint8Array => {
    const note = notes[index]
    if (note.value < 0n || note.value >= 1n << 64n)
      throw new RangeError('a note holds 0 to 2^64 - 1 base units')
    if (note.memo.length !== MEMO_BYTES) throw new RangeError('a memo is 512 bytes')
    const { transmissionKey } = note.address
    const shared = x25519(ephemeralSecret, transmissionKey)
    if (shared === null) throw new RangeError('not a Sprout address')
    return seal(noteKey(index, hSig, shared, ephemeralKey, transmissionKey), encodePlaintext(note))
  }
  return {
    nullifiers,
    randomSeed,
    ephemeralKey,
    commitments: [sproutNoteCommitment(notes[0]), sproutNoteCommitment(notes[1])],
    ciphertexts: [sealNote(0), sealNote(1)],
  }
}

/** hSig of specification 4.3: it binds the note ciphertexts to their JoinSplit. */
export const sproutHSig = (
  randomSeed: Uint8Array,
  nullifiers: readonly [Uint8Array, Uint8Array],
  joinSplitPublicKey: Uint8Array,
): Uint8Array => blake2b256(COMPUTE_H_SIG, randomSeed, nullifiers[0], nullifiers[1], joinSplitPublicKey)

/** NoteCommit^Sprout: SHA-256 of 0xB0, a_pk, amount, rho and r. */
export const sproutNoteCommitment = (note: SproutNote): Uint8Array =>
  new Uint8Array(
    createHash('sha256')
      .update(Uint8Array.of(0xb0))
      .update(note.address.payingKey)
      .update(numberToBytesLE(note.value, 8))
      .update(note.rho)
      .update(note.randomness)
      .digest(),
  )

const COMPUTE_H_SIG = asciiToBytes('ZcashComputehSig')
const KDF = asciiToBytes('ZcashKDF')

const noteKey = (
  index: 0 | 1,
  hSig: Uint8Array,
  shared: Uint8Array,
  ephemeralKey: Uint8Array,
  transmissionKey: Uint8Array,
): Uint8Array => {
  const personalization = new Uint8Array(16)
  personalization.set(KDF)
  personalization[8] = index
  return blake2b256(personalization, hSig, shared, ephemeralKey, transmissionKey)
}

const LEAD_BYTE = 0
const VALUE_AT = 1
const RHO_AT = 9
const RANDOMNESS_AT = 41
const MEMO_AT = 73
const PLAINTEXT_BYTES = MEMO_AT + MEMO_BYTES

const encodePlaintext = (note: SproutNote): Uint8Array =>
  concatBytes(Uint8Array.of(LEAD_BYTE), numberToBytesLE(note.value, 8), note.rho, note.randomness, note.memo)

const parsePlaintext = (bytes: Uint8Array, address: SproutAddress): SproutNote | null => {
  if (bytes.length !== PLAINTEXT_BYTES || bytes[0] !== LEAD_BYTE) return null
  return {
    address,
    value: new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(VALUE_AT, true),
    rho: bytes.slice(RHO_AT, RANDOMNESS_AT),
    randomness: bytes.slice(RANDOMNESS_AT, MEMO_AT),
    memo: bytes.slice(MEMO_AT),
  }
}

/** One viewing key meets every JoinSplit of the chain: its public half is computed once. */
const transmissionKeys = new WeakMap<Uint8Array, Uint8Array>()

const transmissionKeyOf = (receivingKey: Uint8Array): Uint8Array => {
  let key = transmissionKeys.get(receivingKey)
  if (key === undefined) {
    key = x25519PublicKey(receivingKey)
    transmissionKeys.set(receivingKey, key)
  }
  return key
}
