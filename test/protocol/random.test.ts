import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createStream, shuffledIndexes } from '../../protocol/index.ts'
import { chiSquareTest, uniformityTest } from '../../src/cli/chi-square.ts'
import { seedOf } from './fixture.ts'

/** R-RAND-1 read literally: words as a list, computed with another SHA-256. */
const wordsOf = (seed: Uint8Array, count: number): number[] => {
  const words: number[] = []
  for (let counter = 0; words.length < count; counter++) {
    const suffix = Buffer.alloc(4)
    suffix.writeUInt32BE(counter)
    const digest = createHash('sha256').update(seed).update(suffix).digest()
    for (let i = 0; i < 32; i += 4) words.push(digest.readUInt32BE(i))
  }
  return words.slice(0, count)
}

const naiveBelow = (words: number[], n: number): number => {
  if (n === 1) return 0
  for (;;) {
    const x = BigInt(words.shift()!)
    if (x < 2n ** 32n - (2n ** 32n % BigInt(n))) return Number(x % BigInt(n))
  }
}

/** The smallest p-value that a fixed seed may give: one honest test in a thousand would fall below. */
const smallest = 1e-3

describe('R-RAND-1', () => {
  const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })

  test('R-RAND-1 the words are those of SHA-256 over seed and counter', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const stream = createStream(seed)
        expect(Array.from({ length: 50 }, () => stream.word())).toEqual(wordsOf(seed, 50))
      }),
      { numRuns: 50 },
    )
  })

  test('R-RAND-1 numbers below n agree with a literal reading, n = 1 taking no word', () => {
    const bounds = fc.array(
      fc.oneof(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 2 ** 32 }),
        fc.constant(2 ** 31 + 1),
      ),
      { minLength: 1, maxLength: 30 },
    )
    fc.assert(
      fc.property(seeds, bounds, (seed, bounds) => {
        const stream = createStream(seed)
        const words = wordsOf(seed, 3_000)
        for (const n of bounds) expect(stream.below(n)).toBe(naiveBelow(words, n))
      }),
      { numRuns: 200 },
    )
  })

  test('R-RAND-1 the first word that is thrown away is the bound itself', () => {
    // For n above 2^31 the bound is n: a seed whose first word is n shows which side n is on.
    for (let i = 0, found = 0; found < 5; i++) {
      const [first, second] = wordsOf(seedOf('bound', i), 2)
      if (first! <= 2 ** 31 || second! >= first!) continue
      found++
      expect(createStream(seedOf('bound', i)).below(first!)).toBe(second)
      expect(createStream(seedOf('bound', i)).below(first! + 1)).toBe(first)
    }
  })

  test('R-RAND-1 there is no number below what is no count', () => {
    for (const n of [0, -1, 1.5, 2 ** 32 + 1, Number.NaN, Infinity]) {
      expect(() => createStream(seedOf('x')).below(n)).toThrow(RangeError)
    }
  })

  test('R-RAND-1 rejection leaves no bias where a modulo would prefer the lower third', () => {
    // At n = 3·2^30 a plain remainder gives 0 … 2^30 − 1 with 1/2 instead of 1/3.
    const n = 3 * 2 ** 30
    const stream = createStream(seedOf('bias'))
    const counts = [0, 0, 0]
    for (let i = 0; i < 30_000; i++) counts[Math.floor(stream.below(n) / 2 ** 30)]!++
    expect(uniformityTest(counts, 30_000).pValue).toBeGreaterThan(smallest)
    const biased = [0, 0, 0]
    for (const word of wordsOf(seedOf('bias'), 30_000)) biased[Math.floor((word % n) / 2 ** 30)]!++
    expect(uniformityTest(biased, 30_000).pValue).toBeLessThan(1e-300)
  })

  test.each([3, 11, 101, 1_001])('R-RAND-1 numbers below %i are uniform, and so are pairs of them', (n) => {
    const draws = 200_000
    const stream = createStream(seedOf('uniform', n))
    const counts = new Uint32Array(n)
    const cells = Math.min(n, 11)
    const pairs = new Uint32Array(cells * cells)
    const pairShares = new Float64Array(cells * cells)
    const cellOf = (value: number): number => Math.floor((value * cells) / n)
    const cellSizes = new Uint32Array(cells)
    for (let value = 0; value < n; value++) cellSizes[cellOf(value)]!++
    for (let a = 0; a < cells; a++)
      for (let b = 0; b < cells; b++)
        pairShares[a * cells + b] = ((draws / 2) * cellSizes[a]! * cellSizes[b]!) / n ** 2
    for (let i = 0; i < draws / 2; i++) {
      const first = stream.below(n)
      const second = stream.below(n)
      counts[first]!++
      counts[second]!++
      pairs[cellOf(first) * cells + cellOf(second)]!++
    }
    expect(uniformityTest(counts, draws).pValue).toBeGreaterThan(smallest)
    expect(chiSquareTest(pairs, pairShares).pValue).toBeGreaterThan(smallest)
  })
})

describe('R-COM-1 the shuffle', () => {
  test('R-COM-1 it is a permutation, drawn from the top down as the rule says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(80), (seed, n) => {
        const words = wordsOf(seed, 4 * n + 8)
        const naive = Array.from({ length: n }, (_, i) => i)
        for (let i = n - 1; i >= 1; i--) {
          const j = naiveBelow(words, i + 1)
          ;[naive[i], naive[j]] = [naive[j]!, naive[i]!]
        }
        const order = shuffledIndexes(createStream(seed), n)
        expect([...order]).toEqual(naive)
        expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i))
      }),
    )
  })

  test('R-COM-1 all orders of five come up alike', () => {
    const rounds = 120_000
    const counts = new Map<string, number>()
    for (let round = 0; round < rounds; round++) {
      const order = shuffledIndexes(createStream(seedOf('orders', round)), 5).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(120)
    // Two of the 120 cells make one, so that the degrees of freedom are even.
    const [a, b, ...others] = [...counts.entries()].toSorted(([x], [y]) => (x < y ? -1 : 1)).map(([, n]) => n)
    const mean = rounds / 120
    const result = chiSquareTest([a! + b!, ...others], [2 * mean, ...others.map(() => mean)])
    expect(result.degreesOfFreedom).toBe(118)
    expect(result.pValue).toBeGreaterThan(smallest)
  })

  test('R-COM-1 every pair of seats is as often challenger and target as any other', () => {
    const size = 11
    const k = 3
    const rounds = 40_000
    const counts = new Uint32Array(size * (size - 1))
    for (let round = 0; round < rounds; round++) {
      const ring = shuffledIndexes(createStream(seedOf('pairs', round)), size)
      for (let p = 0; p < size; p++) {
        for (let i = 1; i <= k; i++) {
          const from = ring[p]!
          const to = ring[(p + i) % size]!
          counts[from * (size - 1) + (to < from ? to : to - 1)]!++
        }
      }
    }
    // A pair is assigned with probability k / (size − 1) in each round: each count is binomial.
    const share = k / (size - 1)
    const deviation = Math.sqrt(rounds * share * (1 - share))
    for (const count of counts) expect(Math.abs(count - rounds * share)).toBeLessThan(4.5 * deviation)
  })
})
