import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { committeeCapture, grindingGain } from '../../sim/closed-forms.ts'
import { builtInNames } from '../../sim/shell/scenario-files.ts'
import { meansOf, meansWithStrategies } from './built-in.ts'

/** Small numbers of repeats: seeds are fixed, so each figure is the same on every machine. */
const quick = ['repeats=2']

describe('built-in scenarios: what each shows, and a control without the attack', () => {
  test('baseline: who is up is credited, nobody who is up is failed, weeks are certified at once', () => {
    const means = meansOf('baseline', ...quick, 'weeks=1')
    expect(means['creditRate.honest']).toBeCloseTo(0.985, 2)
    expect(means['honestUp.wronglyFailed']).toBeLessThan(1e-4)
    expect(means['weeks.delayed']).toBe(0)
    expect(means['weeks.pending']).toBe(0)
    // Control: with challenges that are lost half of the time, honest nodes are failed.
    const lossy = meansOf('baseline', ...quick, 'weeks=1', 'population.honest.missRate=0.5')
    expect(lossy['honestUp.wronglyFailed']).toBeGreaterThan(0.4)
  })

  test('sybil: a fifth of the stakes is paid a fifth, at what the others pay for a coin or more', () => {
    const means = meansOf('sybil', ...quick, 'weeks=1')
    expect(means['payoutShare.owner']).toBeGreaterThan(0.2)
    // His nodes are always up, the others 98.5 % of the time: 0.2 / (0.2 + 0.8 · 0.985) = 0.2024.
    expect(means['payoutShare.owner']).toBeLessThan(0.206)
    expect(means['usdPerCoin.owner']!).toBeGreaterThan(means['usdPerCoin.honest']!)
    expect(meansOf('sybil', ...quick, 'weeks=1', 'attackers.owner.nodes=0')['payoutShare.owner']).toBe(0)
  })

  test('ip-spread R-TALLY-3: with the cap off a /24 pays; with maxPerPrefix = 4 four of its nodes are paid', () => {
    const off = meansOf('ip-spread', ...quick, 'weeks=1')
    expect(off['payoutShare.subnet']).toBeGreaterThan(0.2)
    const on = meansOf('ip-spread', ...quick, 'weeks=1', 'protocol.maxPerPrefix=4')
    // Four credits an epoch of some 800 · 0.985 + 4; which four stay differs, so none is paid for half of its epochs.
    expect(on['creditRate.subnet']).toBeCloseTo(4 / 200, 3)
    expect(on['payoutShare.subnet']).toBeLessThan(0.006)
    expect(on['rate invalid: prefix full.subnet']).toBeCloseTo(196 / 200, 3)
    expect(on['creditRate.honest']).toBeCloseTo(off['creditRate.honest']!, 6)
    // One hosting network with ten /16s: four places in each. Only the concentration by network tells.
    const plan = { prefixes24: 50, prefixes16: 10, networks: 1 }
    const hosted = meansOf(
      'ip-spread',
      ...quick,
      'weeks=1',
      'protocol.maxPerPrefix=4',
      ...Object.entries(plan).map(([field, value]) => `attacker.addresses.${field}=${value}`),
    )
    expect(hosted['creditRate.subnet']).toBeCloseTo(40 / 200, 3)
    expect(hosted['usdPerCoin.subnet']!).toBeGreaterThan(2 * off['usdPerCoin.subnet']!)
    expect(hosted['concentration.network.hhi']!).toBeGreaterThan(1.3 * hosted['concentration.prefix16.hhi']!)
    // Control: his nodes are not there.
    expect(meansOf('ip-spread', ...quick, 'weeks=1', 'attacker.nodes=0')['payoutShare.subnet']).toBe(0)
  })

  test('shared-copy: unseen while one copy can serve, out of reach when it cannot', () => {
    const fast = meansOf('shared-copy', ...quick)
    expect(fast['creditRate.copy']).toBe(1)
    expect(fast['usdPerCoin.copy']!).toBeLessThan(0.3 * fast['usdPerCoin.honest']!)
    expect(fast['falsePassesPerWeek.copy']).toBe(200 * 42)
    // 64 reads at 30 a second take 2.1 s: two challenges a block of 176, for 2,200 that are asked.
    const slow = meansOf('shared-copy', ...quick, 'attackers.copy.strategies.shared-copy.readsPerSecond=30')
    expect(slow['creditRate.copy']).toBeLessThan(0.01)
    expect(slow['payoutShare.copy']).toBe(0)
    // Control: a chain and a machine for each.
    const own = meansWithStrategies('shared-copy', [], ...quick, 'attackers.copy.machines=200')
    expect(own['falsePassesPerWeek.copy']).toBe(0)
    expect(own['usdPerCoin.copy']!).toBeGreaterThan(own['usdPerCoin.honest']!)
  })

  test('partial-chain: nine tenths of the chain earn nothing, all of it earns what others earn', () => {
    const means = meansOf('partial-chain', ...quick)
    expect(means['payoutShare.pruned']).toBe(0)
    expect(means['detectedShare.pruned']).toBe(1)
    expect(means['detectionEpochs.pruned']).toBe(0)
    const whole = meansOf('partial-chain', ...quick, 'attackers.pruned.strategies.partial-chain.kept=1')
    expect(whole['creditRate.pruned']).toBe(1)
  })

  test('collusion: nodes that are not there pass as often as a committee is captured, and are not paid for it', () => {
    const means = meansOf('collusion', ...quick)
    const captured = committeeCapture(1_000, 200, 11)
    expect(means['creditRate.ring']).toBeGreaterThan(0.6 * captured)
    expect(means['creditRate.ring']).toBeLessThan(1.4 * captured)
    expect(means['honestUp.wronglyFailed']).toBeGreaterThan(0.6 * captured)
    expect(means['honestUp.wronglyFailed']).toBeLessThan(1.4 * captured)
    expect(means['payoutShare.ring']).toBe(0)
    expect(means['honestUp.wronglyFailed']!).toBeCloseTo(means['committee.captured']!, 2)
    const none = meansOf('collusion', ...quick, 'attackers.ring.nodes=0')
    expect(none['honestUp.wronglyFailed']).toBeLessThan(1e-4)
  })

  test('griefing R-TALLY-2: who fails everybody disagrees and earns nothing', () => {
    const means = meansOf('griefing', ...quick)
    expect(means['payoutShare.griefer']).toBe(0)
    expect(means['rate valid: disagrees.griefer']).toBeGreaterThan(0.85)
    expect(means['honestUp.uncredited']).toBeLessThan(0.03)
    // Control: the same nodes, accusing nobody.
    const none = meansOf('griefing', ...quick, 'attackers.griefer.strategies.accuse.share=0')
    expect(none['creditRate.griefer']).toBe(1)
    expect(none['honestUp.wronglyFailed']).toBeLessThan(1e-4)
  })

  test('false-address R-TALLY-2: takes what a false verdict takes, and costs as much; by class alone it costs nothing', () => {
    const lying = (lie: string, ...settings: string[]) =>
      meansOf('false-address', ...quick, `attackers.liars.strategies.false-address.lie=${lie}`, ...settings)
    const byClass = 'comparator.agreement=by-class'
    const always = lying('always')
    expect(always['honestUp.uncredited']).toBeGreaterThan(0.01)
    expect(always['rate undecided: no address.honest']).toBeGreaterThan(0.01)
    expect(always['honestUp.wronglyFailed']).toBeLessThan(1e-4)
    expect(always['creditRate.liars']).toBeLessThan(0.15)
    expect(always['payoutShare.liars']).toBe(0)
    const alwaysByClass = lying('always', byClass)
    expect(alwaysByClass['creditRate.liars']).toBe(1)
    expect(alwaysByClass['honestUp.uncredited']).toBeCloseTo(always['honestUp.uncredited']!, 3)
    // What still costs nothing: lies that win, which take all that there is to take, and lies of half of the targets.
    const wins = lying('where-it-wins')
    expect(wins['honestUp.uncredited']).toBeCloseTo(always['honestUp.uncredited']!, 3)
    expect(wins['creditRate.liars']).toBe(1)
    const half = lying('half')
    expect(half['honestUp.uncredited']).toBeLessThan(always['honestUp.uncredited']!)
    expect(half['honestUp.uncredited']).toBeGreaterThan(0.8 * always['honestUp.uncredited']!)
    expect(half['creditRate.liars']).toBeGreaterThan(0.999)
    // Nodes that are silent name no address: with all of them up it takes a captured committee.
    const sure = ['population.honest.availability=1', 'population.honest.missRate=0']
    const up = lying('where-it-wins', ...sure)
    expect(up['honestUp.uncredited']).toBeCloseTo(up['committee.captured']!, 10)
    const down = lying('where-it-wins', 'population.honest.availability=0.9')
    expect(down['honestUp.uncredited']).toBeGreaterThan(3 * up['honestUp.uncredited']!)
    // The same nodes by false verdicts take as much, and earn nothing, unless they accuse only where that wins.
    const accusing = (when: string) =>
      meansWithStrategies('false-address', [{ kind: 'accuse', when }], ...quick, ...sure)
    expect(accusing('always')['honestUp.uncredited']).toBeCloseTo(up['honestUp.uncredited']!, 2)
    expect(accusing('always')['payoutShare.liars']).toBe(0)
    expect(accusing('majority')['creditRate.liars']).toBe(1)
    // Control: they name the right ones.
    const none = meansWithStrategies('false-address', [], ...quick)
    expect(none['honestUp.uncredited']).toBeLessThan(0.001)
  })

  test('hog R-CHAL-1: sixteen hold all common places and are paid everything; places by duty they cannot hold', () => {
    const means = meansOf('hog', ...quick, 'weeks=1')
    expect(means['creditRate.honest']).toBe(0)
    expect(means['honestUp.wronglyFailed']).toBe(1)
    expect(means['rate invalid: timeout.honest']).toBeGreaterThan(0.97)
    expect(means['payoutShare.hogs']).toBe(1)
    // One fewer leaves four places, and its own questions find none.
    const fewer = meansOf('hog', ...quick, 'weeks=1', 'attackers.hogs.nodes=15')
    expect(fewer['creditRate.honest']).toBeGreaterThan(0.97)
    expect(fewer['payoutShare.hogs']).toBe(0)
    const hog = 'attackers.hogs.strategies.hog'
    const proposing = ['weeks=1', `${hog}.on=propose`]
    for (const [nodes, pending] of [
      [7, 0],
      [8, 1],
    ] as const) {
      const held = meansOf('hog', ...quick, ...proposing, `attackers.hogs.nodes=${nodes}`)
      expect(held['weeks.pending'], `${nodes} hogs`).toBe(pending)
      expect(held['honestUp.wronglyFailed']).toBeLessThan(1e-3)
    }
    // Places by duty: the same as without the attack, digit by digit.
    const byDuty = meansOf('hog', ...quick, 'weeks=1', `${hog}.places=by-duty`, `${hog}.on=both`)
    expect(byDuty).toEqual(meansWithStrategies('hog', [], ...quick, 'weeks=1'))
    expect(byDuty['creditRate.honest']).toBeGreaterThan(0.97)
    expect(byDuty['weeks.pending']).toBe(0)
  })

  test('twin R-ATT-3 R-TALLY-5: a second signature takes the week of the seat, and is silence to the others', () => {
    const means = meansOf('twin', ...quick)
    // 2 · 4 · 60 weeks of seats: a standard error of 0.023.
    expect(Math.abs(means['equivocatorShare.doubled']! - (1 - 0.98 ** 42))).toBeLessThan(0.06)
    expect(means['rate valid: not attested.doubled']).toBeCloseTo(means['equivocatorShare.doubled']!, 2)
    const always = meansOf('twin', ...quick, 'weeks=1', 'attackers.doubled.strategies.twin.share=1')
    expect(always['equivocatorShare.doubled']).toBe(1)
    expect(always['payoutShare.doubled']).toBe(0)
    const never = meansOf('twin', ...quick, 'weeks=1', 'attackers.doubled.strategies.twin.share=0')
    expect(never['equivocatorShare.doubled']).toBe(0)
    expect(never['creditRate.doubled']).toBe(1)
    // To the others they are silent: where most challengers are, nothing is decided.
    expect(always['honestUp.wronglyFailed']).toBe(never['honestUp.wronglyFailed'])
    expect(never['honestUp.uncredited']).toBeLessThan(1e-3)
    expect(always['honestUp.uncredited']).toBeGreaterThan(always['committee.stalled']!)
    expect(always['honestUp.uncredited']).toBeLessThan(2 * always['committee.stalled']!)
  })

  test.each([
    ['lazy', 'idle'],
    ['copycat', 'copyist'],
  ])('%s R-EVID-2: found after two epochs by what its evidence lacks', (name, actor) => {
    const means = meansOf(name, ...quick)
    expect(means[`detectedShare.${actor}`]).toBe(1)
    // A node most of whose challengers are his own too is found an epoch later: one of some 3,700 (R-COM-1).
    expect(means[`detectionEpochs.${actor}`]).toBeGreaterThanOrEqual(2)
    expect(means[`detectionEpochs.${actor}`]).toBeLessThan(2.05)
    expect(means[`payoutShare.${actor}`]).toBe(0)
    expect(means[`rate invalid: evidence invalid.${actor}`]).toBeGreaterThan(0.95)
    expect(means['creditRate.honest']).toBeGreaterThan(0.97)
    // Control: the same nodes ask, and have receipts to show.
    const asking = meansWithStrategies(name, [], ...quick, 'weeks=1')
    expect(asking[`detectedShare.${actor}`]).toBe(0)
    expect(asking[`creditRate.${actor}`]).toBe(1)
    expect(asking[`payoutShare.${actor}`]).toBeGreaterThan(0.1)
  })

  test('beacon-grinding: beacons are liked 1/(1 − a(1 − p)) times as often', () => {
    const settings = ['repeats=6', 'weeks=5', 'population.honest.nodes=160', 'attackers.miner.nodes=40']
    const means = meansOf('beacon-grinding', ...settings, 'attackers.miner.strategies.grind.minerShare=0.4')
    const byNature = means['beacons.likedByNature']!
    const gain = means['beacons.liked']! / byNature
    // 1,260 beacons with p about 0.08: the ratio has a standard error of some 0.08.
    expect(Math.abs(gain - grindingGain(0.4, byNature))).toBeLessThan(0.16)
    expect(gain).toBeGreaterThan(1.2)
    const none = meansOf('beacon-grinding', ...settings, 'attackers.miner.strategies.grind.minerShare=0')
    expect(none['beacons.liked']).toBe(none['beacons.likedByNature'])
    // What he throws away in one epoch does not shift the blocks of the others.
    expect(none['beacons.likedByNature']).toBe(byNature)
    expect(none['beacons.discardedPerEpoch']).toBe(0)
  })

  test('partition R-CP-4: 30 % cut off do not stop a certificate for long, 45 % leave the week pending', () => {
    const third = meansOf('partition', ...quick)
    expect(third['weeks.pending']).toBe(0)
    expect(third['honestUp.wronglyFailed']).toBeGreaterThan(0.02)
    const half = meansOf('partition', ...quick, 'incidents.0.share=0.45')
    expect(half['weeks.pending']).toBe(1)
    const none = meansOf('partition', ...quick, 'incidents.0.share=0')
    expect(none['honestUp.wronglyFailed']).toBeLessThan(1e-4)
  })

  test('mass-outage R-TALLY-4: a day without 60 % of the nodes costs them a day, and nobody else anything', () => {
    const means = meansOf('mass-outage', ...quick, 'weeks=1')
    // 6 of 42 epochs, for 60 % of the nodes.
    expect(means['creditRate.honest']).toBeCloseTo(0.985 * (1 - (0.6 * 6) / 42), 1)
    expect(means['honestUp.wronglyFailed']).toBe(0)
    expect(means['weeks.pending']).toBe(0)
    // R-FAULT-1 With 45 % down, who reaches five of eleven or fewer (37 %) and none of three others (9 %) abstains; where
    // a majority still found him, that shows: some 37 % · 9 % · 55 % · 63 % of them in 6 of 42 epochs.
    const fewer = meansOf('mass-outage', ...quick, 'weeks=1', 'incidents.0.share=0.45')
    const expected = (0.37 * 0.09 * 0.55 * 0.63 * 6) / 42
    expect(fewer['rate valid: abstained.honest']).toBeGreaterThan(0.5 * expected)
    expect(fewer['rate valid: abstained.honest']).toBeLessThan(1.5 * expected)
    const none = meansOf('mass-outage', ...quick, 'weeks=1', 'incidents.0.share=0')
    expect(none['rate valid: abstained.honest'] ?? 0).toBe(0)
    expect(none['creditRate.honest']!).toBeGreaterThan(means['creditRate.honest']! + 0.05)
  })

  test('churn R-EPOCH-5 R-CP-2: who comes is paid from his second epoch on, and weeks are certified all the same', () => {
    const means = meansOf('churn', ...quick)
    expect(means['creditRate.honest']).toBeGreaterThan(0.98)
    expect(means['weeks.pending']).toBe(0)
    expect(means['weeks.delayed']).toBe(0)
    // With nodes that stay two days, hardly anybody is senior (R-CP-2): nothing is certified.
    const restless = meansOf(
      'churn',
      ...quick,
      'population.honest.lifetimeWeeks=0.25',
      'weeks=2',
      'population.honest.nodes=60',
    )
    expect(restless['weeks.pending']!).toBeGreaterThan(0)
    // With nodes that stay ten days, a list has lost more than a third after a week: two weeks are pending, then one
    // is certified by its own seniors, and so on.
    const fleeting = ['population.honest.lifetimeWeeks=1.5', 'population.honest.nodes=300', 'weeks=6']
    expect(meansOf('churn', ...quick, ...fleeting)['weeks.pending']).toBe(4)
    // Control: hardly anybody goes.
    const settled = meansOf('churn', ...quick, 'weeks=1', 'population.honest.lifetimeWeeks=1000')
    expect(Math.abs(settled['creditRate.honest']! - means['creditRate.honest']!)).toBeLessThan(0.005)
  })
})

test('every built-in scenario has a test of what it shows', () => {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const tests = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('')
  // Run by name: its own words, or the list of names of one test.
  const isRun = (name: string): boolean =>
    [`('${name}'`, `['${name}'`, `= '${name}'`].some((text) => tests.includes(text))
  expect(builtInNames().filter((name) => !isRun(name))).toEqual([])
})
