import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { bytesToHex } from '../../../protocol/index.ts'
import { parseBlock, parseBlockHeader } from '../../../src/chain/formats/block.ts'
import { ChainFormatError } from '../../../src/chain/formats/reader.ts'
import { classifyScript } from '../../../src/chain/formats/script.ts'
import { parseTransaction, serializeTransaction } from '../../../src/chain/formats/transaction.ts'
import type { ChainFamily } from '../../../src/chain/formats/types.ts'
import { looseTransactions, realBlocks } from './real-bytes.ts'

/** How hostile bytes differ from the real ones that they started as. */
type Mutation =
  | { kind: 'set'; at: number; value: number }
  | { kind: 'cut'; at: number }
  | { kind: 'insert'; at: number; bytes: Uint8Array }
  | { kind: 'delete'; at: number; length: number }

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    at: fc.nat(),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0xfd, 0xfe, 0xff)),
  }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat() }),
  fc.record({
    kind: fc.constant('insert' as const),
    at: fc.nat(),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }),
  }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat(), length: fc.nat(40) }),
)

const mutate = (bytes: Uint8Array, mutations: readonly Mutation[]): Uint8Array => {
  let result = Array.from(bytes)
  for (const each of mutations) {
    // Counts and versions stand in front: half of the changes go there.
    const range = each.at % 2 === 0 ? Math.min(result.length, 200) : result.length
    const at = (each.at >>> 1) % (range + 1)
    if (each.kind === 'set' && at < result.length) result[at] = each.value
    else if (each.kind === 'cut') result = result.slice(0, at)
    else if (each.kind === 'insert') result.splice(at, 0, ...each.bytes)
    else if (each.kind === 'delete') result.splice(at, each.length)
  }
  return Uint8Array.from(result)
}

const family = fc.constantFrom<ChainFamily>('zcash', 'zen')

/** The parsed value, or null if it was refused in the way that hostile bytes are to be refused. */
const parsedOrRefused = <T>(size: number, parse: () => T): T | null => {
  try {
    return parse()
  } catch (error) {
    // Anything else is a fault of the parser.
    if (!(error instanceof ChainFormatError)) throw error
    expect(error.code).toMatch(/^CHAIN_FORMAT_[A-Z_]+$/)
    expect(error.offset).toBeGreaterThanOrEqual(0)
    expect(error.offset).toBeLessThanOrEqual(size)
    return null
  }
}

describe('hostile bytes are refused with a code, and what is taken is canonical', () => {
  const small = looseTransactions.filter(({ bytes }) => bytes.length <= 12_000)

  test('20,000 mutated transactions', () => {
    let taken = 0
    fc.assert(
      fc.property(
        fc.constantFrom(...small),
        family,
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        (sample, as, mutations) => {
          const bytes = mutate(sample.bytes, mutations)
          const transaction = parsedOrRefused(bytes.length, () => parseTransaction(bytes, as))
          if (transaction === null) return
          taken++
          // One spelling for one meaning: otherwise one transaction would have two txids.
          expect(bytesToHex(serializeTransaction(transaction))).toBe(bytesToHex(bytes))
        },
      ),
      { numRuns: 20_000 },
    )
    expect(taken).toBeGreaterThan(1_000)
  })

  test('3,000 mutated blocks', () => {
    const blocks = realBlocks.filter(({ bytes }) => bytes.length <= 15_000)
    let taken = 0
    fc.assert(
      fc.property(
        fc.constantFrom(...blocks),
        family,
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        (sample, as, mutations) => {
          const bytes = mutate(sample.bytes, mutations)
          if (parsedOrRefused(bytes.length, () => parseBlock(bytes, as)) !== null) taken++
        },
      ),
      { numRuns: 3_000 },
    )
    expect(taken).toBeGreaterThan(100)
  })

  test('random bytes as transaction, block, header and script', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), family, (bytes, as) => {
        parsedOrRefused(bytes.length, () => parseTransaction(bytes, as))
        parsedOrRefused(bytes.length, () => parseBlock(bytes, as))
        parsedOrRefused(bytes.length, () => parseBlockHeader(bytes))
        expect(['p2pkh', 'p2sh', 'nulldata', 'other']).toContain(classifyScript(bytes, as).kind)
      }),
      { numRuns: 10_000 },
    )
  })

  test('every prefix of a transaction of each kind', () => {
    for (const { bytes, family: as } of small.filter(({ bytes: { length } }) => length <= 3_000)) {
      for (let length = 0; length < bytes.length; length++) {
        expect(parsedOrRefused(length, () => parseTransaction(bytes.subarray(0, length), as))).toBeNull()
      }
    }
  })
})

describe('nothing is allocated from a count that the bytes cannot hold', () => {
  const counted = (prefix: number[]): Uint8Array =>
    Uint8Array.of(...prefix, 0xfe, 0xff, 0xff, 0xff, 0x01, ...Array<number>(64).fill(0))
  it.each([
    ['inputs', 'zcash', counted([1, 0, 0, 0])],
    ['outputs', 'zcash', counted([1, 0, 0, 0, 0])],
    ['JoinSplits', 'zcash', counted([2, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    [
      'Sapling spends',
      'zcash',
      counted([5, 0, 0, 0x80, 0x0a, 0x27, 0xa7, 0x26, ...Array<number>(12).fill(0), 0, 0]),
    ],
    [
      'Sapling outputs',
      'zcash',
      counted([5, 0, 0, 0x80, 0x0a, 0x27, 0xa7, 0x26, ...Array<number>(12).fill(0), 0, 0, 0]),
    ],
    [
      'Orchard actions',
      'zcash',
      counted([5, 0, 0, 0x80, 0x0a, 0x27, 0xa7, 0x26, ...Array<number>(12).fill(0), 0, 0, 0, 0]),
    ],
    ['ceased withdrawals', 'zen', counted([0xfc, 0xff, 0xff, 0xff, 0, 0])],
  ] as const)('%s', (_, as, bytes) => {
    expect(() => parseTransaction(bytes, as)).toThrow(
      expect.objectContaining({ code: 'CHAIN_FORMAT_COUNT' }) as Error,
    )
  })

  it('transactions of a block', () => {
    const header = parseBlock(realBlocks[0]!.bytes, 'zcash').header.bytes
    expect(() => parseBlock(Uint8Array.of(...header, 0xfe, 0xff, 0xff, 0xff, 0x01, 0), 'zcash')).toThrow(
      expect.objectContaining({ code: 'CHAIN_FORMAT_COUNT' }) as Error,
    )
  })
})
