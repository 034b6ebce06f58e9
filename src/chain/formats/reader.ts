import { SecnodeError } from '../../errors.ts'

/** What is wrong with the bytes; stable, part of the interface. */
export type ChainFormatCode =
  /** The bytes end before the structure does. */
  | 'CHAIN_FORMAT_TRUNCATED'
  /** The structure ends before the bytes do. */
  | 'CHAIN_FORMAT_TRAILING'
  /** A CompactSize longer than it need be: two spellings of one transaction would have two hashes. */
  | 'CHAIN_FORMAT_NON_CANONICAL'
  /** A count or length that the bytes left cannot hold, or beyond the format's own limit. */
  | 'CHAIN_FORMAT_COUNT'
  /** A transaction version, or version group, that the family does not have. */
  | 'CHAIN_FORMAT_VERSION'
  /** A field with a value that the format does not allow. */
  | 'CHAIN_FORMAT_FIELD'

/**
 * Bytes that are no block or transaction, or fields that make none. `offset` counts bytes from the start of what was
 * read or written.
 */
export class ChainFormatError extends SecnodeError {
  declare readonly code: ChainFormatCode
  readonly offset: number

  constructor(code: ChainFormatCode, message: string, offset: number, hint: string) {
    super(code, `${message} (at byte ${offset})`, { hint })
    this.name = 'ChainFormatError'
    this.offset = offset
  }
}

const damagedHint = 'The bytes are damaged, cut short, or of another chain; fetch them again.'

/** No CompactSize of the family may exceed this (MAX_SIZE in zcashd and zend, serialize.h). */
const maxCompactSize = 0x02000000

/**
 * A cursor over one buffer. Every read is bounds-checked, byte strings are views, and a count is accepted
 * only if the bytes left can hold that many elements; so time and memory are linear in the input.
 */
export interface ByteReader {
  readonly source: Uint8Array
  readonly offset: number
  readonly bytesLeft: number
  u8(): number
  u32(): number
  i32(): number
  u64(): bigint
  i64(): bigint
  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array
  /** A view of the source from `start` up to here. */
  since(start: number): Uint8Array
  compactSize(): number
  /** A CompactSize length, then as many bytes. */
  variableBytes(): Uint8Array
  /** A CompactSize count of elements that take at least `minBytes` each. */
  count(minBytes: number): number
  /** A counted vector of elements that take at least `minBytes` each. */
  vector<T>(minBytes: number, read: () => T): T[]
  /** Fails unless every byte was read. */
  end(): void
  fail(code: ChainFormatCode, message: string, offset?: number): never
}

export const createByteReader = (input: Uint8Array): ByteReader => {
  // Not a Buffer: its subarrays have a `slice` that does not copy.
  const source =
    input.constructor === Uint8Array
      ? input
      : new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
  const size = source.length
  let offset = 0

  const fail = (code: ChainFormatCode, message: string, at = offset): never => {
    throw new ChainFormatError(code, message, at, damagedHint)
  }
  /** Moves on by `length` and returns where the read starts. */
  const take = (length: number): number => {
    const start = offset
    if (length > size - start) {
      fail('CHAIN_FORMAT_TRUNCATED', `${length} bytes are needed and ${size - start} are left`)
    }
    offset = start + length
    return start
  }

  const u32 = (): number => view.getUint32(take(4), true)
  const bytes = (length: number): Uint8Array => {
    const start = take(length)
    return source.subarray(start, start + length)
  }
  const compactSize = (): number => {
    const start = offset
    const first = view.getUint8(take(1))
    if (first < 0xfd) return first
    let value: number
    let least: number
    if (first === 0xfd) [value, least] = [view.getUint16(take(2), true), 0xfd]
    else if (first === 0xfe) [value, least] = [u32(), 0x10000]
    else {
      const low = u32()
      // Above 2^53 the sum is rounded, but far beyond the limit all the same.
      ;[value, least] = [u32() * 0x100000000 + low, 0x100000000]
    }
    if (value < least)
      fail('CHAIN_FORMAT_NON_CANONICAL', `CompactSize ${value} is longer than it need be`, start)
    if (value > maxCompactSize) fail('CHAIN_FORMAT_COUNT', `CompactSize ${value} is beyond the limit`, start)
    return value
  }
  const variableBytes = (): Uint8Array => {
    const start = offset
    const length = compactSize()
    if (length > size - offset) {
      fail('CHAIN_FORMAT_COUNT', `a length of ${length} with ${size - offset} bytes left`, start)
    }
    return bytes(length)
  }
  const count = (minBytes: number): number => {
    const start = offset
    const value = compactSize()
    if (value * minBytes > size - offset) {
      fail('CHAIN_FORMAT_COUNT', `a count of ${value} with ${size - offset} bytes left`, start)
    }
    return value
  }

  return {
    source,
    get offset() {
      return offset
    },
    get bytesLeft() {
      return size - offset
    },
    u8: () => view.getUint8(take(1)),
    u32,
    i32: () => view.getInt32(take(4), true),
    u64: () => view.getBigUint64(take(8), true),
    i64: () => view.getBigInt64(take(8), true),
    bytes,
    since: (start) => source.subarray(start, offset),
    compactSize,
    variableBytes,
    count,
    vector: (minBytes, read) => {
      const elements = []
      for (let left = count(minBytes); left > 0; left--) elements.push(read())
      return elements
    },
    end: () => {
      if (offset < size) fail('CHAIN_FORMAT_TRAILING', `${size - offset} bytes are left over`)
    },
    fail,
  }
}
