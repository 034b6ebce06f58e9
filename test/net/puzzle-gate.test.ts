import { sha256 } from '@noble/hashes/sha2.js'
import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  leastAskedEffort,
  maxEffort,
  mostAskedEffort,
  nonceBytes,
  type Puzzle,
} from '../../protocol/index.ts'
import { encodeSolution } from '../../protocol/puzzle.ts'
import {
  createPuzzleGate,
  type GateLimits,
  type GateOutcome,
  type PuzzleGate,
} from '../../src/net/puzzle-gate.ts'
import { createPuzzlePrice } from '../../src/net/puzzle-price.ts'
import { createStoppedClock } from '../fixtures/stopped-clock.ts'
import { seedOf } from '../protocol/fixture.ts'
import { networkId } from './local-hosts.ts'

const server = seedOf('gate')
const purpose = 'sync/1'
const client = seedOf('client')
const never = new AbortController().signal

let clock = createStoppedClock()
let drawn = 0
const world = {
  monotonicMs: () => clock.monotonicMs(),
  setTimer: (ms: number, callback: () => void) => clock.setTimer(ms, callback),
  randomBytes: (length: number) => seedOf('gate secret', drawn++).slice(0, length),
}
const pass = (ms: number): void => clock.pass(ms)
const refusals = new Map<string, number>()
beforeEach(() => {
  clock = createStoppedClock()
  refusals.clear()
})

/** Everybody here is lucky: any nonce solves any puzzle, so that a test may do the work of years. */
const luckySha256 = (bytes: Uint8Array): Uint8Array => {
  const digest = sha256(bytes)
  // The rest still tells solutions apart.
  digest.copyWithin(6, 0)
  return digest.fill(0, 0, 6)
}

const places = 2
const maxWaiting = 3
const gateWith = (limits: Partial<GateLimits> = {}, asksForWork = true): PuzzleGate =>
  createPuzzleGate({
    networkId,
    purpose,
    server,
    limits: { places, maxWaiting, waitMs: 3_600_000, maxSpent: 100, ...limits },
    asksForWork,
    world,
    metrics: { increment: (_counter, label) => refusals.set(label, (refusals.get(label) ?? 0) + 1) },
    sha256: luckySha256,
  })

const knock = (gate: PuzzleGate, solution: Uint8Array | null = null, signal = never) =>
  gate.enter({ client, solution, signal })

let solved = 0
const solve = (cookie: Uint8Array, effort: number, changes: Partial<Puzzle> = {}): Uint8Array => {
  const nonce = Buffer.alloc(nonceBytes)
  nonce.writeUInt32BE(++solved)
  return encodeSolution({ networkId, purpose, server, client, cookie, effort, ...changes }, nonce)
}

const refusalOf = async (outcome: Promise<GateOutcome>) => {
  const known = await outcome
  if (known.is !== 'refused') throw new Error('it was let in')
  return known
}
const enteredOf = async (outcome: Promise<GateOutcome>) => {
  const known = await outcome
  if (known.is !== 'entered') throw new Error(`refused: ${known.code}`)
  return known
}
/** A cookie as everybody gets it who is refused. */
const cookieOf = async (gate: PuzzleGate): Promise<Uint8Array> =>
  (await refusalOf(knock(gate, new Uint8Array(1)))).puzzle!.cookie
/** So many who do this much, each with a solution of his own. */
const come = (gate: PuzzleGate, cookie: Uint8Array, effort: number, count: number): Promise<GateOutcome>[] =>
  Array.from({ length: count }, () => knock(gate, solve(cookie, effort)))
/** Places and queue are taken by those who do nothing. */
const fill = (gate: PuzzleGate): Promise<GateOutcome>[] =>
  Array.from({ length: places + maxWaiting }, () => knock(gate))

describe('R-PUZ-4 what is asked for', () => {
  test('R-PUZ-4 nothing without load, up to full places and a full queue', async () => {
    const gate = gateWith()
    const all = fill(gate)
    expect(gate.status()).toEqual({ purpose, effort: 0, inside: places, waiting: maxWaiting, spent: 0 })
    for (const outcome of all) (await enteredOf(outcome)).leave()
    expect(gate.status()).toMatchObject({ effort: 0, inside: 0, waiting: 0 })
    expect(refusals.size).toBe(0)
  })

  test('R-PUZ-4 the least, of the first who finds no room, and from then on of everybody', async () => {
    const gate = gateWith()
    const all = fill(gate)
    const refusal = await refusalOf(knock(gate))
    expect(refusal).toMatchObject({ code: 'unpaid', isFault: false, puzzle: { effort: leastAskedEffort } })
    for (const outcome of all) (await enteredOf(outcome)).leave()
    // There would be room, but not for those who do nothing.
    expect((await refusalOf(knock(gate))).code).toBe('unpaid')
    const paid = await enteredOf(knock(gate, solve(refusal.puzzle!.cookie, leastAskedEffort)))
    expect(paid.effort).toBe(leastAskedEffort)
  })

  test('R-PUZ-4 it doubles after each second in which somebody who had done as much was turned away', async () => {
    const gate = gateWith()
    const waiting = fill(gate)
    const { cookie } = (await refusalOf(knock(gate))).puzzle!
    for (let effort = leastAskedEffort; effort < mostAskedEffort; effort *= 2) {
      expect(gate.status().effort).toBe(effort)
      waiting.push(...come(gate, cookie, effort, maxWaiting + 1))
      pass(999)
      expect(gate.status().effort).toBe(effort)
      pass(1)
    }
    expect(gate.status().effort).toBe(mostAskedEffort)
    void Promise.all(come(gate, cookie, mostAskedEffort, maxWaiting + 1))
    pass(1_000)
    expect(gate.status().effort).toBe(mostAskedEffort)
    // Whoever wants to come in now is told what it takes.
    const refusal = await refusalOf(knock(gate))
    expect(refusal.puzzle!.effort).toBe((mostAskedEffort * 5) / 4)
    expect(waiting.length).toBeGreaterThan(0)
  })

  test('R-PUZ-4 it falls when nobody waits, and stays while those who do nothing keep coming', () => {
    const price = createPuzzlePrice(world, places)
    price.turnedAway(0)
    for (let seconds = 0; seconds < 12; seconds++) {
      price.turnedAway(price.effort())
      pass(1_000)
      price.settle(false)
    }
    expect(price.effort()).toBe(mostAskedEffort)
    for (let seconds = 0; seconds < 10; seconds++) {
      for (let i = 0; i <= places; i++) price.turnedAway(0)
      pass(1_000)
      price.settle(false)
    }
    expect(price.effort()).toBe(mostAskedEffort)
    price.waited()
    pass(1_000)
    price.settle(false)
    expect(price.effort()).toBe(mostAskedEffort)
    pass(1_000)
    price.settle(false)
    expect(price.effort()).toBe(Math.floor((mostAskedEffort * 2) / 3))
    // As little as takes it below the least: 2^24 · (2/3)^21 < 2^12.
    pass(19_000)
    price.settle(false)
    expect(price.effort()).toBeGreaterThanOrEqual(leastAskedEffort)
    pass(1_000)
    price.settle(false)
    expect(price.effort()).toBe(0)
  })

  test('R-PUZ-4 whatever happens, it is 0 or within its bounds, and at most doubles in a second', () => {
    const events = fc.array(
      fc.record({ passMs: fc.integer({ min: 0, max: 3_000 }), paid: fc.nat(), isWaiting: fc.boolean() }),
      { maxLength: 60 },
    )
    fc.assert(
      fc.property(events, (all) => {
        const price = createPuzzlePrice(world, places)
        for (const { passMs, paid, isWaiting } of all) {
          const before = price.effort()
          pass(passMs)
          price.settle(isWaiting)
          const seconds = Math.ceil(passMs / 1_000)
          expect(price.effort()).toBeLessThanOrEqual(before * 2 ** seconds)
          price.turnedAway(paid % (mostAskedEffort * 2))
          expect(price.effort()).toBeGreaterThanOrEqual(leastAskedEffort)
          expect(price.effort()).toBeLessThanOrEqual(mostAskedEffort)
        }
      }),
    )
  })
})

describe('R-PUZ-3 a solution is taken once, in time, from the one who did it', () => {
  test('R-PUZ-3 replayed, whether the first is inside, waits, or has left', async () => {
    const gate = gateWith()
    const cookie = await cookieOf(gate)
    const inside = solve(cookie, leastAskedEffort)
    const entered = await enteredOf(knock(gate, inside))
    void knock(gate)
    const waits = solve(cookie, leastAskedEffort)
    void knock(gate, waits)
    expect(gate.status()).toMatchObject({ inside: 2, waiting: 1, spent: 2 })
    for (const used of [inside, waits]) {
      expect(await refusalOf(knock(gate, used))).toMatchObject({ code: 'replayed', isFault: false })
    }
    entered.leave()
    expect((await refusalOf(knock(gate, inside))).code).toBe('replayed')
    expect(refusals.get('replayed')).toBe(3)
  })

  test('R-PUZ-3 stale: a cookie is good for the minute in which it was given and for the next', async () => {
    for (const givenAtMs of [0, 59_999]) {
      for (const [afterMs, code] of [
        [119_999 - givenAtMs, null],
        [120_000 - givenAtMs, 'stale'],
        [600_000, 'stale'],
      ] as const) {
        clock = createStoppedClock()
        const gate = gateWith()
        pass(givenAtMs)
        const cookie = await cookieOf(gate)
        const early = await knock(gate, solve(cookie, leastAskedEffort))
        expect(early.is).toBe('entered')
        pass(afterMs)
        const outcome = await knock(gate, solve(cookie, leastAskedEffort))
        expect(outcome.is === 'refused' ? outcome.code : null).toBe(code)
      }
    }
  })

  test('R-PUZ-3 wrong peer, wrong purpose, another gate, too light, malformed', async () => {
    const gate = gateWith()
    const cookie = await cookieOf(gate)
    const codes: [Uint8Array, string, boolean][] = [
      [solve(cookie, leastAskedEffort, { client: seedOf('other') }), 'wrong-peer', true],
      [solve(cookie, leastAskedEffort, { server: seedOf('other') }), 'wrong-peer', true],
      [solve(cookie, leastAskedEffort, { purpose: 'evidence/1' }), 'wrong-purpose', true],
      [solve(await cookieOf(gateWith()), leastAskedEffort), 'stale', false],
      [new Uint8Array(0), 'malformed', true],
    ]
    for (const [solution, code, isFault] of codes) {
      expect(await refusalOf(knock(gate, solution))).toMatchObject({ code, isFault })
    }
    expect(gate.status()).toMatchObject({ inside: 0, waiting: 0, spent: 0 })
  })

  test('R-PUZ-3 nobody who did what he was told is too light, though the price has risen; who did less is', async () => {
    const gate = gateWith()
    void Promise.all(fill(gate))
    pass(60_000)
    const first = (await refusalOf(knock(gate))).puzzle!
    for (let doublings = 0; doublings < 3; doublings++) {
      void Promise.all(come(gate, first.cookie, gate.status().effort, maxWaiting + 1))
      pass(1_000)
    }
    expect(gate.status().effort).toBe(8 * leastAskedEffort)
    expect((await refusalOf(knock(gate, solve(first.cookie, leastAskedEffort)))).code).toBe('outbid')
    expect((await refusalOf(knock(gate, solve(first.cookie, leastAskedEffort - 1)))).code).toBe('too-light')
    // The next minute's cookie is not given out for so little any more.
    pass(60_000 - 3_000)
    const second = (await refusalOf(knock(gate))).puzzle!
    expect(second.cookie).not.toEqual(first.cookie)
    expect((await refusalOf(knock(gate, solve(second.cookie, leastAskedEffort)))).code).toBe('too-light')
  })

  test('R-PUZ-3 a cookie of a time without load is good for the least that is ever asked for, not for less', async () => {
    const gate = gateWith()
    const cookie = await cookieOf(gate)
    expect(gate.status().effort).toBe(0)
    for (const effort of [1, leastAskedEffort - 1]) {
      expect((await refusalOf(knock(gate, solve(cookie, effort)))).code).toBe('too-light')
    }
    expect(gate.status().spent).toBe(0)
    expect((await enteredOf(knock(gate, solve(cookie, leastAskedEffort)))).effort).toBe(leastAskedEffort)
  })

  test('R-PUZ-3 the memory of spent solutions is bounded: a full one brings the next cookie early', async () => {
    const maxSpent = 10
    const gate = gateWith({ maxSpent, places: 1_000 })
    const first = await cookieOf(gate)
    const used: Uint8Array[] = []
    const spend = async (cookie: Uint8Array) => {
      used.push(solve(cookie, leastAskedEffort))
      await enteredOf(knock(gate, used.at(-1)))
    }
    for (let i = 0; i < maxSpent; i++) await spend(first)
    const second = await cookieOf(gate)
    expect(second).not.toEqual(first)
    // The one before is still good, and nothing under it is forgotten.
    await spend(second)
    for (const solution of used) expect((await refusalOf(knock(gate, solution))).code).toBe('replayed')
    for (let round = 0; round < 5; round++) {
      const cookie = await cookieOf(gate)
      for (let i = 0; i < maxSpent; i++) await spend(cookie)
      expect(gate.status().spent).toBeLessThanOrEqual(2 * maxSpent)
      for (const solution of used) {
        const { code } = await refusalOf(knock(gate, solution))
        expect(['replayed', 'stale']).toContain(code)
      }
    }
  })
})

describe('R-PUZ-5 the queue', () => {
  test('R-PUZ-5 is served by effort, of equals the first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: leastAskedEffort, max: leastAskedEffort + 3 }), {
          minLength: 1,
          maxLength: 12,
        }),
        async (efforts) => {
          const gate = gateWith({ places: 1, maxWaiting: 12 })
          const cookie = await cookieOf(gate)
          const first = await enteredOf(knock(gate, solve(cookie, leastAskedEffort)))
          const order: number[] = []
          const all = efforts.map(async (effort, i) => {
            const entered = await enteredOf(knock(gate, solve(cookie, effort)))
            order.push(i)
            entered.leave()
          })
          expect(gate.status().waiting).toBe(efforts.length)
          first.leave()
          await Promise.all(all)
          expect(order).toEqual([...efforts.keys()].sort((a, b) => efforts[b]! - efforts[a]! || a - b))
          expect(gate.status()).toMatchObject({ inside: 0, waiting: 0 })
        },
      ),
      { numRuns: 50 },
    )
  })

  test('R-PUZ-5 is bounded: the lightest makes room for a heavier one, of equals the last', async () => {
    const gate = gateWith()
    const outcomes = fill(gate)
    const cookie = await cookieOf(gate)
    const heavy = knock(gate, solve(cookie, leastAskedEffort))
    const pushedOut = await refusalOf(outcomes.at(-1)!)
    expect(pushedOut).toMatchObject({ code: 'unpaid' })
    void Promise.all(come(gate, cookie, leastAskedEffort, 2))
    // All that wait have done the same: who comes now needs a quarter more.
    const refusal = await refusalOf(knock(gate, solve(cookie, leastAskedEffort)))
    expect(refusal).toMatchObject({ code: 'outbid', puzzle: { effort: (leastAskedEffort * 5) / 4 } })
    expect(gate.status().waiting).toBe(maxWaiting)
    const [first] = outcomes
    ;(await enteredOf(first!)).leave()
    expect((await enteredOf(heavy)).effort).toBe(leastAskedEffort)
  })

  test('R-PUZ-5 what is told to the next is never more than the largest effort', async () => {
    const gate = gateWith()
    const cookie = await cookieOf(gate)
    void Promise.all(fill(gate))
    void Promise.all(come(gate, cookie, maxEffort, maxWaiting))
    expect((await refusalOf(knock(gate))).puzzle!.effort).toBe(maxEffort)
  })

  test('R-PUZ-5 whoever waits too long is told so, and his place in the queue is free', async () => {
    const gate = gateWith({ waitMs: 500 })
    const outcomes = fill(gate)
    pass(499)
    expect(gate.status().waiting).toBe(maxWaiting)
    pass(1)
    for (const outcome of outcomes.slice(places)) expect((await refusalOf(outcome)).code).toBe('late')
    expect(gate.status()).toMatchObject({ waiting: 0, effort: leastAskedEffort })
    for (const outcome of outcomes.slice(0, places)) (await enteredOf(outcome)).leave()
    expect(clock.timers()).toBe(0)
  })

  test('R-PUZ-5 whoever has gone waits no longer, and nothing is kept of him', async () => {
    const gate = gateWith()
    void Promise.all(fill(gate))
    const leaving = new AbortController()
    const cookie = await cookieOf(gate)
    const outcome = knock(gate, solve(cookie, leastAskedEffort), leaving.signal)
    const kept = clock.timers()
    leaving.abort()
    expect((await refusalOf(outcome)).code).toBe('gone')
    expect(gate.status().waiting).toBe(maxWaiting - 1)
    expect(clock.timers()).toBe(kept - 1)
    expect((await refusalOf(knock(gate, null, AbortSignal.abort()))).code).toBe('gone')
  })

  test('R-PUZ-5 a place held too long is taken back when somebody waits for it, the oldest first', async () => {
    const gate = gateWith({ holdMs: 1_000 })
    const taken: string[] = []
    const hold = (name: string) =>
      gate.enter({ client, solution: null, signal: never, onTakenBack: () => taken.push(name) })
    void hold('first')
    pass(500)
    void hold('second')
    pass(600)
    // Nobody waits, so nobody is disturbed.
    expect(taken).toEqual([])
    const third = hold('third')
    await enteredOf(third)
    expect(taken).toEqual(['first'])
    const fourth = hold('fourth')
    expect(gate.status()).toMatchObject({ inside: places, waiting: 1 })
    pass(399)
    expect(taken).toEqual(['first'])
    pass(1)
    await enteredOf(fourth)
    expect(taken).toEqual(['first', 'second'])
    expect(gate.status()).toMatchObject({ inside: places, waiting: 0 })
    // Who has no wish to hear of it keeps his place.
    for (const last of ['fifth', 'sixth']) {
      void hold(last)
      pass(1_000)
    }
    expect(taken).toEqual(['first', 'second', 'third', 'fourth'])
    const kept = gateWith({ holdMs: 1_000 })
    const [stays] = fill(kept)
    pass(10_000)
    expect(kept.status()).toMatchObject({ inside: places, waiting: maxWaiting })
    expect((await stays!).is).toBe('entered')
  })

  test('R-PUZ-5 a place is taken back from the lightest, and only for one who did as much', async () => {
    const gate = gateWith({ holdMs: 1_000 })
    const taken: number[] = []
    const cookie = await cookieOf(gate)
    /** `effort` in units of the least. */
    const hold = (effort: number) =>
      gate.enter({
        client,
        solution: effort === 0 ? null : solve(cookie, effort * leastAskedEffort),
        signal: never,
        onTakenBack: () => taken.push(effort),
      })
    void hold(30)
    void hold(20)
    pass(2_000)
    void hold(0)
    void hold(19)
    expect(taken).toEqual([])
    void hold(20)
    expect(taken).toEqual([20])
    void hold(40)
    expect(taken).toEqual([20, 30])
    expect(gate.status()).toMatchObject({ inside: places, waiting: 2 })
  })

  test('R-PUZ-5 a place is given back once, however often it is left', async () => {
    const gate = gateWith()
    const [first, second, third] = fill(gate)
    const entered = await enteredOf(first!)
    entered.leave()
    entered.leave()
    await enteredOf(second!)
    await enteredOf(third!)
    expect(gate.status()).toMatchObject({ inside: places, waiting: maxWaiting - 1 })
  })

  test('R-PUZ-1 a gate that asks for no work has places and a queue all the same', async () => {
    const gate = gateWith({}, false)
    const outcomes = fill(gate)
    for (let i = 0; i < 10; i++) {
      expect(await refusalOf(knock(gate, new Uint8Array(7)))).toMatchObject({ code: 'full', puzzle: null })
    }
    expect(gate.status()).toMatchObject({ effort: 0, inside: places, waiting: maxWaiting })
    for (const outcome of outcomes) (await enteredOf(outcome)).leave()
  })
})
