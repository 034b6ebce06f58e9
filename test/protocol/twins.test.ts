import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { firstRemembered, isOfTwin } from '../../protocol/index.ts'

const epoch = fc.nat({ max: 10_000 })

describe('R-ATT-7 a lost record is not another daemon', () => {
  test('before others have told what they know, nothing is', () => {
    fc.assert(
      fc.property(epoch, (of) => {
        expect(isOfTwin(of, null)).toBe(false)
      }),
    )
  })

  test('nothing up to the epoch in which they have told it, everything after it', () => {
    fc.assert(
      fc.property(epoch, epoch, fc.option(epoch), (current, of, lastOwn) => {
        fc.pre(lastOwn === null || lastOwn <= current)
        expect(isOfTwin(of, firstRemembered(current, lastOwn))).toBe(of > current)
      }),
    )
  })

  test('a chain that lags: nothing up to the epoch after the last that others know', () => {
    fc.assert(
      fc.property(epoch, fc.integer({ min: 1, max: 10_000 }), epoch, (current, ahead, of) => {
        const lastOwn = current + ahead
        expect(isOfTwin(of, firstRemembered(current, lastOwn))).toBe(of > lastOwn + 1)
      }),
    )
  })
})
