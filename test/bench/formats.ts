import { parseBlock } from '../../src/chain/formats/block.ts'
import { ChainFormatError } from '../../src/chain/formats/reader.ts'
import { parseTransaction } from '../../src/chain/formats/transaction.ts'
import { createByteWriter } from '../../src/chain/formats/writer.ts'
import { realBlocks } from '../chain/formats/real-bytes.ts'

/**
 * What hostile bytes cost to read: their time must grow with their length, not with its square. Each shape is read at two
 * lengths; the shorter is the reference. Eight times the bytes take eight times the time, 64 times if it were the square.
 */
export const run = (): Promise<void> => {
  for (const [name, shape] of Object.entries(shapes)) {
    const lengths = [800_000, 6_400_000] as const
    const [smallMs, largeMs] = lengths.map((bytes) => fastestMs(shape(bytes))) as [number, number]
    const line = { bench: 'formats', case: name, bytes: lengths, smallMs, largeMs, ratio: largeMs / smallMs }
    process.stdout.write(`${JSON.stringify({ ...line, goal: 16 })}\n`)
  }
  return Promise.resolve()
}

const fastestMs = (read: () => unknown): number => {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 15; round++) {
    const startMs = performance.now()
    read()
    best = Math.min(best, performance.now() - startMs)
  }
  return best
}

const header = parseBlock(realBlocks[0]!.bytes, 'zcash').header.bytes
const compactSize = (value: number): Uint8Array => createByteWriter().compactSize(value).finish()
const repeat = (part: Uint8Array, times: number): Uint8Array => {
  const result = new Uint8Array(part.length * times)
  for (let index = 0; index < times; index++) result.set(part, index * part.length)
  return result
}
const tiny = Uint8Array.of(1, 0, 0, 0, 1, ...new Uint8Array(41), 1, ...new Uint8Array(9), 0, 0, 0, 0)
const v5 = [5, 0, 0, 0x80, 0x0a, 0x27, 0xa7, 0x26, ...new Uint8Array(12), 0, 0]
const shapes: Record<string, (bytes: number) => () => unknown> = {
  'many inputs': (bytes) => {
    const count = Math.floor(bytes / 41)
    const input = Uint8Array.from([
      1,
      0,
      0,
      0,
      ...compactSize(count),
      ...repeat(new Uint8Array(41), count),
      0,
      0,
      0,
      0,
      0,
    ])
    return () => parseTransaction(input, 'zcash')
  },
  'many Sapling spends': (bytes) => {
    const count = Math.floor(bytes / 352)
    const input = Uint8Array.from([
      ...v5,
      ...compactSize(count),
      ...repeat(new Uint8Array(96), count),
      0,
      ...new Uint8Array(8 + 32 + 256 * count + 64),
      0,
    ])
    return () => parseTransaction(input, 'zcash')
  },
  'many transactions': (bytes) => {
    const count = Math.floor(bytes / tiny.length)
    const input = Uint8Array.from([...header, ...compactSize(count), ...repeat(tiny, count)])
    return () => parseBlock(input, 'zcash')
  },
  'a count that is wrong only at the end': (bytes) => {
    const count = Math.floor(bytes / tiny.length)
    const input = Uint8Array.from([
      ...header,
      ...compactSize(count),
      ...repeat(tiny, count - 1),
      ...new Uint8Array(tiny.length),
    ])
    return () => {
      try {
        parseBlock(input, 'zcash')
      } catch (error) {
        if (!(error instanceof ChainFormatError)) throw error
      }
    }
  },
}
