import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { firstRemembered, instanceBytes, isOfTwin, secondQuestionSays } from '../../protocol/index.ts'

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

describe('R-ATT-7 a second question by the own key', () => {
  const instance = fc.uint8Array({ minLength: instanceBytes, maxLength: instanceBytes })

  test('of two that are shown one of the other, one stops and one goes on', () => {
    fc.assert(
      fc.property(instance, instance, epoch, (one, other, of) => {
        fc.pre(Buffer.compare(one, other) !== 0)
        const says = [
          secondQuestionSays(one, { epoch: of, instance: other }, of),
          secondQuestionSays(other, { epoch: of, instance: one }, of),
        ]
        expect(says.toSorted()).toEqual(['go-on', 'stop'])
      }),
    )
  })

  test('two of one instance, as of a machine that was copied while it ran, both stop', () => {
    fc.assert(
      fc.property(instance, epoch, (own, of) => {
        expect(secondQuestionSays(own, { epoch: of, instance: own.slice() }, of)).toBe('stop')
      }),
    )
  })

  test('of an epoch whose record may be lost it says nothing of another daemon', () => {
    fc.assert(
      fc.property(instance, instance, epoch, fc.option(epoch), (own, other, of, remembered) => {
        fc.pre(remembered === null || of < remembered)
        expect(secondQuestionSays(own, { epoch: of, instance: other }, remembered)).toBe('record-lost')
      }),
    )
  })
})
