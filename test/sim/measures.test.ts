import { describe, expect, test } from 'vitest'
import { certificateStall, committeeStall } from '../../sim/closed-forms.ts'
import { createPopulation } from '../../sim/population.ts'
import { rulesOf } from '../../sim/rules.ts'
import { parseScenario } from '../../sim/scenario.ts'
import { createMembership } from '../../sim/statistical/membership.ts'
import { builtIn, meansOf, meansWithStrategies } from './built-in.ts'

describe('measures beside their closed forms', () => {
  test('committees captured and stalled: with twelve challengers a tie stalls and does not capture', () => {
    const means = meansOf('collusion', 'repeats=2', 'weeks=1', 'protocol.committee=12')
    expect(means['committee.stalled.closedForm']).toBeCloseTo(committeeStall(1_000, 200, 12), 12)
    for (const measure of ['committee.captured', 'committee.stalled']) {
      // 67,200 seats, whose neighbours share challengers.
      expect(Math.abs(means[measure]! / means[`${measure}.closedForm`]! - 1)).toBeLessThan(0.15)
    }
    expect(means['committee.stalled']!).toBeGreaterThan(2 * means['committee.captured']!)
  })

  test('R-CP-4 views stalled by a third of the seniors: as many as the hypergeometric says, and weeks are delayed', () => {
    const settings = ['repeats=3', 'weeks=8', 'attacker.share=0.33', 'population.honest.nodes=100']
    const short = [...settings, 'protocol.committee=3', 'population.honest.availability=1']
    const means = meansWithStrategies('sybil', [{ kind: 'stall' }], ...short)
    expect(means['certificate.stalled.closedForm']).toBeCloseTo(certificateStall(149, 49, 128), 6)
    // Few views, but each is a trial: the interval is wide and still tells 1 from 0.
    expect(Math.abs(means['certificate.stalled']! - means['certificate.stalled.closedForm']!)).toBeLessThan(
      0.25,
    )
    expect(means['weeks.delayed']! + means['weeks.pending']!).toBeGreaterThan(0)
    expect(means['certificate.captured']).toBe(0)
    // Control: the same seats vote.
    const votes = meansWithStrategies('sybil', [], ...short)
    expect(votes['weeks.delayed']! + votes['weeks.pending']!).toBe(0)
  })

  test('partial chains: valid as often as a majority of samples all lie in the kept part', () => {
    const means = meansOf(
      'partial-chain',
      'repeats=2',
      'protocol.samples=8',
      'attacker.nodes=60',
      'population.honest.nodes=100',
      'population.honest.availability=1',
    )
    const expected = means['creditRate.closedForm.pruned']!
    expect(expected).toBeGreaterThan(0.1)
    // 5,040 trials of nodes in epochs: a standard error of 0.006.
    expect(Math.abs(means['creditRate.pruned']! - expected)).toBeLessThan(0.025)
  })
})

describe('what an attack yields and how soon it shows', () => {
  test('coins for false passes are stolen, and have a price; honest ones steal none', () => {
    const fast = meansOf('shared-copy', 'repeats=1')
    expect(fast['stolenCoinsPerWeek.copy']).toBeCloseTo(fast['coinsPerWeek.copy']!, 9)
    expect(fast['usdPerStolenCoin.copy']).toBeCloseTo(fast['usdPerCoin.copy']!, 9)
    expect(fast['stolenCoinsPerWeek.honest']).toBe(0)
    const own = meansOf('sybil', 'repeats=1', 'weeks=1')
    expect(own['stolenCoinsPerWeek.owner']).toBe(0)
    expect(own['usdPerStolenCoin.owner']).toBeUndefined()
  })

  test('each misbehaviour has its own time until it shows', () => {
    const griefing = meansOf('griefing', 'repeats=1', 'weeks=1')
    expect(griefing['epochs until valid: disagrees.griefer']).toBeLessThan(1)
    const lazy = meansOf('lazy', 'repeats=1', 'weeks=1')
    expect(lazy['epochs until invalid: evidence invalid.idle']).toBe(2)
    expect(lazy['epochs until invalid: evidence invalid.honest']).toBeUndefined()
  })
})

test.each([
  ['many come and go', 0.5, 100],
  ['one comes now and then', 40, 5],
])(
  'R-EPOCH-5 who comes in epoch e is in the snapshots from e + 3 on, who goes in none from e + 1 on: %s',
  (_, weeks, least) => {
    const scenario = builtIn(
      'churn',
      'population.honest.nodes=200',
      `population.honest.lifetimeWeeks=${weeks}`,
    )
    const { genesis, networkId, epochsPerWeek } = rulesOf(scenario)
    const population = createPopulation(scenario, 0)
    const membership = createMembership(scenario, 0, population, genesis, networkId, epochsPerWeek)
    const cameAt = new Map<number, number>()
    let newcomers = 0
    for (let epoch = 2; epoch <= 60; epoch++) {
      const snapshot = membership.snapshotAt(epoch)
      // Changes of epoch e − 1 are made when snapshot(e) is asked for.
      for (const { seat } of membership.seats)
        if (!cameAt.has(seat)) cameAt.set(seat, epoch === 2 && seat < 200 ? -1 : epoch - 1)
      const listed = new Set<number>(snapshot.map(({ seat }) => seat))
      for (const { seat } of membership.seats) {
        const isNew = cameAt.get(seat)! >= epoch - 2 && cameAt.get(seat)! >= 0
        if (isNew) newcomers++
        expect(listed.has(seat)).toBe(membership.isHeld(seat) && !isNew)
      }
    }
    expect(newcomers).toBeGreaterThan(least)
  },
)

describe('addresses', () => {
  const population = [
    { name: 'honest', nodes: 40, addresses: { prefixes24: 40, prefixes16: 10, networks: 3 } },
  ]
  const scenario = (addresses: object) =>
    parseScenario(
      { name: 'plan', weeks: 1, population, attackers: [{ name: 'bad', nodes: 20, addresses }] },
      'test',
    )

  test('nodes of a /16 are in one network, no network belongs to two actors', () => {
    const plan = { prefixes24: 20, prefixes16: 4, networks: 2 }
    const { networkOf, addressOf } = createPopulation(scenario(plan), 0)
    const networkOfPrefix = new Map<number, number>()
    for (const [node, address] of addressOf.entries()) {
      const known = networkOfPrefix.get(address >>> 16) ?? networkOf[node]
      expect(networkOf[node]).toBe(known)
      networkOfPrefix.set(address >>> 16, networkOf[node]!)
    }
    expect(new Set(networkOf.subarray(0, 40)).size).toBe(3)
    expect(new Set(networkOf.subarray(40)).size).toBe(2)
    expect(new Set(networkOf).size).toBe(5)
    expect(() => scenario({ ...plan, networks: 5 })).toThrow(/addresses\.networks: write at most 4/)
  })

  test('a leased subnet is paid as a whole, an address of a cloud for itself', () => {
    const usdOf = (addresses: object): number =>
      createPopulation(scenario({ prefixes16: 1, ...addresses }), 0).actors[1]!.usdPerWeek
    const leased = { price: 'leased-subnet' }
    const weeksPerMonth = 365.25 / 12 / 7
    expect(usdOf({ prefixes24: 2, ...leased }) - usdOf({ prefixes24: 1, ...leased })).toBeCloseTo(
      102.4 / weeksPerMonth,
      6,
    )
    expect(usdOf({ prefixes24: 1, ips: 5, ...leased })).toBe(usdOf({ prefixes24: 1, ips: 20, ...leased }))
    const cloud = { prefixes24: 5, price: 'cloud-address' }
    expect(usdOf({ ...cloud, ips: 10 }) - usdOf({ ...cloud, ips: 5 })).toBeCloseTo(
      (5 * 3.65) / weeksPerMonth,
      6,
    )
    expect(usdOf({ ...cloud, prefixes24: 1 })).toBe(usdOf(cloud))
  })

  test('ip-spread: 200 addresses cost less in one leased /24 than one by one of a cloud', () => {
    const usdOf = (...settings: string[]): number =>
      createPopulation(builtIn('ip-spread', ...settings), 0).actors[1]!.usdPerWeek
    expect(usdOf()).toBeLessThan(usdOf('attacker.addresses.price=cloud-address'))
  })
})
