import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AttestedVerdicts,
  formatTally,
  newestRuleset,
  nextUnknownRuleset,
  outcomeOf,
  type Params,
  readTally,
  type Snapshot,
  tallyWeek,
  unknownRulesetOf,
  Verdict,
  type Week,
} from '../../../protocol/index.ts'
import type { TallyEpoch } from '../../../protocol/tally/input.ts'
import { tallyBytes } from '../../../protocol/tally/document.ts'
import { attestationOf, epochOf, genesis, networkId, nodesOf, paramsWith, seedOf } from '../fixture.ts'
import { rulesetOf, rulesets } from '../../../protocol/tally/rulesets.ts'
import { type AttestedInput, createTally, judgedInput, judgedWords } from '../judged.ts'
import { naiveTally } from '../oracle/naive-tally.ts'

const week = '2026-W47' as Week
const pool = nodesOf(24)

const inputOf = (changes: Partial<AttestedInput>): AttestedInput => ({
  networkId,
  chain: genesis.chain,
  week,
  state: 'anchored',
  params: paramsWith(),
  checkpoint: null,
  anchor: { height: 900, hash: seedOf('anchor') },
  equivocators: new Set(),
  fund: 1_000_000n,
  epochs: [],
  ...changes,
})

/** An epoch in which the node at `index` says `verdictOf(index, target)`; undefined attests nothing. */
const epochWith = (
  size: number,
  number: number,
  committee: number,
  verdictOf: (index: number, target: number) => number,
  attests: (index: number) => boolean = () => true,
): TallyEpoch => {
  const epoch = epochOf(pool.slice(0, size), number, committee)
  return {
    epoch: number,
    beacon: epoch.beacon,
    snapshot: epoch.nodes,
    attestations: epoch.nodes.map((_, index) =>
      attests(index) ? attestationOf(epoch, index, (target) => verdictOf(index, target)) : undefined,
    ),
  }
}

const judged = (epoch: TallyEpoch, params: Partial<Params> = {}) =>
  judgedWords(epoch, paramsWith({ committee: 11, ...params }))

describe('R-TALLY against a naive reading', () => {
  const address = fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(fc.constantFrom(10, 11), fc.nat(1), fc.nat(2), fc.nat(3))
        .map((bytes) => Uint8Array.from(bytes)),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.nat(1), fc.nat(1), fc.nat(1))
        .map(([a, b, c]) => Uint8Array.of(0x20, 1, 0, 0, 0, a, 0, b, 0, 0, 0, 0, 0, 0, 0, c)),
    },
  )
  const world = fc.record({
    committee: fc.integer({ min: 1, max: 12 }),
    maxPerPrefix: fc.constantFrom(0, 0, 1, 2, 3),
    minAvailability: fc.constantFrom(0, 50, 50, 100),
    feeReserve: fc.bigInt({ min: 0n, max: 500n }),
    fund: fc.bigInt({ min: 0n, max: 1_000_000n }),
    equivocators: fc.uniqueArray(fc.nat(pool.length - 1), { maxLength: 3 }),
    addresses: fc.array(address, { minLength: pool.length, maxLength: pool.length }),
    /** Per cent of seats that answer, that attest, and of verdicts that are not what most say. */
    up: fc.integer({ min: 30, max: 100 }),
    attesting: fc.integer({ min: 20, max: 100 }),
    noise: fc.integer({ min: 0, max: 40 }),
    epochs: fc.array(
      fc.record({
        members: fc.uniqueArray(fc.nat(pool.length - 1), { maxLength: pool.length }),
        seed: fc.nat(),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  })

  const build = (w: typeof world extends fc.Arbitrary<infer W> ? W : never): AttestedInput => {
    const params = paramsWith({
      committee: w.committee,
      maxPerPrefix: w.maxPerPrefix,
      minAvailability: w.minAvailability,
      feeReserve: w.feeReserve,
    })
    const epochs = w.epochs.map(({ members, seed }, e): TallyEpoch => {
      const nodes = members.toSorted((a, b) => a - b).map((i) => pool[i]!)
      const epoch = epochOf(nodes, e + 1, w.committee)
      // Draws that depend on the seed alone, so that shrinking keeps its meaning.
      let state = (seed % 2_147_483_646) + 1
      const percent = (): number => (state = (state * 48_271) % 2_147_483_647) % 100
      const isUp = nodes.map(() => percent() < w.up)
      return {
        epoch: e + 1,
        beacon: epoch.beacon,
        snapshot: nodes,
        attestations: nodes.map((_, index): AttestedVerdicts | undefined => {
          if (percent() >= w.attesting) return undefined
          const attestation = attestationOf(epoch, index, (target) => {
            if (percent() < w.noise) return [0, 1, 2, 3, 7, 255, 255][percent() % 7]!
            return isUp[target]! ? 0 : percent() < 50 ? 2 : 3
          })
          const addresses = attestation.addresses.map(
            (_, i) => w.addresses[(i + (percent() < 20 ? percent() : index)) % w.addresses.length]!,
          )
          const named = percent() < 80 ? attestation.addresses : addresses
          switch (percent()) {
            case 0:
              return { ...attestation, verdicts: attestation.verdicts.slice(1) }
            case 1:
              return { ...attestation, verdicts: attestation.verdicts.map(() => 77) }
            case 2:
              return { ...attestation, addresses: [...attestation.addresses, Uint8Array.of(1, 2, 3, 4)] }
            case 3:
              return { ...attestation, addresses: attestation.addresses.map(() => new Uint8Array(5)) }
            default:
              return { verdicts: attestation.verdicts, addresses: named }
          }
        }),
      }
    })
    return inputOf({
      params,
      fund: w.fund,
      epochs,
      equivocators: new Set(w.equivocators.map((i) => pool[i]!.seat)),
    })
  }

  test('R-TALLY-0…6 the same outcomes, scores and amounts; never more is paid than there is', () => {
    fc.assert(
      fc.property(world, (w) => {
        const input = build(w)
        const result = tallyWeek(judgedInput(input))
        const naive = naiveTally(input)
        expect(
          result.seats.map(({ row, outcomes, score, amount }) => [
            row.seat,
            Array.from(outcomes, outcomeOf),
            score,
            amount,
          ]),
        ).toEqual(
          [...naive.seats]
            .toSorted(([a], [b]) => a - b)
            .map(([seat, { outcomes, score, amount }]) => [seat, outcomes, score, amount]),
        )
        expect([result.paid, result.fund]).toEqual([naive.paid, naive.fund])
        expect(result.paid).toBeLessThanOrEqual(result.fund)
        expect(result.paid + result.undistributed).toBe(result.fund)
        expect(result.seats.reduce((sum, seat) => sum + seat.amount, 0n)).toBe(result.paid)
        // Of what is paid at all, only roundings stay: less than a unit for each paid seat.
        const paidSeats = result.seats.filter((seat) => seat.amount > 0n).length
        if (result.paid > 0n && result.seats.every((seat) => seat.score === 0 || seat.amount > 0n)) {
          expect(result.undistributed).toBeLessThan(BigInt(paidSeats + 1))
        }
        for (const seat of result.seats)
          if (seat.isEquivocator) expect([seat.score, seat.amount]).toEqual([0, 0n])
      }),
      { numRuns: 400 },
    )
  })
})

describe('R-TALLY-1 classes', () => {
  test.each([
    // Of k = 4 challengers more than 2 decide, of k = 5 more than 2.5.
    [4, [0, 0, 1, 1], 'undecided'],
    [4, [0, 0, 0, 1], 'credited'],
    [4, [1, 2, 3, 0], 'invalid: unresolvable'],
    [4, [3, 2, 2, 3], 'invalid: unreachable'],
    [4, [9, 9, 8, 255], 'invalid: evidence invalid'],
    [4, [255, 255, 255, 255], 'undecided'],
    [5, [0, 0, 0, 1, 1], 'credited'],
    [5, [0, 0, 255, 1, 1], 'undecided'],
    [5, [0, 0, 255, 255, 255], 'undecided'],
    [5, [7, 7, 8, 8, 0], 'invalid: tls invalid'],
  ])('R-TALLY-1 k = %i, said %j: %s', (k, said, outcome) => {
    const queue = [...said]
    // Index 0 is the seat that is judged; of everybody else everybody says 0.
    const epoch = epochWith(12, 1, k, (_, target) => (target === 0 ? queue.shift()! : 0))
    expect(judged(epoch, { committee: k }).outcomes[0]).toBe(outcome)
  })

  test('R-TALLY-1 silence counts among the assigned', () => {
    const challengers = new Set<number>()
    epochWith(12, 1, 5, (index, target) => (target === 0 ? (challengers.add(index), 0) : 0))
    const [first, second, third] = challengers
    const said = (silent: number[]) =>
      judged(
        epochWith(
          12,
          1,
          5,
          () => 0,
          (index) => !silent.includes(index),
        ),
        { committee: 5 },
      ).outcomes[0]
    expect(said([first!, second!])).toBe('credited')
    expect(said([first!, second!, third!])).toBe('undecided')
  })
})

describe('R-TALLY-2 agreement', () => {
  test('R-TALLY-2 half of what is decided is enough, less is not; undecided and abstained do not count', () => {
    const outcomeOf = (wrong: number, abstained = 0) => {
      let said = 0
      const epoch = epochWith(12, 1, 4, (index) => {
        if (index !== 0) return 0
        said++
        return said <= wrong ? 3 : said <= wrong + abstained ? 255 : 0
      })
      return judged(epoch, { committee: 4 }).outcomes[0]
    }
    expect(outcomeOf(2)).toBe('credited')
    expect(outcomeOf(3)).toBe('valid: disagrees')
    expect(outcomeOf(1, 2)).toBe('credited')
    expect(outcomeOf(2, 1)).toBe('valid: disagrees')
  })

  test('R-TALLY-2 where nothing is decided, it agrees', () => {
    // All its targets are judged by liars and honest ones half and half.
    const epoch = epochWith(4, 1, 2, (index) => (index % 2 === 0 ? 0 : 3))
    const { outcomes } = judged(epoch, { committee: 2 })
    expect(outcomes).not.toContain('valid: disagrees')
  })

  test('R-TALLY-2 is judged before addresses: who calls a node valid that shares an address was right', () => {
    const epoch = epochWith(12, 1, 5, () => 0)
    const shared = {
      ...epoch,
      attestations: epoch.attestations.map((attestation) => ({
        ...attestation!,
        addresses: attestation!.addresses.map(() => Uint8Array.of(10, 0, 0, 1)),
      })),
    }
    const { outcomes } = judged(shared, { committee: 5 })
    expect(outcomes.filter((outcome) => outcome === 'credited')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'invalid: address shared')).toHaveLength(11)
    expect(outcomes[0]).toBe('credited')
  })
})

describe('R-TALLY-3 addresses', () => {
  /** What each seat's challengers see: `addressOf(seat index, i-th naming)`. */
  const withAddresses = (
    size: number,
    committee: number,
    addressOf: (target: number, naming: number) => Uint8Array,
  ): TallyEpoch => {
    const epoch = epochOf(pool.slice(0, size), 1, committee)
    const namings = new Map<number, number>()
    return {
      epoch: 1,
      beacon: epoch.beacon,
      snapshot: epoch.nodes,
      attestations: epoch.nodes.map((_, index) => {
        const addresses: Uint8Array[] = []
        const { verdicts } = attestationOf(epoch, index, (target) => {
          const naming = namings.get(target) ?? 0
          namings.set(target, naming + 1)
          addresses.push(addressOf(target, naming))
          return 0
        })
        return { verdicts, addresses }
      }),
    }
  }
  const v4 = (...bytes: number[]) => Uint8Array.from(bytes)
  const v6 = (...head: number[]) => Uint8Array.from({ length: 16 }, (_, i) => head[i] ?? 0)

  test('R-TALLY-3 without an address that most name, a valid seat is undecided', () => {
    const epoch = withAddresses(12, 4, (target, naming) =>
      target === 3 ? v4(10, 0, naming % 2, 3) : v4(10, 1, 0, target),
    )
    expect(judged(epoch, { committee: 4 }).outcomes[3]).toBe('undecided: no address')
  })

  test('R-TALLY-3 an IPv6 host is its /64, and IPv4 and IPv6 are never the same', () => {
    const epoch = withAddresses(12, 4, (target, naming) =>
      target === 1 || target === 2
        ? v6(0x20, 1, 0, 0, 0, 0, 0, 7, target, naming)
        : target === 3
          ? v4(0x20, 1, 0, 0)
          : v4(10, 1, 0, target),
    )
    const { outcomes } = judged(epoch, { committee: 4 })
    expect([outcomes[1], outcomes[2], outcomes[3]]).toEqual([
      'credited',
      'invalid: address shared',
      'credited',
    ])
  })

  test('R-TALLY-3 of those that share, the one that most name there stays', () => {
    const epoch = withAddresses(12, 5, (target, naming) => {
      if (target === 2) return naming === 0 ? v4(9, 9, 9, 9) : v4(10, 0, 0, 1) // named by 4 of 5
      if (target === 7) return v4(10, 0, 0, 1) // named by all
      return v4(10, 1, 0, target)
    })
    const { outcomes } = judged(epoch, { committee: 5 })
    expect([outcomes[2], outcomes[7]]).toEqual(['invalid: address shared', 'credited'])
  })

  test('R-TALLY-3 maxPerPrefix: /24 first, of the rest /16, and /48 for IPv6', () => {
    const epoch = withAddresses(12, 4, (target) =>
      target < 4
        ? v4(10, 0, 0, target)
        : target < 6
          ? v4(10, 0, target, 1)
          : target < 9
            ? v6(0x20, 1, 0, 0, 0, 1, 0, target)
            : v4(11, target, 0, 1),
    )
    const faultsOf = (maxPerPrefix: number) =>
      judged(epoch, { committee: 4, maxPerPrefix }).outcomes.flatMap((outcome, i) =>
        outcome === 'invalid: prefix full' ? [i] : [],
      )
    expect(faultsOf(0)).toEqual([])
    expect(faultsOf(1)).toEqual([1, 2, 3, 4, 5, 7, 8])
    expect(faultsOf(2)).toEqual([2, 3, 4, 5, 8])
    expect(faultsOf(3)).toEqual([3, 4, 5])
    expect(faultsOf(4)).toEqual([4, 5])
    expect(faultsOf(6)).toEqual([])
  })
})

describe('R-TALLY-4 credit', () => {
  test.each([0, 1, 2, 3])('R-COM-1 with n = %i seats nothing is credited', (size) => {
    const { outcomes } = judged(epochWith(size, 1, 11, () => 0))
    expect(outcomes).toEqual(
      Array.from({ length: size }, () => (size < 2 ? 'undecided' : 'valid: too few seats')),
    )
  })

  test('R-COM-1 with n = 4 it is', () => {
    expect(judged(epochWith(4, 1, 11, () => 0)).outcomes).toEqual([
      'credited',
      'credited',
      'credited',
      'credited',
    ])
  })

  test('R-TALLY-4 who attests nothing, or abstains on more than half, gets nothing', () => {
    const silent = epochWith(
      12,
      1,
      4,
      () => 0,
      (index) => index !== 5,
    )
    expect(judged(silent, { committee: 4 }).outcomes[5]).toBe('valid: not attested')
    const abstaining = (count: number) => {
      let said = 0
      return judged(
        epochWith(12, 1, 4, (index) => (index === 5 && said++ < count ? 255 : 0)),
        { committee: 4 },
      ).outcomes[5]
    }
    expect(abstaining(2)).toBe('credited')
    expect(abstaining(3)).toBe('valid: abstained')
  })

  test('R-TALLY-4 where fewer than half attested, validity alone is enough', () => {
    // Of 13 with one challenger each, 6 attest: 12 < 13.
    const few = judged(
      epochWith(
        13,
        1,
        1,
        () => 0,
        (index) => index < 6,
      ),
      { committee: 1 },
    )
    expect(few.attested).toBe(6)
    expect(few.outcomes.filter((outcome) => outcome === 'credited')).toHaveLength(6)
    expect(few.outcomes.filter((outcome) => outcome === 'undecided')).toHaveLength(7)
    const half = judged(
      epochWith(
        12,
        1,
        1,
        () => 0,
        (index) => index < 6,
      ),
      { committee: 1 },
    )
    expect(half.outcomes.filter((outcome) => outcome === 'valid: not attested').length).toBeGreaterThan(0)
  })
})

describe('R-TALLY-5 and R-TALLY-6 scores and amounts', () => {
  /** Seats 0 … size − 1 of the pool; in epoch e those with `isUp(index, e)` answer; all attest. */
  const weekOf = (
    size: number,
    count: number,
    isUp: (index: number, e: number) => boolean,
    changes: Partial<AttestedInput> = {},
  ) =>
    tallyWeek(
      judgedInput(
        inputOf({
          epochs: Array.from({ length: count }, (_, e) =>
            epochWith(size, e + 1, 11, (_, target) => (isUp(target, e) ? 0 : 2)),
          ),
          ...changes,
        }),
      ),
    )

  test('R-TALLY-5 paid from half of the lower median on, exactly', () => {
    // Availabilities of 8 epochs: 8, 8, 8, 8 and 4, 3: the lower median of six is the third, 8.
    const up = [8, 8, 8, 8, 4, 3]
    const { seats, paid, undistributed } = weekOf(6, 8, (index, e) => e < up[index]!, { fund: 1_000n })
    expect(seats.map((seat) => seat.score)).toEqual(up)
    expect(seats.map((seat) => seat.amount)).toEqual([222n, 222n, 222n, 222n, 111n, 0n])
    expect([paid, undistributed]).toEqual([999n, 1n])
  })

  test('R-TALLY-5 the lower of two medians counts', () => {
    // Four seats with 2, 2, 8, 8 of 8: the lower median is 2, so all are paid.
    const up = [2, 2, 8, 8]
    const { seats } = weekOf(4, 8, (index, e) => e < up[index]!)
    expect(seats.every((seat) => seat.amount > 0n)).toBe(true)
  })

  test('R-TALLY-5 a failure of the whole network lowers all alike and costs nobody', () => {
    const whole = weekOf(6, 8, () => true)
    const broken = weekOf(6, 8, (_, e) => e < 3)
    expect(broken.seats.map((seat) => seat.amount)).toEqual(whole.seats.map((seat) => seat.amount))
  })

  test('R-TALLY-5 availability counts only epochs in whose snapshot it was', () => {
    const epochs = [1, 2, 3, 4].map((e) => epochWith(e < 4 ? 6 : 7, e, 11, () => 0))
    const { seats } = tallyWeek(judgedInput(inputOf({ epochs, fund: 2_500n })))
    expect(seats.map((seat) => [seat.epochs, seat.score])).toEqual([
      ...Array.from({ length: 6 }, () => [4, 4]),
      [1, 1],
    ])
    expect(seats.map((seat) => seat.amount)).toEqual([400n, 400n, 400n, 400n, 400n, 400n, 100n])
    expect(Array.from(seats[6]!.outcomes, outcomeOf)).toEqual([null, null, null, 'credited'])
  })

  test('R-ATT-3 an equivocator scores 0, before the median, and its attestations are absent', () => {
    const equivocators = new Set([pool[0]!.seat])
    const epochs = [epochWith(6, 1, 11, () => 0)]
    const result = tallyWeek(judgedInput(inputOf({ epochs, equivocators, fund: 500n })))
    expect(result.attested).toEqual([5])
    expect(result.seats.map((seat) => [seat.score, seat.amount])).toEqual([
      [0, 0n],
      ...Array.from({ length: 5 }, () => [1, 100n]),
    ])
    expect(result.seats[0]!.isEquivocator).toBe(true)
    expect(Array.from(result.seats[0]!.outcomes, outcomeOf)).toEqual(['valid: not attested'])
  })

  test('R-TALLY-6 a fund below the reserve is none, and nothing is paid where nobody scored', () => {
    expect(weekOf(6, 1, () => true, { fund: 99n, params: paramsWith({ feeReserve: 100n }) })).toMatchObject({
      fund: 0n,
      paid: 0n,
      undistributed: 0n,
    })
    expect(weekOf(6, 1, () => false, { fund: 99n })).toMatchObject({
      fund: 99n,
      paid: 0n,
      undistributed: 99n,
    })
    expect(tallyWeek(judgedInput(inputOf({ fund: 5n })))).toMatchObject({
      seats: [],
      paid: 0n,
      undistributed: 5n,
    })
  })

  test('R-TALLY-6 amounts are exact beyond 2^53', () => {
    const fund = 2_100_000_000_000_001n
    const { seats, paid } = weekOf(7, 1, () => true, { fund })
    expect(new Set(seats.map((seat) => seat.amount))).toEqual(new Set([fund / 7n]))
    expect(paid).toBe((fund / 7n) * 7n)
  })
})

describe('R-TALLY-7 the document', () => {
  const epochs = [epochWith(6, 1, 11, () => 0), epochWith(6, 2, 11, (_, target) => (target === 2 ? 3 : 0))]
  const tally = createTally(inputOf({ epochs }))

  test('R-TALLY-7 is paid to the stake address, and read back with its digest', () => {
    expect(tally.document.seats[2]).toEqual({
      seat: pool[2]!.seat,
      stake: expect.stringMatching(/^tm/) as string,
      host: pool[2]!.host,
      outcomes: ['credited', 'invalid: timeout'],
      epochs: 2,
      score: 1,
      equivocator: false,
      amount: '90909',
    })
    expect(readTally(JSON.parse(formatTally(tally)))).toEqual({ is: 'ok', tally })
  })

  test('R-TALLY-7 the same inputs give the same bytes, whatever the order of their members', () => {
    const again = createTally(
      inputOf({ epochs: epochs.map((epoch) => ({ ...epoch, snapshot: [...epoch.snapshot] as Snapshot })) }),
    )
    expect(tallyBytes(again.document)).toEqual(tallyBytes(tally.document))
    const reversed = Object.fromEntries(Object.entries(tally.document).toReversed()) as typeof tally.document
    expect(tallyBytes(reversed)).toEqual(tallyBytes(tally.document))
  })

  test('R-TALLY-7 any change of a value breaks the digest, or the form', () => {
    const text = formatTally(tally)
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom(...'0123456789abcdefW-:"'.split('')),
        (at, letter) => {
          const changed = text.slice(0, at) + letter + text.slice(at + 1)
          if (changed === text) return
          let json: unknown
          try {
            json = JSON.parse(changed)
          } catch {
            return
          }
          expect(readTally(json).is).toBe('bad')
        },
      ),
      { numRuns: 500 },
    )
  })

  test('R-TALLY-7 whatever somebody calls a tally, reading it does not throw', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(readTally(json).is).toBe('bad')
      }),
    )
    const withTotals = (changes: object) => ({
      ...tally.document,
      digest: tally.digest,
      totals: { ...tally.document.totals, ...changes },
    })
    for (const seats of [-0, 1.5, -1, 1e300, Number.NaN, '6', null]) {
      expect(readTally(withTotals({ seats })).is).toBe('bad')
    }
    expect(readTally({ ...tally.document, digest: tally.digest, week: '9999-W53' }).is).toBe('bad')
  })

  test('R-TALLY-7 rulesets have a number each, and the table rises', () => {
    expect(rulesetOf({ ruleset: 1 }).number).toBe(1)
    expect(rulesets.every((ruleset, i) => i === 0 || rulesets[i - 1]!.number < ruleset.number)).toBe(true)
    expect(newestRuleset).toBe(rulesets.at(-1)!.number)
  })

  test('R-NET-3 a schedule may name a ruleset that is not known: it tells in which weeks, and which is next', () => {
    const schedule = [
      { from: '2026-W40' as Week, params: paramsWith() },
      { from: '2026-W50' as Week, params: paramsWith({ ruleset: newestRuleset + 1 }) },
      { from: '2027-W10' as Week, params: paramsWith() },
      { from: '2027-W20' as Week, params: paramsWith({ ruleset: 65_535 }) },
    ]
    const next = (at: string) => nextUnknownRuleset(schedule, at as Week)
    expect(next('2026-W01')).toEqual({ ruleset: newestRuleset + 1, from: '2026-W50', isInForce: false })
    expect(next('2026-W49')).toEqual({ ruleset: newestRuleset + 1, from: '2026-W50', isInForce: false })
    expect(next('2026-W50')).toEqual({ ruleset: newestRuleset + 1, from: '2026-W50', isInForce: true })
    expect(next('2027-W10')).toEqual({ ruleset: 65_535, from: '2027-W20', isInForce: false })
    expect(nextUnknownRuleset(schedule.slice(0, 1), '2030-W01' as Week)).toBe(null)
    expect(unknownRulesetOf(schedule, '2026-W49' as Week)).toBe(null)
    expect(unknownRulesetOf(schedule, '2027-W09' as Week)).toBe(newestRuleset + 1)
    expect(() => rulesetOf({ ruleset: 65_535 })).toThrow('65535')
  })
})

test('R-VERD-1 the word of each code stands in the outcomes', () => {
  const code = Verdict.tlsUnbound
  expect(judged(epochWith(6, 1, 11, () => code)).outcomes[0]).toBe('invalid: tls unbound')
})
