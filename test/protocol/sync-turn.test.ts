import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createStream,
  defaultPrefixBits,
  drawUnasked,
  hash,
  isTurnAnswered,
  neighboursToDial,
  startAsking,
  startTurn,
  stepAsking,
  stepTurn,
  type TurnEvent,
} from '../../protocol/index.ts'
import { isApart } from '../../protocol/relay.ts'

describe('R-SYNC-2 a turn', () => {
  test('asks one seat, a node that is alone three at the same time', () => {
    expect(startTurn(false).effects).toEqual([{ is: 'ask', lane: 0 }])
    expect(startTurn(true).effects.map(({ lane }) => lane)).toEqual([0, 1, 2])
  })

  test.each<[TurnEvent[], number, number, boolean]>([
    [['answered'], 9, 1, true],
    [['failed', 'answered'], 9, 2, true],
    [['failed', 'failed', 'answered'], 9, 3, true],
    [['failed', 'failed', 'failed'], 9, 3, false],
    [['failed', 'over'], 9, 2, false],
    [['over'], 9, 1, false],
    // Of few seats no more than there are.
    [['failed', 'failed'], 2, 2, false],
  ])('%o of %d seats: %d asked, answered: %o', (events, seats, asked, isAnswered) => {
    let step = startTurn(false)
    let questions = step.effects.length
    for (const event of events) {
      expect(step.effects).toHaveLength(1)
      step = stepTurn(step.state, 0, event, seats)
      questions += step.effects.length
    }
    expect(step.effects).toEqual([])
    expect(questions).toBe(asked)
    expect(isTurnAnswered(step.state)).toBe(isAnswered)
  })

  test('whatever becomes of them: each lane asks three seats at most, and none after one has answered it', () => {
    const anyEvent = fc.constantFrom<TurnEvent>('answered', 'failed', 'over')
    fc.assert(
      fc.property(fc.boolean(), fc.infiniteStream(anyEvent), fc.nat(9), (isAlone, events, seats) => {
        const started = startTurn(isAlone)
        let { state } = started
        const waiting = [...started.effects]
        const heard = state.map((): TurnEvent[] => [])
        for (let ask = waiting.shift(); ask !== undefined; ask = waiting.shift()) {
          const event = events.next().value!
          heard[ask.lane]!.push(event)
          const step = stepTurn(state, ask.lane, event, seats)
          state = step.state
          waiting.push(...step.effects)
        }
        for (const lane of heard) {
          expect(lane.length).toBeLessThanOrEqual(3)
          expect(lane.slice(0, -1).every((event) => event === 'failed')).toBe(true)
        }
        expect(isTurnAnswered(state)).toBe(heard.flat().includes('answered'))
      }),
    )
  })

  test('connects to as many as gossip wants, and to eight others while it is alone', () => {
    expect([0, 5, 8, 20].map((connected) => neighboursToDial(false, connected))).toEqual([8, 3, 0, 0])
    expect([0, 5, 20].map((connected) => neighboursToDial(true, connected))).toEqual([8, 8, 8])
  })
})

describe('R-SYNC-2 whom a node asks', () => {
  test('none twice before all others were asked, and never itself, in an order of chance', () => {
    const sizes = fc.integer({ min: 2, max: 80 })
    fc.assert(
      fc.property(sizes, fc.nat(79), fc.nat(9), (size, at, salt) => {
        const own = at % size
        const asked = new Set<number>()
        const rounds: number[][] = [[]]
        for (let turn = 0; turn < 2 * (size - 1); turn++) {
          const stream = createStream(hash('turn', salt, turn))
          const draw = (): number => drawUnasked(size, own, (index) => asked.has(index), stream)
          let index = draw()
          if (index === -1) {
            asked.clear()
            rounds.push([])
            index = draw()
          }
          asked.add(index)
          rounds.at(-1)!.push(index)
        }
        const others = Array.from({ length: size }, (_, index) => index).filter((index) => index !== own)
        expect(rounds).toHaveLength(2)
        for (const round of rounds) expect(round.toSorted((a, b) => a - b)).toEqual(others)
      }),
    )
  })

  test.each([4, 300])('each of those that are left is as likely as any other: three of %d', (size) => {
    const left = [1, 2, size - 1]
    const drawn = Array.from({ length: 300 }, (_, i) =>
      drawUnasked(size, 0, (index) => !left.includes(index), createStream(hash('left', i))),
    )
    for (const index of left) expect(drawn.filter((one) => one === index).length).toBeGreaterThan(75)
    expect(drawn.every((index) => left.includes(index))).toBe(true)
  })

  test('of no others there is none', () => {
    expect(drawUnasked(1, 0, () => false, createStream(hash('none')))).toBe(-1)
    expect(drawUnasked(0, -1, () => false, createStream(hash('none')))).toBe(-1)
  })

  test('of those that are looked up, the first that shares no prefix with the eight asked last, or else the first', () => {
    const address = fc.option(fc.tuple(fc.nat(3), fc.nat(3)).map(([a, b]) => Uint8Array.of(81, a, b, 1)))
    const recents = fc.array(
      fc.nat(3).map((a) => Uint8Array.of(81, a, 9, 9)),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(fc.array(address, { minLength: 1, maxLength: 4 }), recents, (addresses, recent) => {
        let step = startAsking(recent)
        let lookUps = 0
        while (step.effect.is === 'look-up') {
          lookUps++
          step = stepAsking(step, addresses[step.effect.place]!, addresses.length, defaultPrefixBits)
        }
        const fits = addresses.findIndex((one) => one !== null && isApart(one, recent, defaultPrefixBits))
        expect(step.effect.place).toBe(Math.max(0, fits))
        expect(lookUps).toBe(fits === -1 ? addresses.length : fits + 1)
        expect(step.recent).toEqual(fits === -1 ? recent : [...recent, addresses[fits]].slice(-8))
      }),
    )
  })
})
