import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { standingOfTakeover, type WatchedEpoch } from '../../protocol/index.ts'
import { takeoverEpochs } from '../../protocol/takeover.ts'

const epochBlocks = 8

/** Ten other seats, of which nine were heard; a test says what is otherwise. */
const watched = (epoch: number, changes: Partial<WatchedEpoch> = {}): WatchedEpoch => ({
  epoch,
  phases: { opens: epoch * epochBlocks, mustHold: (epoch + 1) * epochBlocks + epochBlocks / 2 },
  others: 10,
  heard: 9,
  isSeatHeard: false,
  ...changes,
})
/** In the middle of an epoch the one before has come to its mustHold. */
const middle = (epoch: number): number => epoch * epochBlocks + epochBlocks / 2

const three = (current: number, ...changes: Partial<WatchedEpoch>[]): WatchedEpoch[] =>
  [2, 1, 0].map((back, i) => watched(current - back, changes[i] ?? {}))

describe('R-ATT-8 the operator’s word', () => {
  test('is due when the newest whole epoch was silent, and nothing was heard since', () => {
    expect(standingOfTakeover(20, middle(20), 0, three(20))).toEqual({ is: 'due', epoch: 19 })
  })

  test.each([
    [
      'before its mustHold the epoch before it counts',
      middle(20) - 1,
      0,
      three(20),
      { is: 'due', epoch: 18 },
    ],
    [
      'an epoch in which the daemon was started',
      middle(20),
      19 * epochBlocks + 1,
      three(20),
      { is: 'waiting', why: 'not-whole' },
    ],
    [
      'a daemon that has just lost sight of the chain',
      middle(20),
      null,
      three(20),
      { is: 'waiting', why: 'not-whole' },
    ],
    [
      'a daemon that hears fewer than half',
      middle(20),
      0,
      three(20, {}, { heard: 4 }),
      { is: 'waiting', why: 'few-heard' },
    ],
    [
      'a seat that attested it',
      middle(20),
      0,
      three(20, {}, { isSeatHeard: true }),
      { is: 'waiting', why: 'seat-heard' },
    ],
    [
      'a seat that attested before it',
      middle(20),
      0,
      three(20, { isSeatHeard: true }),
      { is: 'due', epoch: 19 },
    ],
    ['nothing that could be judged yet', 0, 0, [watched(0)], { is: 'waiting', epoch: 0, why: 'not-over' }],
  ] as const)('%s', (_what, height, watchedFrom, epochs, standing) => {
    expect(standingOfTakeover(20, height, watchedFrom, epochs)).toMatchObject(standing)
  })

  test('a seat that attests the epoch at hand, which opened before the word, is waited for', () => {
    expect(standingOfTakeover(20, middle(20), 0, three(20, {}, {}, { isSeatHeard: true }))).toMatchObject({
      is: 'waiting',
      why: 'seat-heard',
    })
  })

  test('whatever else is so: an attestation of an epoch that opened after the word makes it void', () => {
    const any = fc.record({ heard: fc.nat({ max: 10 }), isSeatHeard: fc.boolean() })
    fc.assert(
      fc.property(
        fc.nat({ max: 30 }),
        fc.option(fc.nat({ max: 300 })),
        fc.array(any, { minLength: 3, maxLength: 3 }),
        fc.nat({ max: 40 }),
        (saidIn, watchedFrom, changes, current) => {
          fc.pre(current >= 2)
          const epochs = three(current, ...changes)
          const standing = standingOfTakeover(saidIn, middle(current), watchedFrom, epochs)
          const isHeard = epochs.some(({ epoch, isSeatHeard }) => isSeatHeard && epoch > saidIn)
          expect(standing.is === 'void' && standing.why === 'seat-heard').toBe(isHeard)
          // It is never due without an epoch that was seen whole, in which most were heard and the seat was not.
          if (standing.is !== 'due') return
          const whole = epochs.find(({ epoch }) => epoch === standing.epoch)!
          expect(whole.isSeatHeard).toBe(false)
          expect(2 * whole.heard).toBeGreaterThanOrEqual(whole.others)
          expect(watchedFrom).toBeLessThanOrEqual(whole.phases.opens)
        },
      ),
    )
  })

  test('does not hold for ever: an old one must not take over at the next outage', () => {
    const cutOff = (current: number) => three(current, { heard: 0 }, { heard: 0 }, { heard: 0 })
    const at = (current: number) => standingOfTakeover(20, middle(current), 0, cutOff(current))
    expect(at(20 + takeoverEpochs)).toMatchObject({ is: 'waiting', why: 'few-heard' })
    expect(at(20 + takeoverEpochs + 1)).toMatchObject({ is: 'void', why: 'too-old' })
  })
})
