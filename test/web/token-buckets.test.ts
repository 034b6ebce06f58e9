import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTokenBuckets } from '../../src/web/token-buckets.ts'

const stoppedClock = () => {
  let nowMs = 0
  return { world: { monotonicMs: () => nowMs }, pass: (ms: number) => void (nowMs += ms) }
}
const limits = { burst: 5, perSecond: 2, maxClients: 3 }

describe('token buckets', () => {
  test('a client may ask in a burst, then as often as tokens come back', () => {
    const { world, pass } = stoppedClock()
    const buckets = createTokenBuckets(limits, world)
    for (let i = 0; i < 5; i++) expect(buckets.take('a', 1)).toBeNull()
    expect(buckets.take('a', 1)).toBe(1)
    expect(buckets.take('b', 1)).toBeNull()
    pass(499)
    expect(buckets.take('a', 1)).toBe(1)
    pass(1)
    expect(buckets.take('a', 1)).toBeNull()
    expect(buckets.take('a', 4)).toBe(2)
    pass(60_000)
    expect(buckets.take('a', 5)).toBeNull()
    expect(buckets.take('a', 1)).toBe(1)
  })

  test('of too many clients the one unheard of longest is forgotten', () => {
    const { world, pass } = stoppedClock()
    const buckets = createTokenBuckets(limits, world)
    for (const client of ['a', 'b', 'c']) expect(buckets.take(client, 5)).toBeNull()
    // Who asked last is known to the second.
    pass(1_000)
    expect(buckets.take('a', 5)).not.toBeNull()
    expect(buckets.take('d', 5)).toBeNull()
    // b was forgotten for d; a, which asked since, was not.
    expect(buckets.take('a', 5)).not.toBeNull()
    expect(buckets.take('b', 5)).toBeNull()
  })

  test('never more than the burst and what came back since', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 200 }), (pauses) => {
        const { world, pass } = stoppedClock()
        const buckets = createTokenBuckets(limits, world)
        let taken = 0
        let elapsedMs = 0
        for (const pause of pauses) {
          pass(pause)
          elapsedMs += pause
          if (buckets.take('a', 1) === null) taken++
        }
        expect(taken).toBeLessThanOrEqual(limits.burst + (elapsedMs / 1_000) * limits.perSecond)
      }),
    )
  })
})
