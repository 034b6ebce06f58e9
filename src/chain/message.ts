import { secp256k1 } from '@noble/curves/secp256k1.js'
import { base64 } from '@scure/base'
import { concatBytes, equalBytes, messageDigest, recoverHash160 } from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { decodeAddress } from './address.ts'

/**
 * What the family's `signmessage` prints: base64 of [header, r, s] over the double SHA-256 of magic and text. The
 * header is 27 + recovery id, + 4 for the address of a compressed key. Deterministic (RFC 6979), low s.
 */
export const signMessage = (secretKey: Uint8Array, message: string, isCompressed: boolean): string => {
  const signature = secp256k1.sign(messageDigest(message), secretKey, { prehash: false, format: 'recovered' })
  const header = 27 + signature[0]! + (isCompressed ? 4 : 0)
  return base64.encode(concatBytes(Uint8Array.of(header), signature.subarray(1)))
}

/**
 * Whether the key of a P2PKH address signed the text. It recovers the key, as the nodes do, so a signature with a
 * high s is as good as its twin: never take a signature for an identifier. The text does not name a chain; the
 * address does. Errors: `CHAIN_ADDRESS_INVALID`, and `CHAIN_ADDRESS_NO_KEY` for P2SH, which no single key signs for.
 */
export const verifyMessage = (address: string, signature: string, message: string): boolean => {
  const { kind, hash160 } = decodeAddress(address)
  if (kind !== 'p2pkh') {
    throw new SecnodeError('CHAIN_ADDRESS_NO_KEY', 'a P2SH address has no key of its own to sign with', {
      hint: 'Messages are signed by addresses that begin with t1, tm (Zcash), zn or zt (ZEN).',
    })
  }
  const bytes = decodeSignature(signature)
  const recovered = bytes === null ? null : recoverHash160(bytes, messageDigest(message))
  return recovered !== null && equalBytes(recovered, hash160)
}

/** 65 bytes are 88 characters of base64. */
const decodeSignature = (text: string): Uint8Array | null => {
  if (text.length !== 88) return null
  try {
    return base64.decode(text)
  } catch {
    return null
  }
}
