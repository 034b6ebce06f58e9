import { array, assert, double, integer, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawHops, type RelayCandidate, type Seat } from '../../protocol/index.ts'
import { createActorStream } from '../../sim/actor-stream.ts'
import {
  circuitBothEnds,
  circuitBothEndsEven,
  linkedAtLeastOnce,
  type PrefixClass,
} from '../../sim/closed-forms.ts'
import { createCutPlan } from '../../sim/statistical/circuit-cuts.ts'
import { proportion } from '../../sim/statistics.ts'
import { meansOf, meansWithStrategies } from './built-in.ts'

/** By the rule's own words: each hop uniform among the seats of classes not yet drawn. */
const byEnumeration = (classes: readonly PrefixClass[], hops: number): number => {
  const walk = (left: readonly PrefixClass[], places: number, isFirstHis: boolean | null): number => {
    const seats = left.reduce((sum, one) => sum + one.seats, 0)
    return left.reduce((sum, one) => {
      const others = left.filter((other) => other !== one)
      const his = one.attackers / seats
      const all = one.seats / seats
      if (places === 1) return sum + (isFirstHis === false ? 0 : his)
      if (isFirstHis === null) return sum + his * walk(others, places - 1, true)
      return sum + all * walk(others, places - 1, true)
    }, 0)
  }
  return walk(classes, hops, null)
}

describe('closed forms of circuits', () => {
  test('R-RELAY-1 both ends: the sum over kinds is the sum over all orders of all classes', () => {
    const classes = array(
      record({ seats: integer({ min: 1, max: 5 }), share: double({ min: 0, max: 1, noNaN: true }) }).map(
        ({ seats, share }) => ({ seats, attackers: Math.round(seats * share) }),
      ),
      { minLength: 4, maxLength: 6 },
    )
    assert(
      property(classes, integer({ min: 1, max: 4 }), (all, hops) => {
        expect(circuitBothEnds(all, hops)).toBeCloseTo(byEnumeration(all, hops), 10)
      }),
      { numRuns: 100 },
    )
  })

  test('with as many seats in each prefix it is A/N · (A − s)/(N − s), however many hops', () => {
    const even = (prefixes: number, owned: number, perPrefix: number): PrefixClass[] =>
      Array.from({ length: prefixes }, (_, i) => ({
        seats: perPrefix,
        attackers: i < owned ? perPrefix : 0,
      }))
    for (const hops of [2, 3, 5, 8])
      expect(circuitBothEnds(even(100, 20, 5), hops)).toBeCloseTo(circuitBothEndsEven(500, 100, 5), 12)
    expect(circuitBothEndsEven(500, 100, 5)).toBeCloseTo(((100 / 500) * 95) / 495, 12)
    expect(circuitBothEndsEven(40_000, 4_000)).toBeCloseTo(0.01, 4)
    // All of his seats in one prefix: never both ends. Fewer prefixes than hops: no circuit.
    expect(circuitBothEnds([{ seats: 50, attackers: 50 }, ...even(90, 0, 5)], 3)).toBe(0)
    expect(circuitBothEnds(even(2, 1, 5), 3)).toBe(0)
  })

  test('where the honest crowd into few prefixes, the rule serves the attacker', () => {
    const crowded = [
      ...Array.from({ length: 4 }, () => ({ seats: 225, attackers: 0 })),
      ...Array.from({ length: 100 }, () => ({ seats: 1, attackers: 1 })),
    ]
    expect(circuitBothEnds(crowded, 3)!).toBeGreaterThan(1.2 * 0.1 ** 2)
  })

  test('too many kinds of classes are left out, not waited for', () => {
    const all = Array.from({ length: 60 }, (_, i) => ({ seats: i + 1, attackers: i % 3 }))
    expect(circuitBothEnds(all, 8)).toBeNull()
    expect(circuitBothEnds(all, 3)).not.toBeNull()
  })

  test("R-RELAY-1 the protocol's own draws are both ends as often as the closed form says", () => {
    // Twelve /16s of unequal size; the attacker has all of some and a part of others.
    const classes = Array.from({ length: 12 }, (_, i) => ({
      seats: 1 + (i % 4),
      attackers: i % 3 === 0 ? 1 + (i % 4) : i % 2,
    }))
    const candidates: (RelayCandidate & { isHis: boolean })[] = classes.flatMap(({ seats, attackers }, i) =>
      Array.from({ length: seats }, (_, j) => ({
        seat: (100 * i + j) as Seat,
        address: Uint8Array.of(10, i, 0, j),
        isHis: j < attackers,
      })),
    )
    const stream = createActorStream(3, 0, 'circuits')
    const trials = 10_000
    let both = 0
    for (let i = 0; i < trials; i++) {
      const path = drawHops(
        {
          candidates,
          places: [null, null, null],
          excluded: new Set(),
          prefixBits: { ipv4: 16, ipv6: 32 },
        },
        stream,
      )!
      if (path[0]!.isHis && path[2]!.isHis) both++
    }
    const { low, high } = proportion(both, trials)
    const expected = circuitBothEnds(classes, 3)!
    expect(expected).toBeGreaterThanOrEqual(low!)
    expect(expected).toBeLessThanOrEqual(high!)
  })

  test('at least once in n', () => {
    expect(linkedAtLeastOnce(0.01, 20)).toBeCloseTo(1 - 0.99 ** 20, 12)
    expect(linkedAtLeastOnce(0, 20)).toBe(0)
  })
})

describe('the built-in scenario relay-deanonymisation', () => {
  const name = 'relay-deanonymisation'
  const sent = 2 * 500 * 20
  const run = (...settings: string[]): Record<string, number> => meansOf(name, 'repeats=2', ...settings)
  const within = (share: number, expected: number, trials: number): void => {
    const { low, high } = proportion(Math.round(share * trials), trials)
    expect(expected).toBeGreaterThanOrEqual(low!)
    expect(expected).toBeLessThanOrEqual(high!)
  }

  test('R-RELAY-1 a tenth of the seats is both ends of a hundredth of the circuits, and links nearly a fifth of the users', () => {
    const means = run()
    const both = means['relay.bothEnds.watcher']!
    // Some honest nodes are no hops for a while, so 985 seats and 100 of his, 2.5 in each of his /16s.
    expect(means['relay.bothEnds.closedForm.watcher']).toBeCloseTo(circuitBothEndsEven(985, 100, 2.5), 3)
    within(both, means['relay.bothEnds.closedForm.watcher']!, sent)
    within(means['relay.linkedUsers.watcher']!, means['relay.linkedUsers.closedForm.watcher']!, 1_000)
    within(both + means['relay.firstOnly.watcher']!, 100 / 985, sent)
    within(both + means['relay.lastOnly.watcher']!, 100 / 985, sent)
    expect(means['relay.whole.watcher']).toBeLessThan(0.3 * both)
    expect(means['relay.delivered']).toBe(1)
    // Control: nobody attacks.
    const none = run('attacker.nodes=0', 'repeats=1')
    expect(none['relay.bothEnds.watcher']).toBe(0)
    expect(none['relay.linkedUsers.watcher']).toBe(0)
  })

  test('R-RELAY-1 from one /16 he is never both ends; with the rule off he is, as often as from many', () => {
    const one = run('attacker.addresses.prefixes16=1')
    expect(one['relay.bothEnds.watcher']).toBe(0)
    within(one['relay.firstOnly.watcher']!, 100 / 985, sent)
    const off = run('attacker.addresses.prefixes16=1', 'relay.prefixBits=32')
    expect(off['relay.bothEnds.closedForm.watcher']).toBeCloseTo(circuitBothEndsEven(985, 100), 3)
    within(off['relay.bothEnds.watcher']!, off['relay.bothEnds.closedForm.watcher']!, sent)
  })

  test('R-RELAY-1 who was not valid in the last two epochs is no hop', () => {
    const pruned = meansWithStrategies(name, [{ kind: 'partial-chain', kept: 0.5 }], 'repeats=1')
    expect(pruned['rate invalid: wrong digest.watcher']).toBe(1)
    // Two of 42 epochs pass before anything is known of him.
    expect(pruned['relay.firstOnly.watcher']).toBeLessThan(0.01)
    expect(pruned['relay.bothEnds.closedForm.watcher']).toBeLessThan(0.001)
  })

  test('R-RELAY-1, R-TALLY-3 of nodes that share an address one stays a hop; an epoch of which too few attested says nothing', () => {
    const shared = run('attacker.addresses.ips=10', 'repeats=1')
    expect(shared['rate invalid: address shared.watcher']).toBeCloseTo(0.9, 12)
    // Ten of his hundred are left, but in the first of 42 epochs, when nothing is known; which ten changes.
    expect(shared['relay.firstOnly.watcher']).toBeLessThan(0.02)
    const unknown = run(
      'attacker.addresses.ips=10',
      'repeats=1',
      'incidents=[{"kind":"outage","from":0,"epochs":42,"share":0.7}]',
    )
    // With seven tenths of the others down, each of his hundred stands among the four hundred that are left.
    expect(unknown['relay.firstOnly.watcher']!).toBeGreaterThan(0.1)
  })

  test('R-RELAY-2 who drops each circuit at the best moment is both ends of no more than a new draw for each of his circuits gives', () => {
    for (const share of [0.1, 0.33]) {
      const settings = ['repeats=2', `attacker.share=${share}`]
      const drops = meansWithStrategies(name, [{ kind: 'drop-circuits' }], ...settings)
      const one = drops['relay.bothEnds.closedForm.watcher']!
      // Of four circuits, each but the last of which he can drop if a hop is his.
      const dropped = 1 - (1 - share) ** 3 - one
      const expected = (one * (1 - dropped ** 4)) / (1 - dropped)
      // His own hops are a larger share of those that are left when others are excluded.
      expect(drops['relay.bothEnds.watcher']! / expected).toBeGreaterThan(0.85)
      expect(drops['relay.bothEnds.watcher']! / expected).toBeLessThan(1.15)
      // He lets the last circuit go, so hardly anything is lost for what he does.
      expect(drops['relay.delivered']).toBeGreaterThan(0.99)
    }
  })

  test('R-RELAY-2 the best moment to drop a circuit: not before it is whole, where all up to there are suspects', () => {
    const plan = createCutPlan(3, 0.1)
    const never = [false, false, false]
    // Whatever he has of it but both ends, he waits until he knows all, and the last circuit goes out.
    for (const own of [
      [true, false, false],
      [true, true, false],
      [false, true, true],
      [false, false, true],
    ]) {
      expect(plan.cutOf(own, never, 4)).toBeNull()
      expect(plan.cutOf(own, never, 1)).toBeUndefined()
    }
    expect(plan.cutOf([false, false, false], never, 4)).toBeUndefined()
    expect(plan.cutOf([true, false, true], never, 4)).toBeUndefined()
    expect(plan.cutOf([true, true, true], [false, false, true], 2)).toBeUndefined()
  })

  test('R-RELAY-2 who drops every circuit afterwards that does not show him both ends sees more of those that go out', () => {
    const strategy = { kind: 'drop-circuits', when: 'afterwards' }
    const drops = meansWithStrategies(name, [strategy], 'repeats=2')
    const gain = drops['relay.bothEnds.watcher']! / drops['relay.bothEnds.closedForm.watcher']!
    expect(gain).toBeGreaterThan(1.2)
    // Suspects are excluded, so he pays with his own places: he cannot go on until every circuit is his.
    expect(gain).toBeLessThan(1.9)
    expect(drops['relay.firstOnly.watcher']).toBe(0)
    expect(drops['relay.circuitsPerTransaction']).toBeGreaterThan(1.3)
    expect(drops['relay.delivered']).toBeGreaterThan(0.98)
  })
})
