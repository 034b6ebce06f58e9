import { secp256k1 } from '@noble/curves/secp256k1.js'
import { ripemd160 } from '@noble/hashes/legacy.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from './bytes.ts'

const magic = utf8ToBytes('Zcash Signed Message:\n')

const compactSize = (n: number): Uint8Array => {
  if (n < 0xfd) return Uint8Array.of(n)
  if (n <= 0xffff) return Uint8Array.of(0xfd, n & 0xff, n >>> 8)
  return Uint8Array.of(0xfe, n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24)
}

/** What the family's `signmessage` signs: double SHA-256 over the magic and the text, both length-prefixed. */
export const messageDigest = (message: string): Uint8Array => {
  const text = utf8ToBytes(message)
  return sha256(sha256(concatBytes(compactSize(magic.length), magic, compactSize(text.length), text)))
}

/** RIPEMD-160 of SHA-256: 20 bytes. */
export const hash160 = (bytes: Uint8Array): Uint8Array => ripemd160(sha256(bytes))

/** The header byte of a recoverable signature: 27 + recovery id, + 4 for a compressed key. */
const minHeader = 27
const maxHeader = 34

/**
 * The hash160 of the key that made a 65-byte recoverable signature [header, r, s] over a 32-byte digest; null if
 * there is none. Takes high s as the wallets of the family do, so a signature is no identifier.
 */
export const recoverHash160 = (signature: Uint8Array, digest: Uint8Array): Uint8Array | null => {
  const header = signature[0]
  if (signature.length !== 65 || header === undefined || header < minHeader || header > maxHeader) return null
  const recovery = (header - minHeader) & 3
  const isCompressed = header >= minHeader + 4
  try {
    const parsed = secp256k1.Signature.fromBytes(signature.subarray(1), 'compact').addRecoveryBit(recovery)
    return hash160(parsed.recoverPublicKey(digest).toBytes(isCompressed))
  } catch {
    return null
  }
}
