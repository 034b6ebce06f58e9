import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Seat } from '../../../protocol/index.ts'
import {
  type BranchState,
  branchVerdict,
  isLookedAt,
  noBranch,
  stepBranch,
} from '../../../src/node/contact/branch.ts'
import {
  type HearingEvent,
  type HearingState,
  isFew,
  noHearing,
  stepHearing,
} from '../../../src/node/contact/hearing.ts'
import { emptyLevel, type Level, stepLevel } from '../../../src/node/contact/level.ts'
import { isOutOfTouch, stepTouch, type TouchState, wasInTouch } from '../../../src/node/contact/touch.ts'

const fullMs = 120_000
const lookMs = 15_000

/** Looks at intervals of `lookMs`; + good, - bad, ? nothing can be said. */
const looks = (text: string, from: Level = emptyLevel): Level =>
  text.split('').reduce(
    ({ level, nowMs }, sign) => ({
      level: stepLevel(level, sign === '?' ? null : sign === '-', nowMs, fullMs),
      nowMs: nowMs + lookMs,
    }),
    { level: from, nowMs: (from.seen?.atMs ?? -lookMs) + lookMs },
  ).level

describe('a level', () => {
  test('is raised after two minutes, and taken back after two good ones', () => {
    expect(looks('--------').isRaised).toBe(false)
    expect(looks('---------').isRaised).toBe(true)
    expect(looks('---------++++++++').isRaised).toBe(true)
    expect(looks('---------+++++++++').isRaised).toBe(false)
  })

  test('is raised although a hostile neighbour shows itself now and then', () => {
    expect(looks('---+'.repeat(8)).isRaised).toBe(true)
    expect(looks('-+'.repeat(100)).isRaised).toBe(false)
  })

  test('forgets at once where nothing can be said, as when no peer is connected', () => {
    expect(looks('--------?-').isRaised).toBe(false)
    expect(looks('---------?').isRaised).toBe(false)
  })

  test('a machine that slept for a day saw one look of it', () => {
    const asleep = stepLevel(looks('-'), true, 86_400_000, fullMs)
    expect(asleep).toMatchObject({ ms: 30_000, isRaised: false })
  })

  test('never changes sides on less than two minutes of the other state', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 20_000 })), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (all) => {
        let level = emptyLevel
        let nowMs = 0
        let msOfState = { bad: 0, good: 0 }
        const tooSoon: number[] = []
        for (const [isBad, ms] of all) {
          const before = level
          level = stepLevel(level, isBad, (nowMs += ms), fullMs)
          if (before.seen !== null) msOfState[before.seen.isBad ? 'bad' : 'good'] += ms
          if (level.isRaised === before.isRaised) continue
          if (msOfState[level.isRaised ? 'bad' : 'good'] < fullMs) tooSoon.push(nowMs)
          msOfState = { bad: 0, good: 0 }
        }
        expect(tooSoon).toEqual([])
      }),
    )
  })
})

/** Epochs of 192 blocks, as in a real network. */
const epochBlocks = 192
const attestsOf = (epoch: number): number => (epoch + 1) * epochBlocks - 16
const mustHoldOf = (epoch: number): number => (epoch + 1) * epochBlocks + 96

interface Play {
  from: number
  to: number
  /** Turns of sync for each block: 75 s have two and a half. */
  turnsPerBlock: number
  /** Blocks that come at once. */
  step?: number
  heardOf: (epoch: number) => number
  others: number
}

/** A node that follows blocks, and what it makes of what it hears. */
const play = (state: HearingState, { from, to, turnsPerBlock, step = 1, heardOf, others }: Play) => {
  let current = state
  const hear = (event: HearingEvent): readonly number[] => {
    const stepped = stepHearing(current, event)
    current = stepped.state
    return stepped.due
  }
  for (let height = from; height <= to; height += step) {
    const epoch = Math.floor(height / epochBlocks)
    const epochs = [epoch - 1, epoch].map((one) => ({
      epoch: one,
      attests: attestsOf(one),
      mustHold: mustHoldOf(one),
    }))
    if (step > 16) hear({ is: 'break' })
    const due = hear({ is: 'height', height, turns: Math.floor(height * turnsPerBlock), epochs })
    for (const one of due) hear({ is: 'heard', epoch: one, heard: heardOf(one), others })
  }
  return current
}

const real = { turnsPerBlock: 2.5, others: 99 }

describe('R-CP-3 attestations that were heard by mustHold', () => {
  test('a node whose gossip and sync are cut: known at mustHold of the first epoch', () => {
    const cut = play(noHearing, { ...real, from: 2 * epochBlocks, to: mustHoldOf(2), heardOf: () => 3 })
    expect(cut).toMatchObject({ last: { epoch: 2, heard: 3, others: 99, inARow: 1 }, few: [2] })
    const longer = play(cut, { ...real, from: mustHoldOf(2) + 1, to: mustHoldOf(4), heardOf: () => 0 })
    expect(longer).toMatchObject({ last: { epoch: 4, inARow: 3 }, few: [2, 3, 4] })
  })

  test('once raised it is taken back by an epoch in which two thirds were heard, not by one in between', () => {
    const heard = [10, 55, 55, 66]
    const states = heard.map((_, i) =>
      play(noHearing, {
        ...real,
        from: 2 * epochBlocks,
        to: mustHoldOf(2 + i),
        heardOf: (epoch) => heard[epoch - 2]!,
      }),
    )
    expect(states.map(({ last }) => last!.inARow)).toEqual([1, 2, 3, 0])
    // But only the first of these epochs was not heard.
    expect(states.at(-1)!.few).toEqual([2])
  })

  test('a slow link, that brings all by mustHold however late, is nothing', () => {
    const slow = play(noHearing, { ...real, from: 384, to: mustHoldOf(4), heardOf: () => 99 })
    expect(slow).toMatchObject({ last: { epoch: 4, inARow: 0 }, few: [] })
  })

  test('nor are all peers that restart: they send again what they signed', () => {
    const heardOf = (epoch: number): number => (epoch === 3 ? 70 : 99)
    expect(play(noHearing, { ...real, from: 384, to: mustHoldOf(4), heardOf }).few).toEqual([])
  })

  test('an epoch into which a node started is not judged', () => {
    const late = play(noHearing, { ...real, from: attestsOf(2) + 1, to: mustHoldOf(2), heardOf: () => 0 })
    expect(late).toMatchObject({ last: null, few: [] })
  })

  test('nor are those that a node a day behind catches up with, in steps or block by block', () => {
    const day = { from: 384, to: mustHoldOf(8), heardOf: () => 0, others: 99 }
    expect(play(noHearing, { ...day, turnsPerBlock: 2.5, step: 50 }).last).toBeNull()
    // Ten blocks a second, one turn in 30 s.
    expect(play(noHearing, { ...day, turnsPerBlock: 1 / 300 }).last).toBeNull()
  })

  test('networks of two to five seats are never judged so', () => {
    for (let others = 0; others <= 4; others++) {
      for (let heard = 0; heard <= others; heard++) expect(isFew({ epoch: 2, heard, others })).toBe(false)
    }
    expect(isFew({ epoch: 2, heard: 0, others: 5 })).toBe(true)
    expect(isFew({ epoch: 2, heard: 4, others: 9 })).toBe(true)
    expect(isFew({ epoch: 2, heard: 5, others: 10 })).toBe(false)
  })

  test('a reorganisation takes back what was said of its epochs', () => {
    const cut = play(noHearing, { ...real, from: 384, to: mustHoldOf(4), heardOf: () => 3 })
    const { state } = stepHearing(cut, { is: 'reorganised', from: 4 })
    expect(state).toMatchObject({ last: null, few: [2, 3] })
  })

  test('whatever is heard: few epochs are those with less than half, each once', () => {
    const heard = fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(heard, (all) => {
        const to = mustHoldOf(1 + all.length)
        const state = play(noHearing, { ...real, from: 384, to, heardOf: (epoch) => all[epoch - 2]! })
        expect(state.few).toEqual(all.flatMap((count, i) => (count < 50 ? [i + 2] : [])))
        expect(state.last).toMatchObject({ epoch: 1 + all.length, heard: all.at(-1) })
        expect(state.turnsByEpoch.size).toBeLessThanOrEqual(2)
      }),
    )
  })
})

const maxBreak = 16
/** One sign for each height from `first` on: + in touch, - not. */
const touching = (text: string, first = 100): TouchState =>
  text
    .split('')
    .reduce<TouchState | null>(
      (state, sign, i) => stepTouch(state, { height: first + i, isInTouch: sign === '+' }, maxBreak),
      null,
    )!

describe('R-CP-3 a break', () => {
  test('is more than attestBlocks blocks without any other', () => {
    const short = touching(`++${'-'.repeat(16)}`)
    expect(isOutOfTouch(short, maxBreak)).toBe(false)
    const long = touching(`++${'-'.repeat(17)}`)
    expect(isOutOfTouch(long, maxBreak)).toBe(true)
    expect(wasInTouch(long, 100, 101, maxBreak)).toBe(true)
    expect(wasInTouch(long, 100, 102, maxBreak)).toBe(false)
    expect(isOutOfTouch(touching(`++${'-'.repeat(30)}+`), maxBreak)).toBe(false)
  })

  test('is as many blocks that come at once', () => {
    const paused = stepTouch(touching('+++'), { height: 119, isInTouch: true }, maxBreak)
    expect(wasInTouch(paused, 101, 110, maxBreak)).toBe(false)
    expect(wasInTouch(paused, 119, 119, maxBreak)).toBe(true)
    const quick = stepTouch(touching('+++'), { height: 118, isInTouch: true }, maxBreak)
    expect(wasInTouch(quick, 101, 118, maxBreak)).toBe(true)
  })

  test('says nothing of heights before the first, and is not undone by a reorganisation', () => {
    expect(wasInTouch(touching('+++'), 99, 102, maxBreak)).toBe(false)
    expect(wasInTouch(null, 100, 102, maxBreak)).toBe(false)
    const broken = touching(`+${'-'.repeat(30)}++`)
    const again = stepTouch(broken, { height: 125, isInTouch: true }, maxBreak)
    expect(wasInTouch(again, 100, 125, maxBreak)).toBe(false)
    expect(isOutOfTouch(again, maxBreak)).toBe(false)
  })

  test('lies between two heights exactly if more than attestBlocks heights in a row were out of touch', () => {
    const runs = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(runs, fc.nat(300), fc.nat(300), (lengths, a, b) => {
        const text = `+${lengths.map((length, i) => (i % 2 === 0 ? '+' : '-').repeat(length)).join('')}`
        const state = touching(text, 0)
        const last = text.length - 1
        const [from, to] = [Math.min(a, b, last), Math.min(Math.max(a, b), last)]
        const gaps = [...text.matchAll(/-+/g)].flatMap(({ index, 0: { length } }) => {
          const isOver = index + length <= last
          const blocks = isOver ? length + 1 : length
          return blocks > maxBreak ? [{ from: index - 1, to: isOver ? index + length : Infinity }] : []
        })
        const isApart = gaps.every((gap) => gap.to <= from || gap.from >= to)
        expect(wasInTouch(state, from, to, maxBreak)).toBe(isApart)
      }),
    )
  })
})

describe('R-ATT-2 seats under another beacon', () => {
  const opened = (count: number): BranchState =>
    stepBranch(noBranch, { is: 'epoch', epoch: 5, drawn: Array.from({ length: count }, (_, i) => i) })
  const saw = (state: BranchState, seats: readonly Seat[], isOurs: boolean, isDrawn = false): BranchState =>
    seats.reduce((before, seat) => stepBranch(before, { is: 'saw', epoch: 5, seat, isOurs, isDrawn }), state)
  const first = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i)

  test('more than half of those that are looked at: this chain node is alone', () => {
    expect(branchVerdict(saw(opened(256), first(128), false))).toBeNull()
    expect(branchVerdict(saw(opened(256), first(129), false))).toEqual({
      epoch: 5,
      is: 'other',
      other: 129,
      seats: 256,
    })
  })

  test('a hostile third that signs early says nothing, nor do seats that nobody drew', () => {
    expect(branchVerdict(saw(opened(99), first(33), false))).toBeNull()
    expect(branchVerdict(saw(opened(10), first(50, 100), false))).toBeNull()
    expect(branchVerdict(saw(saw(opened(99), first(33), false), first(66, 33), true))).toMatchObject({
      is: 'ours',
      other: 33,
    })
  })

  test('seats that were drawn to be asked count as well: gossip that is cut hides nothing', () => {
    const asked = saw(opened(256), first(257, 1_000), false, true)
    expect(branchVerdict(asked)).toMatchObject({ is: 'other', other: 257, seats: 513 })
  })

  test('of two seats none is alone; of three, the one that sees both others elsewhere', () => {
    expect(branchVerdict(saw(opened(1), first(1), false))).toBeNull()
    expect(branchVerdict(saw(opened(2), first(1), false))).toBeNull()
    expect(branchVerdict(saw(opened(2), first(2), false))).toMatchObject({ is: 'other' })
  })

  test('a reorganisation onto the branch of the others ends it at once', () => {
    const alone = saw(opened(20), first(20), false)
    expect(branchVerdict(stepBranch(alone, { is: 'reorganised', from: 5 }))).toBeNull()
  })

  test('it stands until the next epoch says otherwise, and a seat that comes over counts where it is', () => {
    const alone = saw(opened(20), first(20), false)
    const next = stepBranch(alone, { is: 'epoch', epoch: 6, drawn: first(20) })
    expect(branchVerdict(next)).toMatchObject({ epoch: 5, is: 'other' })
    const after = stepBranch(next, { is: 'epoch', epoch: 7, drawn: first(20) })
    expect(branchVerdict(after)).toBeNull()
    expect(branchVerdict(saw(alone, first(11), true))).toMatchObject({ is: 'ours', other: 9 })
    expect([isLookedAt(alone, 5, 0), isLookedAt(opened(20), 5, 0), isLookedAt(opened(20), 5, 20)]).toEqual([
      false,
      true,
      false,
    ])
  })

  test('up to half of those that are looked at, in whatever order, never say that this chain node is alone', () => {
    const seen = fc.array(fc.tuple(fc.integer({ min: 0, max: 199 }), fc.boolean()), { maxLength: 200 })
    fc.assert(
      fc.property(seen, fc.boolean(), (all, isDrawn) => {
        let state = opened(100)
        for (const [seat, isOurs] of all)
          state = stepBranch(state, { is: 'saw', epoch: 5, seat, isOurs, isDrawn })
        const last = new Map(all.filter(([seat]) => isDrawn || seat < 100))
        const other = [...last.values()].filter((isOurs) => !isOurs).length
        const looked = new Set([...first(100), ...last.keys()]).size
        expect(branchVerdict(state)?.is === 'other').toBe(2 * other > looked)
      }),
    )
  })
})

describe('what is no attack raises nothing', () => {
  const drawn = (others: number): BranchState =>
    stepBranch(noBranch, {
      is: 'epoch',
      epoch: 2,
      drawn: Array.from({ length: Math.min(256, others) }, (_, i) => i),
    })
  const sawOther = (state: BranchState, seats: number): BranchState =>
    Array.from({ length: seats }, (_, seat) => seat).reduce<BranchState>(
      (before, seat) => stepBranch(before, { is: 'saw', epoch: 2, seat, isOurs: false, isDrawn: false }),
      state,
    )

  /**
   * What a node sees: signs of `looks` for its neighbours and for streams on which nothing is asked, what it hears, and
   * seats that it takes to be under another beacon, of so many others.
   */
  interface Seen {
    neighbours: string
    streams: string
    others: number
    hears: Omit<Play, 'others'>
    other: number
  }
  const day = { from: 384, to: mustHoldOf(8) }
  const cases: [situation: string, seen: Seen][] = [
    [
      'a slow link: connections break for half a minute, requests take their time, attestations come late',
      {
        neighbours: '++++++--'.repeat(20),
        streams: '++-'.repeat(40),
        others: 99,
        hears: { ...day, turnsPerBlock: 2.5, heardOf: () => 75 },
        other: 0,
      },
    ],
    [
      'a node a day behind: it hears of no epoch that it knows, and its peers are there',
      {
        neighbours: '+'.repeat(60),
        streams: '+'.repeat(60),
        others: 99,
        hears: { ...day, turnsPerBlock: 1 / 300, heardOf: () => 0 },
        other: 0,
      },
    ],
    [
      'a network of three: one other is down all the time, the other for some minutes',
      {
        neighbours: '++++??????++++'.repeat(4),
        streams: '+'.repeat(60),
        others: 2,
        hears: { ...day, turnsPerBlock: 2.5, heardOf: () => 0 },
        other: 1,
      },
    ],
    [
      'all peers restart: none is connected, then all come at once and ask',
      {
        neighbours: '++++????-++++'.repeat(4),
        streams: '++++++++--++++'.repeat(4),
        others: 99,
        hears: { ...day, turnsPerBlock: 2.5, heardOf: (epoch) => (epoch === 4 ? 60 : 97) },
        other: 2,
      },
    ],
  ]

  test.each(cases)('%s', (_, { neighbours, streams, others, hears, other }) => {
    const raised = (text: string): boolean =>
      Array.from(text, (_sign, i) => looks(text.slice(0, i + 1)).isRaised).includes(true)
    const heard = play(noHearing, { ...hears, others })
    expect({
      neighbours: raised(neighbours),
      streams: raised(streams),
      few: heard.few,
      inARow: heard.last?.inARow ?? 0,
      branch: branchVerdict(sawOther(drawn(others), other))?.is ?? null,
    }).toEqual({ neighbours: false, streams: false, few: [], inARow: 0, branch: null })
  })
})
