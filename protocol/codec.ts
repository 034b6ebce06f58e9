import * as dagCbor from '@ipld/dag-cbor'
import { sha256 } from '@noble/hashes/sha2.js'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { z } from 'zod'
import { equalBytes } from './bytes.ts'

/** What canonical data is made of: DAG-CBOR without floats and maps. */
export type Canonical = number | bigint | string | boolean | null | Uint8Array | CID | readonly Canonical[]

/**
 * The canonical bytes of a value (R-CODEC-1), in memory of their own. Throws only on what is no canonical value at all.
 */
export const encodeCanonical = (value: Canonical): Uint8Array => {
  const bytes = dagCbor.encode(value)
  // Under Node the library now and then gives a view of Node's pool, whose `slice` does not copy.
  return Object.getPrototypeOf(bytes) === Uint8Array.prototype ? bytes : new Uint8Array(bytes)
}

export type Decoded<T> = { is: 'ok'; value: T } | { is: 'bad'; code: DecodeCode }
export type DecodeCode = 'too-long' | 'not-cbor' | 'wrong-shape' | 'not-canonical'

/**
 * Strict decoding (R-CODEC-1): at most `maxBytes`, the shape of `schema`, and the same bytes when encoded again,
 * which refuses unsorted keys, long integers, floats, negative zero and whatever else the decoder lets pass.
 */
export const decodeCanonical = <T>(schema: z.ZodType<T>, bytes: Uint8Array, maxBytes: number): Decoded<T> => {
  if (bytes.length > maxBytes) return { is: 'bad', code: 'too-long' }
  let raw: unknown
  try {
    raw = dagCbor.decode(bytes)
  } catch {
    return { is: 'bad', code: 'not-cbor' }
  }
  const parsed = schema.safeParse(raw)
  if (!parsed.success) return { is: 'bad', code: 'wrong-shape' }
  let again: Uint8Array
  try {
    again = dagCbor.encode(raw)
  } catch {
    return { is: 'bad', code: 'not-canonical' }
  }
  return equalBytes(again, bytes) ? { is: 'ok', value: parsed.data } : { is: 'bad', code: 'not-canonical' }
}

/** H(domain, x, …) = SHA-256 of the DAG-CBOR array [domain, x, …] (R-HASH-1): 32 bytes. */
export const hash = (domain: string, ...values: readonly Canonical[]): Uint8Array =>
  sha256(encodeCanonical([domain, ...values]))

const sha256Code = 0x12
// Version 1, dag-cbor, sha2-256, 32 bytes.
const cidHead = Uint8Array.of(0x01, dagCbor.code, sha256Code, 0x20)

/** The id of a payload: CIDv1, dag-cbor, sha2-256 (R-ID-1). */
export const cidOf = (payload: Uint8Array): CID => cidOfDigest(sha256(payload))

/** The CID whose multihash holds this SHA-256 digest: stores keep 32 bytes instead of 36. */
export const cidOfDigest = (digest: Uint8Array): CID => {
  const bytes = new Uint8Array(36)
  bytes.set(cidHead)
  bytes.set(digest, 4)
  // Put together here because the library's own way through varints takes twice as long.
  const multihash = new Digest.Digest(sha256Code, 32, bytes.subarray(4), bytes.subarray(2))
  return new CID(1, dagCbor.code, multihash, bytes)
}

/** A CIDv1 of dag-cbor with a 32-byte SHA-256: the only kind there is here. */
export const PayloadCid = z.custom<CID>(
  (value) => {
    const cid = CID.asCID(value)
    return (
      cid !== null &&
      cid.version === 1 &&
      cid.code === dagCbor.code &&
      cid.multihash.code === sha256Code &&
      cid.multihash.digest.length === 32 &&
      // One spelling: 4 bytes of head, 32 of digest.
      cid.bytes.length === 36
    )
  },
  { error: 'must be a CIDv1 of dag-cbor with sha2-256' },
)
