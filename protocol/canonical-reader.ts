import type { CID } from 'multiformats/cid'
import { cidOfDigest } from './codec.ts'

/**
 * A cursor over canonical DAG-CBOR of a known shape, for the bulk path: a week has 1.7 million attestations, and the
 * general decoder with schema and comparison takes ten times as long. It takes nothing that the general one refuses;
 * for whatever it does not take the general one is asked (tests hold the two together).
 */
export interface CanonicalReader {
  bytes: Uint8Array
  offset: number
}

/** Returns a reader at the first of these bytes; it copies nothing. */
export const createCanonicalReader = (bytes: Uint8Array): CanonicalReader => ({ bytes, offset: 0 })

/** RFC 8949, 3.1: the major types that are read here. */
export const majorType = { uint: 0, bytes: 2, text: 3, array: 4 } as const
export type MajorType = (typeof majorType)[keyof typeof majorType]

/** The argument of a head of this type in its shortest form, at most 2^32 − 1; −1 for anything else. */
export const readHead = (reader: CanonicalReader, major: MajorType): number => {
  const { bytes } = reader
  const first = bytes[reader.offset++]
  if (first === undefined || first >> 5 !== major) return -1
  const short = first & 0x1f
  if (short < 24) return short
  if (short > 26) return -1
  const size = 1 << (short - 24)
  if (reader.offset + size > bytes.length) return -1
  let value = 0
  for (let i = 0; i < size; i++) value = value * 256 + bytes[reader.offset++]!
  const smallest = size === 1 ? 24 : size === 2 ? 0x100 : 0x1_0000
  return value < smallest ? -1 : value
}

/** A byte string of at most `maxBytes`, as a view; null for anything else. */
export const readBytes = (reader: CanonicalReader, maxBytes: number): Uint8Array | null => {
  const length = readHead(reader, majorType.bytes)
  const end = reader.offset + length
  if (length < 0 || length > maxBytes || end > reader.bytes.length) return null
  const view = reader.bytes.subarray(reader.offset, end)
  reader.offset = end
  return view
}

/** A byte string of exactly `length` bytes, as a view; null for anything else. */
export const readBytesOf = (reader: CanonicalReader, length: number): Uint8Array | null => {
  const view = readBytes(reader, length)
  return view?.length === length ? view : null
}

/** A text of exactly `length` ASCII characters; null for anything else. */
export const readAscii = (reader: CanonicalReader, length: number): string | null => {
  if (readHead(reader, majorType.text) !== length) return null
  const end = reader.offset + length
  if (end > reader.bytes.length) return null
  let text = ''
  for (let i = reader.offset; i < end; i++) {
    const byte = reader.bytes[i]!
    if (byte > 0x7f) return null
    text += String.fromCharCode(byte)
  }
  reader.offset = end
  return text
}

/** The one-byte item null, taken if it is next. */
export const takeNull = (reader: CanonicalReader): boolean => {
  if (reader.bytes[reader.offset] !== 0xf6) return false
  reader.offset++
  return true
}

// Tag 42, 37 bytes: 00 and the CID: version 1, dag-cbor, sha2-256, 32 bytes of digest.
const cidHead = Uint8Array.of(0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20)

/** A `PayloadCid`; null for anything else. */
export const readCid = (reader: CanonicalReader): CID | null => {
  const { bytes, offset } = reader
  const start = offset + cidHead.length
  if (start + 32 > bytes.length) return null
  for (let i = 0; i < cidHead.length; i++) if (bytes[offset + i] !== cidHead[i]) return null
  reader.offset = start + 32
  return cidOfDigest(bytes.subarray(start, start + 32))
}

/** Whether all bytes were read. */
export const isAtEnd = (reader: CanonicalReader): boolean => reader.offset === reader.bytes.length
