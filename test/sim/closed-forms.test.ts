import { describe, expect, test } from 'vitest'
import {
  atLeast,
  certificateCapture,
  certificateStall,
  chainCoverage,
  committeeCapture,
  committeeStall,
  grindingCost,
  grindingGain,
  hypergeometric,
  majoritySucceeds,
} from '../../sim/closed-forms.ts'
import { createActorStream } from '../../sim/actor-stream.ts'
import { countChallengers } from '../../sim/statistical/ring.ts'
import { proportion } from '../../sim/statistics.ts'
import {
  certifiersOf,
  challengersOf,
  createCommittees,
  drawSamples,
  hash,
  isEnough,
  type NetworkId,
  type Senior,
} from '../../protocol/index.ts'

/** Exact, in fractions of big integers. */
const choose = (n: bigint, k: bigint): bigint => {
  if (k < 0n || k > n) return 0n
  let result = 1n
  for (let i = 1n; i <= k; i++) result = (result * (n - k + i)) / i
  return result
}
const exactly = (seats: number, attackers: number, drawn: number, least: number): number => {
  let sum = 0n
  for (let x = least; x <= drawn; x++)
    sum += choose(BigInt(attackers), BigInt(x)) * choose(BigInt(seats - attackers), BigInt(drawn - x))
  return Number((sum * 10n ** 30n) / choose(BigInt(seats), BigInt(drawn))) / 1e30
}

describe('closed forms', () => {
  test.each([
    [52, 4, 5, 2],
    [999, 200, 11, 6],
    [39_999, 8_000, 11, 6],
    [300, 100, 128, 43],
  ])('atLeast(%i, %i, %i, %i) is the exact fraction', (seats, attackers, drawn, least) => {
    const exact = exactly(seats, attackers, drawn, least)
    expect(Math.abs(atLeast(seats, attackers, drawn, least) / exact - 1)).toBeLessThan(1e-9)
  })

  test('hypergeometric terms sum to one, and what cannot be drawn has none', () => {
    let sum = 0
    for (let x = 0; x <= 11; x++) sum += hypergeometric(500, 130, 11, x)
    expect(sum).toBeCloseTo(1, 12)
    expect(hypergeometric(10, 2, 5, 3)).toBe(0)
    expect(hypergeometric(10, 8, 5, 2)).toBe(0)
  })

  test('with an odd committee capture and stall are one event, with an even one a tie stalls', () => {
    expect(committeeStall(1_000, 200, 11)).toBeCloseTo(committeeCapture(1_000, 200, 11), 12)
    expect(committeeStall(1_000, 200, 10)).toBeGreaterThan(committeeCapture(1_000, 200, 10))
  })

  test('R-COM-1 nobody challenges himself: challengers are drawn from the others', () => {
    expect(committeeCapture(40, 10, 5)).toBeCloseTo(exactly(39, 10, 5, 3), 12)
    expect(committeeCapture(40, 10, 5)).not.toBeCloseTo(exactly(40, 10, 5, 3), 4)
    expect(committeeStall(40, 10, 6)).toBeCloseTo(exactly(39, 10, 6, 3), 12)
  })

  test('R-CP-4 86 of 128 certify and 43 stall', () => {
    expect(certificateCapture(1_000, 500, 128)).toBeCloseTo(exactly(1_000, 500, 128, 86), 12)
    expect(certificateStall(1_000, 250, 128)).toBeCloseTo(exactly(1_000, 250, 128, 43), 12)
  })

  test('grinding gains at most 1/(1 − a), and nothing where every beacon pleases', () => {
    expect(grindingGain(0.2)).toBe(1.25)
    expect(grindingGain(0.2, 1)).toBe(1)
    expect(grindingGain(0.2, 0.1)).toBeCloseTo(1 / 0.82, 12)
    expect(grindingCost(0.2, 0)).toBeCloseTo(0.25, 12)
  })

  test('a sure challenge makes a sure majority', () => {
    expect(majoritySucceeds(1, 11)).toBeCloseTo(1, 12)
    expect(majoritySucceeds(0.5, 11)).toBeCloseTo(0.5, 12)
    expect(majoritySucceeds(0, 11)).toBe(0)
  })
})

describe("beside the protocol's own draws", () => {
  const seats = 600
  test.each([7, 11, 15, 21].flatMap((k) => [0.1, 0.2, 1 / 3].map((f) => [k, f] as const)))(
    'R-COM-1 committees of %i with a share of %f attackers are captured as the hypergeometric says',
    (k, f) => {
      const attackers = Math.round(seats * f)
      const isAttacker = (index: number): boolean => index < attackers
      let captured = 0
      let trials = 0
      for (let epoch = 0; epoch < 400; epoch++) {
        const committees = createCommittees(hash('closed forms', k, epoch), seats, k)
        const marks = Uint8Array.from(committees.ring, (index) => (isAttacker(index) ? 1 : 0))
        const counts = countChallengers(committees, marks)
        // Neighbours on a ring share challengers: seats so far apart do not, and are trials of their own.
        for (let position = 0; position + k < seats; position += k + 1) {
          const index = committees.ring[position]!
          if (isAttacker(index)) continue
          const colluders = challengersOf(committees, index).filter(isAttacker).length
          expect(counts[position]).toBe(colluders)
          trials++
          if (2 * colluders > k) captured++
        }
      }
      const { low, high } = proportion(captured, trials)
      const expected = committeeCapture(seats, attackers, k)
      expect(expected).toBeGreaterThanOrEqual(low!)
      expect(expected).toBeLessThanOrEqual(high!)
      // Where there is something to see, a majority of one more or one less would be told from it.
      if (trials * expected < 20) return
      for (const least of [(k - 1) / 2, (k + 3) / 2]) {
        const other = atLeast(seats - 1, attackers, k, least)
        expect(other < low! || other > high!).toBe(true)
      }
    },
  )

  test.each([
    [150, 0.3, 128],
    [400, 1 / 3, 128],
    [400, 0.28, 40],
    [60, 0.65, 15],
  ])(
    'R-CP-2, R-CP-4 of %i seniors with a share of %f attackers, %i certify: captured and stalled as the hypergeometric says',
    (count, f, certifiers) => {
      const attackers = Math.round(count * f)
      const seniors = Array.from({ length: count }, (_, seat) => ({ seat }) as Senior)
      const drawn = Math.min(count, certifiers)
      const trials = 2_000
      let captured = 0
      let stalled = 0
      for (let view = 0; view < trials; view++) {
        const chosen = certifiersOf(seniors, hash('closed forms', 'views', view >> 2), view & 3, certifiers)
        expect(chosen.length).toBe(drawn)
        const colluders = chosen.filter(({ seat }) => seat < attackers).length
        if (isEnough(colluders, drawn)) captured++
        if (!isEnough(drawn - colluders, drawn)) stalled++
      }
      for (const [seen, expected] of [
        [captured, certificateCapture(count, attackers, certifiers)],
        [stalled, certificateStall(count, attackers, certifiers)],
      ] as const) {
        const { low, high } = proportion(seen, trials)
        expect(expected).toBeGreaterThanOrEqual(low! - 1e-12)
        expect(expected).toBeLessThanOrEqual(high!)
      }
    },
  )

  test.each([0.9, 0.95, 0.99])(
    'R-CHAL-2 who keeps %f of the chain answers 64 samples as often as kept^64',
    (kept) => {
      const stream = createActorStream(5, 0, 'coverage')
      const lastHeight = 100_000
      const terms = {
        networkId: '0'.repeat(32) as NetworkId,
        epoch: 3,
        beacon: hash('beacon'),
        targetSeat: 1,
        targetStake: new Uint8Array(20),
        challengerSeat: 2,
      }
      let answered = 0
      const trials = 4_000
      for (let i = 0; i < trials; i++) {
        const drawing = drawSamples({ ...terms, nonce: stream.bytes() }, 64, lastHeight)
        let step = drawing.next()
        while (step.done !== true && step.value <= kept * lastHeight) step = drawing.next(1)
        if (step.done === true) answered++
      }
      const { low, high } = proportion(answered, trials)
      expect(chainCoverage(kept, 64)).toBeGreaterThanOrEqual(low!)
      expect(chainCoverage(kept, 64)).toBeLessThanOrEqual(high!)
    },
  )
})
