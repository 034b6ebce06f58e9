import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAllowance } from '../../src/async/allowance.ts'

test('R-DIAL-1 nobody ever takes more than the burst and what has come back since', () => {
  const property = fc.property(
    fc.integer({ min: 1, max: 5 }),
    fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 60 }),
    (burst, pauses) => {
      let nowMs = 0
      const allowance = createAllowance({ burst, everyMs: 1_000, maxNames: 4 }, { monotonicMs: () => nowMs })
      const taken: number[] = []
      for (const pause of pauses) {
        nowMs += pause
        if (allowance.take('a')) taken.push(nowMs)
      }
      // In no span more than what was there and what came back within it.
      for (const [i, from] of taken.entries()) {
        for (const [j, to] of taken.entries()) {
          if (j >= i) expect(j - i + 1).toBeLessThanOrEqual(burst + (to - from) / 1_000 + 1e-9)
        }
      }
      if (pauses.length > 0) expect(taken.length).toBeGreaterThan(0)
    },
  )
  expect(() => fc.assert(property)).not.toThrow()
})

test('R-DIAL-1 one name takes nothing from another, and the longest silent one is forgotten', () => {
  const allowance = createAllowance({ burst: 1, everyMs: 1_000, maxNames: 2 }, { monotonicMs: () => 0 })
  expect(['a', 'b', 'a', 'b'].map((name) => allowance.take(name))).toEqual([true, true, false, false])
  expect(allowance.take('c')).toBe(true)
  expect([allowance.take('b'), allowance.take('a')]).toEqual([false, true])
})

test('several are taken together or not at all', () => {
  const allowance = createAllowance({ burst: 10, everyMs: 1_000, maxNames: 2 }, { monotonicMs: () => 0 })
  expect([6, 6, 4, 1].map((count) => allowance.take('a', count))).toEqual([true, false, true, false])
})
