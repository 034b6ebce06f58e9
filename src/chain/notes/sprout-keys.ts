import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto'
import { concatBytes } from '@noble/curves/utils.js'
import { _SHA256, sha256 } from '@noble/hashes/sha2.js'
import { createBase58check } from '@scure/base'
import type { NoteNetwork } from './network.ts'

/**
 * Keys and addresses of Sprout: Zcash protocol specification 4.2.1, 5.6.2. Zcash and ZEN write them alike;
 * `regtest` is written as `test` and read back as `test`.
 */

export interface SproutAddress {
  /** a_pk, 32 bytes. */
  payingKey: Uint8Array
  /** pk_enc, 32 bytes. */
  transmissionKey: Uint8Array
}

/** Decrypts what is paid to one address; public for an announcement address. */
export interface SproutViewingKey {
  /** a_pk, 32 bytes. */
  payingKey: Uint8Array
  /** sk_enc, 32 bytes, a clamped X25519 secret. */
  receivingKey: Uint8Array
}

export interface SproutKeys {
  /** a_sk, 32 bytes, the top 4 bits of the first one clear. */
  spendingKey: Uint8Array
  viewingKey: SproutViewingKey
  address: SproutAddress
}

/** Every key that follows from 32 bytes; the specification's a_sk has 252 bits, so 4 of them are cleared. */
export const deriveSproutKeys = (seed: Uint8Array): SproutKeys => {
  if (seed.length !== 32) throw new RangeError('a Sprout spending key has 32 bytes')
  const spendingKey = seed.slice()
  spendingKey[0]! &= 0x0f
  const receivingKey = prfAddress(spendingKey, 1)
  receivingKey[0]! &= 0xf8
  receivingKey[31]! &= 0x7f
  receivingKey[31]! |= 0x40
  const viewingKey = { payingKey: prfAddress(spendingKey, 0), receivingKey }
  return { spendingKey, viewingKey, address: sproutAddress(viewingKey) }
}

export const sproutAddress = ({ payingKey, receivingKey }: SproutViewingKey): SproutAddress => ({
  payingKey,
  transmissionKey: x25519PublicKey(receivingKey),
})

const PREFIXES = {
  address: { main: [0x16, 0x9a], test: [0x16, 0xb6] },
  viewingKey: { main: [0xa8, 0xab, 0xd3], test: [0xa8, 0xac, 0x0c] },
  spendingKey: { main: [0xab, 0x36], test: [0xac, 0x08] },
} as const

/** `zc…` or `zt…` */
export const encodeSproutAddress = (address: SproutAddress, network: NoteNetwork): string =>
  encode('address', network, concatBytes(address.payingKey, address.transmissionKey))

export const parseSproutAddress = (
  text: string,
): { network: 'main' | 'test'; address: SproutAddress } | null => {
  const decoded = decode('address', text, 64)
  if (decoded === null) return null
  const { network, bytes } = decoded
  return { network, address: { payingKey: bytes.slice(0, 32), transmissionKey: bytes.slice(32) } }
}

/** `ZiVK…` or `ZiVt…`. ZEN's mainnet defines no prefix of its own and uses Zcash's here. */
export const encodeSproutViewingKey = (key: SproutViewingKey, network: NoteNetwork): string =>
  encode('viewingKey', network, concatBytes(key.payingKey, key.receivingKey))

/** Also reads the Base58Check of the bare 64 bytes, which zend's mainnet prints; it names no network. */
export const parseSproutViewingKey = (
  text: string,
): { network: 'main' | 'test' | null; viewingKey: SproutViewingKey } | null => {
  const decoded = decode('viewingKey', text, 64)
  if (decoded !== null) {
    return { network: decoded.network, viewingKey: sproutViewingKeyFromBytes(decoded.bytes) }
  }
  const bare = decodeBase58check(text)
  return bare?.length === 64 ? { network: null, viewingKey: sproutViewingKeyFromBytes(bare) } : null
}

/** A viewing key from its 64 raw bytes, a_pk || sk_enc. */
export const sproutViewingKeyFromBytes = (bytes: Uint8Array): SproutViewingKey => ({
  payingKey: bytes.slice(0, 32),
  receivingKey: bytes.slice(32, 64),
})

/** `SK…` or `ST…` */
export const encodeSproutSpendingKey = (spendingKey: Uint8Array, network: NoteNetwork): string =>
  encode('spendingKey', network, spendingKey)

export const parseSproutSpendingKey = (
  text: string,
): { network: 'main' | 'test'; spendingKey: Uint8Array } | null => {
  const decoded = decode('spendingKey', text, 32)
  if (decoded === null || decoded.bytes[0]! > 0x0f) return null
  return { network: decoded.network, spendingKey: decoded.bytes }
}

/** X25519 of a secret and a public key, 32 bytes each; null where the result is all zeros (a small-order key). */
export const x25519 = (secret: Uint8Array, publicKey: Uint8Array): Uint8Array | null => {
  if (publicKey.length !== 32) return null
  try {
    return new Uint8Array(
      diffieHellman({ privateKey: privateKeyOf(secret), publicKey: importPublicKey(publicKey) }),
    )
  } catch {
    return null
  }
}

export const x25519PublicKey = (secret: Uint8Array): Uint8Array => {
  const exported = createPublicKey(privateKeyOf(secret)).export({ format: 'der', type: 'spki' })
  return new Uint8Array(exported.subarray(SPKI_PREFIX.length))
}

/** One SHA-256 compression of exactly 64 bytes, without padding: SHA256Compress of specification 5.4.1.1. */
export const sha256Compress = (block: Uint8Array): Uint8Array => new Sha256Compression().compress(block)

/** PRF^rho of specification 5.4.2: the rho of output `index` (0 or 1) of a JoinSplit; `phi` has 252 bits. */
export const prfRho = (phi: Uint8Array, index: 0 | 1, hSig: Uint8Array): Uint8Array => {
  const block = concatBytes(phi, hSig)
  block[0] = (block[0]! & 0x0f) | (index === 0 ? 0x20 : 0x60)
  return sha256Compress(block)
}

/** PRF^addr of specification 5.4.2. */
const prfAddress = (spendingKey: Uint8Array, index: 0 | 1): Uint8Array => {
  const block = new Uint8Array(64)
  block.set(spendingKey)
  block[0]! |= 0xc0
  block[32] = index
  return sha256Compress(block)
}

/** The library shows the chaining value to subclasses only. */
class Sha256Compression extends _SHA256 {
  compress(block: Uint8Array): Uint8Array {
    if (block.length !== 64) throw new RangeError('a SHA-256 block has 64 bytes')
    this.update(block)
    const bytes = new Uint8Array(32)
    const view = new DataView(bytes.buffer)
    for (const [i, word] of this.get().entries()) view.setUint32(4 * i, word)
    return bytes
  }
}

// RFC 8410: what stands before the 32 bytes of an X25519 key in its DER forms.
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')

const importPublicKey = (publicKey: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' })

/** Importing a key costs as much as using it, and one viewing key meets every JoinSplit of the chain. */
const privateKeys = new WeakMap<Uint8Array, KeyObject>()

const privateKeyOf = (secret: Uint8Array): KeyObject => {
  let key = privateKeys.get(secret)
  if (key === undefined) {
    key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, secret]), format: 'der', type: 'pkcs8' })
    privateKeys.set(secret, key)
  }
  return key
}

const base58check = createBase58check(sha256)

const encode = (kind: keyof typeof PREFIXES, network: NoteNetwork, payload: Uint8Array): string =>
  base58check.encode(
    concatBytes(Uint8Array.from(PREFIXES[kind][network === 'main' ? 'main' : 'test']), payload),
  )

/** Bounds the quadratic work of base 58: the longest key has 103 characters. */
const MAX_BASE58_CHARACTERS = 128

const decodeBase58check = (text: string): Uint8Array | null => {
  if (text.length > MAX_BASE58_CHARACTERS) return null
  try {
    return base58check.decode(text)
  } catch {
    return null
  }
}

const decode = (
  kind: keyof typeof PREFIXES,
  text: string,
  length: number,
): { network: 'main' | 'test'; bytes: Uint8Array } | null => {
  const bytes = decodeBase58check(text)
  if (bytes === null) return null
  for (const network of ['main', 'test'] as const) {
    const prefix = PREFIXES[kind][network]
    if (bytes.length === prefix.length + length && prefix.every((byte, i) => bytes[i] === byte)) {
      return { network, bytes: bytes.slice(prefix.length) }
    }
  }
  return null
}
