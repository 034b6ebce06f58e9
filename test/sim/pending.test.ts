import { describe, expect, test } from 'vitest'
import { isEnough } from '../../protocol/index.ts'
import { createActorStream } from '../../sim/actor-stream.ts'
import { type ListPlan, pendingWeeks, votesNeeded } from '../../sim/pending.ts'
import { type PlayedPlan, playWeeks } from '../../sim/pending-played.ts'

const planOf = (changes: Partial<ListPlan>): ListPlan => ({
  seats: 16,
  certifiers: 128,
  churn: 0.05,
  offline: 0.1,
  views: 49,
  states: 1,
  ...changes,
})

const playedOf = (changes: Partial<PlayedPlan>): PlayedPlan => ({
  ...planOf({}),
  minSeniors: 1,
  wait: 0,
  regions: 1,
  together: 0,
  awayWeeks: 1,
  awayChurn: 1,
  ...changes,
})

/** Means over repeats, each rule's, with standard errors. */
const played = (plan: PlayedPlan, tries: readonly number[], weeks = 2_000, repeats = 30) => {
  const all = Array.from({ length: repeats }, (_, repeat) =>
    playWeeks(plan, tries, weeks, createActorStream(7, repeat, 'test')),
  )
  return tries.map((_, i) => {
    const of = (measure: 'pending' | 'run' | 'ownList') => {
      const values = all.map((one) => one[i]![measure])
      const mean = values.reduce((sum, value) => sum + value, 0) / repeats
      const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
      return { mean, error: Math.sqrt(squares / (repeats - 1) / repeats) }
    }
    return { pending: of('pending'), run: of('run'), ownList: of('ownList') }
  })
}

describe('R-CP-2 weeks without enough votes: the closed form', () => {
  test('R-CP-4 as many votes are needed as make a certificate', () => {
    for (let drawn = 1; drawn <= 300; drawn++) {
      expect([isEnough(votesNeeded(drawn), drawn), isEnough(votesNeeded(drawn) - 1, drawn)]).toEqual([
        true,
        false,
      ])
    }
  })

  test('every week with its own list is a sum of binomial terms', () => {
    // Of four certifiers three must vote: P(at most 2 of 4 are up), with a tenth of them down.
    const fails = 6 * 0.9 ** 2 * 0.1 ** 2 + 4 * 0.9 * 0.1 ** 3 + 0.1 ** 4
    const { pending, run, ownList } = pendingWeeks(planOf({ seats: 4 }), 0)
    expect(pending).toBeCloseTo(fails, 12)
    expect(run).toBeCloseTo(1 / (1 - fails), 12)
    expect(ownList).toBeCloseTo(1, 12)
    // Drawn anew for each of two halves of the window, both must fail.
    expect(pendingWeeks(planOf({ seats: 4, states: 2 }), 0).pending).toBeCloseTo(fails ** 2, 12)
  })

  test('a list that a week used is a week older: one try fails as often as with that much more churn', () => {
    const plan = planOf({ churn: 0.1 })
    // Who left and who is down are missing alike: 1 − 0.9 · 0.9.
    const atOneWeek = pendingWeeks(planOf({ churn: 0, offline: 0.19 }), 0).pending
    const withOwn = pendingWeeks(planOf({ churn: 0 }), 0).pending
    const inCycle = atOneWeek + (atOneWeek * withOwn) / (1 - withOwn)
    expect(pendingWeeks(plan, 1).pending).toBeCloseTo(inCycle / (1 + inCycle), 12)
  })

  test('nobody leaves and nobody is down: no week is pending; all leave: the way out certifies every third', () => {
    expect(pendingWeeks(planOf({ churn: 0, offline: 0 }), 2)).toEqual({ pending: 0, run: 0, ownList: 0 })
    const { pending, run, ownList } = pendingWeeks(planOf({ churn: 1, offline: 0 }), 2)
    expect([pending, run, ownList].map((value) => value.toFixed(12))).toEqual(
      [2 / 3, 2, 1 / 3].map((value) => value.toFixed(12)),
    )
  })

  test.each<[string, Partial<ListPlan>]>([
    ['all certify', {}],
    ['all certify, much churn', { churn: 0.1, offline: 0.2 }],
    ['all of 40 certify', { seats: 40, churn: 0.1, offline: 0.2 }],
    ['who is down changes within the window', { churn: 0.1, offline: 0.2, states: 3 }],
    ['few views draw 16 of 40', { seats: 40, certifiers: 16, churn: 0.1, offline: 0.2, views: 3 }],
    [
      'views of two states draw 7 of 30',
      { seats: 30, certifiers: 7, churn: 0.15, offline: 0.35, views: 2, states: 2 },
    ],
  ])('R-CP-2 is what weeks that are played give: %s', (_name, changes) => {
    const tries = [0, 1, 2, 3]
    const all = played(playedOf(changes), tries)
    for (const [i, most] of tries.entries()) {
      const exact = pendingWeeks(planOf(changes), most)
      for (const measure of ['pending', 'run', 'ownList'] as const) {
        const { mean, error } = all[i]![measure]
        // Four standard errors: 72 comparisons, and the seed is fixed.
        expect(Math.abs(mean - exact[measure]), `${measure}, ${most} tries`).toBeLessThanOrEqual(
          4 * error + 1e-9,
        )
      }
    }
  })
})

describe('R-CP-2 weeks that are played', () => {
  test('a region that is away is down for weeks, and the mean of those that are down stays', () => {
    // All stand in the one region: whenever it is away, nobody votes; otherwise everybody does.
    const [own, before] = played(
      playedOf({ regions: 1, together: 1, offline: 0.1, churn: 0, awayWeeks: 3 }),
      [0, 2],
    )
    for (const { pending, run } of [own!, before!]) {
      expect(Math.abs(pending.mean - 0.1)).toBeLessThan(4 * pending.error)
      expect(Math.abs(run.mean - 3)).toBeLessThan(4 * run.error)
    }
  })

  test('outages of whole regions make more weeks pending, with a list from before most of all; leavings that go with them fewer again', () => {
    const plan = { seats: 128, churn: 0.1, offline: 0.1, regions: 4 }
    const [alone, together, leaving] = [{}, { together: 0.5 }, { together: 0.5, awayChurn: 4 }].map(
      (changes) => played(playedOf({ ...plan, ...changes }), [0, 2], 1_000, 20),
    )
    expect(alone![1]!.pending.mean).toBeLessThan(1e-3)
    expect(together![0]!.pending.mean).toBeGreaterThan(0.01)
    expect(together![1]!.pending.mean).toBeGreaterThan(4 * together![0]!.pending.mean)
    // As many leave as before, but more of them would not have voted anyway.
    expect(leaving![1]!.pending.mean).toBeLessThan(together![1]!.pending.mean)
  })

  test('a list that is too short is not handed on: with just as many seats as a list needs the one before holds longer', () => {
    const [own, before] = played(playedOf({ minSeniors: 16, wait: 2, offline: 0 }), [0, 2], 500, 10)
    // Each of 16 places must have kept its seat for two weeks: 0.95^32.
    expect(Math.abs(own!.pending.mean - (1 - 0.95 ** 32))).toBeLessThan(4 * own!.pending.error)
    expect(before!.pending.mean).toBeLessThan(own!.pending.mean)
    // It gets out of every stall: whole weeks of seniors come again.
    expect(before!.pending.mean).toBeLessThan(0.6)
    const [, roomy] = played(playedOf({ minSeniors: 8, wait: 2, offline: 0 }), [0, 2], 500, 10)
    expect(roomy!.pending.mean).toBeLessThan(0.01)
  })
})
