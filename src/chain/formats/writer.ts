import { type ChainFormatCode, ChainFormatError } from './reader.ts'

/** Builds a byte string. Refuses what the format cannot hold with a `ChainFormatError` of code `CHAIN_FORMAT_FIELD`. */
export interface ByteWriter {
  readonly length: number
  u8(value: number): ByteWriter
  u32(value: number): ByteWriter
  i32(value: number): ByteWriter
  u64(value: bigint): ByteWriter
  i64(value: bigint): ByteWriter
  bytes(value: Uint8Array): ByteWriter
  /** Bytes that must be exactly `length`; `name` says of what in the error. */
  fixed(value: Uint8Array, length: number, name: string): ByteWriter
  compactSize(value: number): ByteWriter
  variableBytes(value: Uint8Array): ByteWriter
  vector<T>(elements: readonly T[], write: (element: T) => void): ByteWriter
  /** A copy of what was written. */
  finish(): Uint8Array
  fail(code: ChainFormatCode, message: string): never
}

const builderHint = 'Whoever built this block or transaction gave it a field that its version does not hold.'

export const createByteWriter = (initialBytes = 256): ByteWriter => {
  let buffer = new Uint8Array(initialBytes)
  let view = new DataView(buffer.buffer)
  let length = 0

  /** Makes room for `more` bytes and returns where they start. It may replace `view` and `buffer`: call it first. */
  const reserve = (more: number): number => {
    const start = length
    length += more
    if (length > buffer.length) {
      const larger = new Uint8Array(Math.max(length, buffer.length * 2))
      larger.set(buffer)
      buffer = larger
      view = new DataView(buffer.buffer)
    }
    return start
  }
  const fail = (code: ChainFormatCode, message: string): never => {
    throw new ChainFormatError(code, message, length, builderHint)
  }
  const integer = (value: number, least: number, most: number): number => {
    if (!Number.isInteger(value) || value < least || value > most) {
      fail('CHAIN_FORMAT_FIELD', `${value} is not between ${least} and ${most}`)
    }
    return value
  }
  const wide = (value: bigint, fitted: bigint): bigint => {
    if (value !== fitted) {
      fail('CHAIN_FORMAT_FIELD', `${value} does not fit 64 bits`)
    }
    return value
  }

  const writer: ByteWriter = {
    get length() {
      return length
    },
    u8: (value) => {
      integer(value, 0, 0xff)
      const start = reserve(1)
      view.setUint8(start, value)
      return writer
    },
    u32: (value) => {
      integer(value, 0, 0xffffffff)
      const start = reserve(4)
      view.setUint32(start, value, true)
      return writer
    },
    i32: (value) => {
      integer(value, -0x80000000, 0x7fffffff)
      const start = reserve(4)
      view.setInt32(start, value, true)
      return writer
    },
    u64: (value) => {
      wide(value, BigInt.asUintN(64, value))
      const start = reserve(8)
      view.setBigUint64(start, value, true)
      return writer
    },
    i64: (value) => {
      wide(value, BigInt.asIntN(64, value))
      const start = reserve(8)
      view.setBigInt64(start, value, true)
      return writer
    },
    bytes: (value) => {
      const start = reserve(value.length)
      buffer.set(value, start)
      return writer
    },
    fixed: (value, size, name) => {
      if (value.length !== size) {
        fail('CHAIN_FORMAT_FIELD', `${name} has ${value.length} bytes instead of ${size}`)
      }
      return writer.bytes(value)
    },
    compactSize: (value) => {
      integer(value, 0, 0x02000000)
      if (value < 0xfd) return writer.u8(value)
      if (value > 0xffff) return writer.u8(0xfe).u32(value)
      writer.u8(0xfd)
      const start = reserve(2)
      view.setUint16(start, value, true)
      return writer
    },
    variableBytes: (value) => writer.compactSize(value.length).bytes(value),
    vector: (elements, write) => {
      writer.compactSize(elements.length)
      for (const element of elements) write(element)
      return writer
    },
    finish: () => buffer.slice(0, length),
    fail,
  }
  return writer
}
