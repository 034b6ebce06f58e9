import { sha256 } from '@noble/hashes/sha2.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  bytesOf,
  concatBytes,
  createPuzzleCheck,
  decodeCanonical,
  encodePaidRequest,
  type GivenCookie,
  maxEffort,
  NetworkId,
  paidRequestOverhead,
  type Puzzle,
  puzzleAnswerCodec,
  readPaidRequest,
  searchSolution,
} from '../../protocol/index.ts'
import { encodeSolution, isLightEnough, maxSolutionBytes } from '../../protocol/puzzle.ts'
import { seedOf } from './fixture.ts'

const networkId = 'ab'.repeat(16) as z.infer<typeof NetworkId>
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const puzzleOf = (changes: Partial<Puzzle> = {}): Puzzle => ({
  networkId,
  purpose: 'sync/1',
  server: seedOf('server'),
  client: seedOf('client'),
  cookie: seedOf('cookie').slice(0, 16),
  effort: 50,
  ...changes,
})
const given: readonly GivenCookie[] = [
  { cookie: seedOf('newer').slice(0, 16), leastEffort: 70 },
  { cookie: puzzleOf().cookie, leastEffort: 20 },
]
const check = createPuzzleCheck(puzzleOf())
const client = puzzleOf().client
const solve = (puzzle: Puzzle, from = new Uint8Array(8)): Uint8Array => {
  for (;;) {
    const solution = searchSolution(puzzle, from, 1_000)
    if (solution !== null) return solution
  }
}

/** What the rule says, in integers of any size. */
const isLightByRule = (hash: Uint8Array, effort: number): boolean =>
  hash.subarray(0, 6).reduce((r, byte) => r * 256n + BigInt(byte), 0n) * BigInt(effort) < 2n ** 48n

describe('R-PUZ-2 how light a hash must be', () => {
  test('R-PUZ-2 doubles say what integers say, also next to the bound', () => {
    const hashNear = fc
      .tuple(fc.integer({ min: 1, max: maxEffort }), fc.integer({ min: -3, max: 3 }))
      .map(([effort, by]) => {
        const r = 2n ** 48n / BigInt(effort) + BigInt(by)
        const bounded = r < 0n ? 0n : r >= 2n ** 48n ? 2n ** 48n - 1n : r
        const hex = bounded.toString(16).padStart(12, '0')
        return { effort, hash: concatBytes(Buffer.from(hex, 'hex'), new Uint8Array(26)) }
      })
    fc.assert(
      fc.property(hashNear, ({ effort, hash }) => {
        expect(isLightEnough(hash, effort)).toBe(isLightByRule(hash, effort))
      }),
      { numRuns: 2_000 },
    )
    fc.assert(
      fc.property(bytes(32), fc.integer({ min: 1, max: maxEffort }), (hash, effort) => {
        expect(isLightEnough(hash, effort)).toBe(isLightByRule(hash, effort))
      }),
    )
  })

  test('R-PUZ-2 effort 1 takes any hash, the largest one in 2^32', () => {
    const heaviest = new Uint8Array(32).fill(0xff)
    expect(isLightEnough(heaviest, 1)).toBe(true)
    expect(isLightEnough(heaviest, 2)).toBe(false)
    const r = (hex: string) => concatBytes(Buffer.from(hex, 'hex'), new Uint8Array(26))
    // ⌈2^48 / (2^32 − 1)⌉ − 1 = 65,536.
    expect(isLightEnough(r('000000010000'), maxEffort)).toBe(true)
    expect(isLightEnough(r('000000010001'), maxEffort)).toBe(false)
  })

  test('R-PUZ-2 an effort takes as many tries on the average', () => {
    const effort = 64
    const solutions = 400
    const puzzle = puzzleOf({ effort })
    const nonce = new Uint8Array(8)
    let tries = 0
    for (let found = 0; found < solutions;) {
      tries++
      if (searchSolution(puzzle, nonce, 1) === null) continue
      found++
      nonce[0]!++
      nonce[1]! += found >> 8
    }
    // The mean of 400 geometric numbers has a deviation of 5 %: six of them.
    expect(tries / solutions / effort).toBeGreaterThan(0.7)
    expect(tries / solutions / effort).toBeLessThan(1.3)
  })
})

describe('R-PUZ-2 the search', () => {
  test('R-PUZ-2 finds the first nonce that fits, in one go or in many', () => {
    fc.assert(
      fc.property(
        bytes(8),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 40 }),
        (start, effort, slice) => {
          const puzzle = puzzleOf({ effort })
          const whole = searchSolution(puzzle, Uint8Array.from(start), 100_000)!
          const nonce = Uint8Array.from(start)
          let sliced: Uint8Array | null = null
          while (sliced === null) sliced = searchSolution(puzzle, nonce, slice)
          expect(sliced).toEqual(whole)
          expect(isLightByRule(sha256(whole), effort)).toBe(true)
          const skipped =
            Buffer.from(whole.subarray(-8)).readBigUInt64BE() - Buffer.from(start).readBigUInt64BE()
          expect(BigInt.asUintN(64, skipped)).toBeLessThan(100_000n)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('R-PUZ-2 goes on after the last nonce with 0', () => {
    const nonce = new Uint8Array(8).fill(0xff)
    const puzzle = puzzleOf({ effort: maxEffort })
    expect(searchSolution(puzzle, nonce, 2)).toBeNull()
    expect(nonce).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1))
  })
})

describe('R-PUZ-3 a solution', () => {
  test('R-PUZ-3 is accepted with its effort, its cookie and its hash, whatever they are', () => {
    fc.assert(
      fc.property(
        bytes(32),
        bytes(32),
        bytes(16),
        fc.integer({ min: 1, max: 200 }),
        fc.constantFrom('sync/1', 'evidence/1', 'checkpoint/1', 'relay/1'),
        (server, from, cookie, effort, purpose) => {
          const puzzle = { networkId, server, client: from, cookie, effort, purpose }
          const solution = solve(puzzle)
          expect(createPuzzleCheck(puzzle)(solution, from, [{ cookie, leastEffort: effort }])).toEqual({
            is: 'accept',
            value: { effort, cookieIndex: 0, id: sha256(solution) },
          })
          expect(solution.length).toBeLessThanOrEqual(maxSolutionBytes)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('R-PUZ-3 costs one hash, and none if it is wrong before that', () => {
    let hashes = 0
    const counting = createPuzzleCheck(puzzleOf(), (input) => {
      hashes++
      return sha256(input)
    })
    expect(counting(solve(puzzleOf()), client, given).is).toBe('accept')
    expect(hashes).toBe(1)
    counting(solve(puzzleOf({ cookie: new Uint8Array(16) })), client, given)
    counting(solve(puzzleOf({ purpose: 'evidence/1' })), client, given)
    counting(solve(puzzleOf()), seedOf('another'), given)
    counting(new Uint8Array(200), client, given)
    expect(hashes).toBe(1)
  })

  const wrong: [string, Uint8Array, { is: string; code: string }][] = [
    ['of nothing', new Uint8Array(0), { is: 'reject', code: 'malformed' }],
    [
      'with a byte behind',
      concatBytes(solve(puzzleOf()), new Uint8Array(1)),
      { is: 'reject', code: 'malformed' },
    ],
    ['cut short', solve(puzzleOf()).slice(0, -1), { is: 'reject', code: 'malformed' }],
    [
      'of effort 0',
      encodeSolution(puzzleOf({ effort: 0 }), new Uint8Array(8)),
      { is: 'reject', code: 'malformed' },
    ],
    ['for another purpose', solve(puzzleOf({ purpose: 'sync/2' })), { is: 'reject', code: 'wrong-purpose' }],
    [
      'for a longer purpose',
      solve(puzzleOf({ purpose: 'evidence/1' })),
      { is: 'reject', code: 'wrong-purpose' },
    ],
    [
      'for another network',
      solve(puzzleOf({ networkId: 'cd'.repeat(16) as NetworkId })),
      { is: 'reject', code: 'wrong-purpose' },
    ],
    ['for another server', solve(puzzleOf({ server: seedOf('x') })), { is: 'reject', code: 'wrong-peer' }],
    ['of another client', solve(puzzleOf({ client: seedOf('x') })), { is: 'reject', code: 'wrong-peer' }],
    [
      'under an unknown cookie',
      solve(puzzleOf({ cookie: new Uint8Array(16) })),
      { is: 'ignore', code: 'stale' },
    ],
    ['below what was asked for', solve(puzzleOf({ effort: 19 })), { is: 'ignore', code: 'too-light' }],
    [
      'below what was asked for with its own cookie',
      solve(puzzleOf({ cookie: given[0]!.cookie, effort: 69 })),
      { is: 'ignore', code: 'too-light' },
    ],
    [
      'that claims more than its hash bears out',
      encodeSolution(puzzleOf({ effort: maxEffort }), new Uint8Array(8)),
      { is: 'reject', code: 'too-light' },
    ],
  ]
  test.each(wrong)('R-PUZ-3 %s is refused with its code', (_what, solution, refusal) => {
    expect(check(solution, client, given)).toEqual(refusal)
  })

  test('R-PUZ-3 with any byte changed is no solution, but for one try in its effort', () => {
    const effort = 2 ** 16
    const heavy = createPuzzleCheck(puzzleOf())
    const cookies = [{ cookie: puzzleOf().cookie, leastEffort: effort }]
    const solution = solve(puzzleOf({ effort }))
    expect(heavy(solution, client, cookies).is).toBe('accept')
    for (let i = 0; i < solution.length; i++) {
      const changed = solution.map((byte, at) => (at === i ? byte ^ 1 : byte))
      expect(heavy(changed, client, cookies).is).not.toBe('accept')
    }
  })

  test('R-PUZ-3 malformed is what the general decoder refuses, and nothing else', () => {
    const General = z.tuple([
      z.literal('puzzle'),
      NetworkId,
      z.string().regex(/^[a-z0-9/-]{1,32}$/),
      ...([32, 32, 16, 4, 8] as const).map(bytesOf),
    ] as unknown as [z.ZodType, ...z.ZodType[]])
    const solutions = fc.constantFrom(
      'a',
      'sync/1',
      'evidence/1',
      'x'.repeat(24),
      'y'.repeat(32),
      'A',
      'z'.repeat(33),
    )
    const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 2 })
    const another = { server: seedOf('x') }
    let wellFormed = 0
    fc.assert(
      fc.property(solutions, changes, fc.integer({ min: -2, max: 2 }), (purpose, changed, longer) => {
        const whole = encodeSolution(puzzleOf({ purpose, ...another }), new Uint8Array(8))
        const bytes = longer < 0 ? whole.slice(0, longer) : concatBytes(whole, new Uint8Array(longer >> 1))
        for (const [at, value] of changed) bytes[at % bytes.length] = value
        const general = decodeCanonical(General, bytes, maxSolutionBytes)
        const checked = check(bytes, client, given)
        if (general.is === 'ok') wellFormed++
        expect(checked.is === 'reject' && checked.code === 'malformed').toBe(general.is === 'bad')
      }),
      { numRuns: 2_000 },
    )
    expect(wellFormed).toBeGreaterThan(200)
  })

  test('R-PUZ-3 whatever is sent, there is an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 220 }), (garbage) => {
        expect(check(garbage, client, given)).toMatchObject({ is: 'reject', code: 'malformed' })
      }),
    )
  })
})

describe('R-PUZ-1 messages', () => {
  test('R-PUZ-1 a paid request comes back as it was, a bare one as itself', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (request) => {
        const solution = solve(puzzleOf({ effort: 2 }))
        const paid = encodePaidRequest(solution, request)
        expect(paid.length).toBeLessThanOrEqual(request.length + paidRequestOverhead)
        expect(readPaidRequest(paid, 500)).toEqual({ solution, request })
        fc.pre(request[0] !== 0x83)
        expect(readPaidRequest(request, 500)).toEqual({ solution: null, request })
      }),
    )
  })

  test('R-PUZ-1 what begins like a paid request and is none makes no sense', () => {
    const paid = encodePaidRequest(solve(puzzleOf()), new Uint8Array(10))
    for (let length = 6; length < paid.length; length++)
      expect(readPaidRequest(paid.slice(0, length), 10)).toBeNull()
    expect(readPaidRequest(concatBytes(paid, new Uint8Array(1)), 10)).toBeNull()
    expect(
      readPaidRequest(encodePaidRequest(new Uint8Array(maxSolutionBytes + 1), new Uint8Array(1)), 10),
    ).toBeNull()
    expect(readPaidRequest(encodePaidRequest(new Uint8Array(1), new Uint8Array(1_000)), 10)).toBeNull()
  })

  test('R-PUZ-1 the answer that asks for work', () => {
    const cookie = puzzleOf().cookie
    const encoded = puzzleAnswerCodec.encode(['puzzle', cookie, maxEffort, 'x'.repeat(48)])
    expect(puzzleAnswerCodec.decode(encoded)).toEqual({
      is: 'ok',
      value: ['puzzle', cookie, maxEffort, 'x'.repeat(48)],
    })
    for (const wrong of [0, maxEffort + 1, -1]) {
      expect(puzzleAnswerCodec.decode(puzzleAnswerCodec.encode(['puzzle', cookie, wrong, 'unpaid'])).is).toBe(
        'bad',
      )
    }
  })
})
