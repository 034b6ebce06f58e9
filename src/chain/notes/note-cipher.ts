import { createCipheriv, createDecipheriv } from 'node:crypto'
import { blake2b } from '@noble/hashes/blake2.js'
import { asciiToBytes, bytesToNumberLE, concatBytes } from '@noble/curves/utils.js'

/**
 * The symmetric part that all pools share: ChaCha20-Poly1305 (RFC 8439) under a key that is used once, so the
 * nonce is zero and there is no associated data (Zcash protocol specification 5.4.3), and BLAKE2b personalised
 * as a key derivation.
 */

const TAG_BYTES = 16
const ZERO_NONCE = new Uint8Array(12)

/** Ciphertext with its 16-byte tag at the end. `key` is 32 bytes. */
export const seal = (key: Uint8Array, plaintext: Uint8Array): Uint8Array => {
  const cipher = createCipheriv('chacha20-poly1305', key, ZERO_NONCE, { authTagLength: TAG_BYTES })
  const head = cipher.update(plaintext)
  cipher.final()
  return concatBytes(head, cipher.getAuthTag())
}

/** The plaintext, or null when the tag does not fit. */
export const open = (key: Uint8Array, ciphertext: Uint8Array): Uint8Array | null => {
  if (ciphertext.length < TAG_BYTES) return null
  const end = ciphertext.length - TAG_BYTES
  const decipher = createDecipheriv('chacha20-poly1305', key, ZERO_NONCE, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(ciphertext.subarray(end))
  const plaintext = decipher.update(ciphertext.subarray(0, end))
  try {
    decipher.final()
  } catch {
    return null
  }
  return new Uint8Array(plaintext)
}

/** An outgoing ciphertext without an outgoing key: 32 bytes of key and 64 of plaintext, all random, seal into noise. */
export const sealUnreadable = (filler: Uint8Array | null): Uint8Array => {
  if (filler?.length !== 96)
    throw new RangeError('without an ovk the outgoing ciphertext needs 96 random bytes')
  return seal(filler.subarray(0, 32), filler.subarray(32))
}

/** BLAKE2b-256 with a 16-byte personalisation, over the parts joined. */
export const blake2b256 = (personalization: Uint8Array, ...parts: Uint8Array[]): Uint8Array =>
  personalized(personalization, 32, parts)

const EXPAND_SEED = asciiToBytes('Zcash_ExpandSeed')

/** PRF^expand of the Zcash protocol specification 5.4.2: 64 bytes from a 32-byte key and a domain-separated input. */
export const prfExpand = (key: Uint8Array, domain: number, ...input: Uint8Array[]): Uint8Array =>
  personalized(EXPAND_SEED, 64, [key, Uint8Array.of(domain), ...input])

/** ToScalar and ToBase: 64 uniform bytes, little endian, reduced; the bias is 2^-256. */
export const reduceTo = (order: bigint, bytes: Uint8Array): bigint => bytesToNumberLE(bytes) % order

const personalized = (personalization: Uint8Array, dkLen: number, parts: Uint8Array[]): Uint8Array => {
  const hash = blake2b.create({ personalization, dkLen })
  for (const part of parts) hash.update(part)
  return hash.digest()
}
