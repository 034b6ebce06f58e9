import { ed25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import { concatBytes, equalBytes, utf8ToBytes } from './bytes.ts'
import {
  createCanonicalReader,
  isAtEnd,
  majorType,
  readBytes,
  readBytesOf,
  readHead,
} from './canonical-reader.ts'
import { decodeCanonical, encodeCanonical, type Decoded } from './codec.ts'
import { bytesOf, bytesUpTo, type NetworkId } from './ids.ts'

/** What a signature is about: the kind stands in the signed bytes, so none can be taken for another. */
export type SignedKind = 'att' | 'ask' | 'receipt' | 'probe' | 'pop' | 'vote'

/** A payload beside its signature; its id is the CID of the payload alone (R-ID-1). */
export interface Signed {
  payload: Uint8Array
  /** 64 bytes, Ed25519. */
  signature: Uint8Array
}

/** R-SIG-1: utf8("secnode:" + kind + ":" + networkId) || 0x00 || payload. */
export const signedBytes = (kind: SignedKind, networkId: NetworkId, payload: Uint8Array): Uint8Array =>
  concatBytes(utf8ToBytes(`secnode:${kind}:${networkId}`), Uint8Array.of(0), payload)

/** Signs bytes with the node's key; 64 bytes. */
export type Sign = (message: Uint8Array) => Uint8Array

/**
 * R-SIG-1: signs a payload. The bytes that are signed are `signedBytes(kind, networkId, payload)`, so a signature
 * holds for this kind and this network only. Returns the payload as it is beside the 64-byte Ed25519 signature.
 * Throws only what `sign` throws.
 */
export const signPayload = (
  kind: SignedKind,
  networkId: NetworkId,
  payload: Uint8Array,
  sign: Sign,
): Signed => ({
  payload,
  signature: sign(signedBytes(kind, networkId, payload)),
})

/** Dag-cbor [payload, signature]. */
export const encodeSigned = (signed: Signed): Uint8Array =>
  encodeCanonical([signed.payload, signed.signature])

/** Reads what `encodeSigned` writes; the result shares no memory with `bytes`. */
export const decodeSigned = (bytes: Uint8Array, maxPayloadBytes: number): Decoded<Signed> =>
  decodeSignedQuickly(bytes, maxPayloadBytes) ?? decodeSignedBySchema(bytes, maxPayloadBytes)

/** The bulk path: null is no verdict, only a question for the schema. */
const decodeSignedQuickly = (bytes: Uint8Array, maxPayloadBytes: number): Decoded<Signed> | null => {
  const reader = createCanonicalReader(bytes)
  if (readHead(reader, majorType.array) !== 2) return null
  const payload = readBytes(reader, maxPayloadBytes)
  const signature = readBytesOf(reader, 64)
  if (payload === null || signature === null || !isAtEnd(reader)) return null
  return { is: 'ok', value: { payload: Uint8Array.from(payload), signature: Uint8Array.from(signature) } }
}

/** The reference that R-CODEC-1 describes. */
export const decodeSignedBySchema = (bytes: Uint8Array, maxPayloadBytes: number): Decoded<Signed> => {
  const decoded = decodeCanonical(
    z.tuple([bytesUpTo(maxPayloadBytes), bytesOf(64)]),
    bytes,
    maxPayloadBytes + 80,
  )
  if (decoded.is === 'bad') return decoded
  const [payload, signature] = decoded.value
  return { is: 'ok', value: { payload, signature } }
}

/**
 * Ed25519 verification under R-SIG-2 for a public key that passed `isAcceptablePublicKey`. Implementations differ in
 * speed only; the edge-case vectors run on each of them.
 */
export type VerifyEd25519 = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean

/** R-SIG-2, once at registration: canonical, torsion-free, not the identity. */
export const isAcceptablePublicKey = (publicKey: Uint8Array): boolean => {
  if (publicKey.length !== 32) return false
  try {
    const point = ed25519.Point.fromBytes(publicKey)
    return !point.is0() && point.isTorsionFree() && equalBytes(point.toBytes(), publicKey)
  } catch {
    return false
  }
}

/** The encoding of the identity: a verifier refuses it as R before all else (R-SIG-2). */
export const isIdentityEncoding = (r: Uint8Array): boolean =>
  r[0] === 1 && r.every((byte, i) => i === 0 || byte === 0)

const bytesToNumberLE = (bytes: Uint8Array): bigint => {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return value
}

/**
 * R-SIG-2 spelt out on noble's points: R is not the identity, S < L, and encode(S·B − h·A) equals R byte for byte.
 * The slow cross-check of the native verifier, and the one that `protocol/` uses when given no other.
 */
export const verifyEd25519: VerifyEd25519 = (publicKey, message, signature) => {
  if (signature.length !== 64 || !isAcceptablePublicKey(publicKey)) return false
  const order = ed25519.Point.Fn.ORDER
  const r = signature.subarray(0, 32)
  const s = bytesToNumberLE(signature.subarray(32))
  if (isIdentityEncoding(r) || s >= order) return false
  const h = bytesToNumberLE(sha512(concatBytes(r, publicKey, message))) % order
  const a = ed25519.Point.fromBytes(publicKey)
  const expected = ed25519.Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(h))
  return equalBytes(expected.toBytes(), r)
}
