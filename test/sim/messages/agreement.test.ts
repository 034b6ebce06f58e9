import { describe, expect, test } from 'vitest'
import { runMessages } from '../../../sim/messages/run.ts'
import { parseScenario } from '../../../sim/scenario.ts'
import type { Measures } from '../../../sim/statistical/account.ts'
import { runStatistical } from '../../../sim/statistical/run.ts'
import { type Estimate, estimate } from '../../../sim/statistics.ts'

/**
 * Three hundred nodes of which a tenth is down, paths that fail one challenge in five, nodes that come and go, some
 * that attest nothing and some that certify nothing: so that all that is compared is neither 0 nor 1. Epochs of 42
 * hours keep it short.
 */
const scenario = {
  name: 'both',
  weeks: 2,
  protocol: { epochBlocks: 2_016, committee: 5, certifiers: 40 },
  population: [
    {
      name: 'honest',
      nodes: 230,
      availability: 0.9,
      missRate: 0.2,
      lifetimeWeeks: 8,
      addresses: { prefixes24: 200, prefixes16: 50 },
    },
  ],
  attackers: [
    { name: 'mute', nodes: 20, strategies: [{ kind: 'silent' }] },
    { name: 'staller', nodes: 50, strategies: [{ kind: 'stall' }] },
  ],
}

const measuresOf = (repeats: number, run: (repeat: number) => { measures: Measures }): Measures[] =>
  Array.from({ length: repeats }, (_, repeat) => run(repeat).measures)

const statistical = measuresOf(30, (repeat) => runStatistical(parseScenario(scenario, 'both'), repeat))

const messages = (repeats: number, changes: object): Measures[] => {
  const changed = parseScenario({ ...scenario, engine: 'messages', ...changes }, 'both')
  return measuresOf(repeats, (repeat) => runMessages(changed, repeat))
}

/** Whether the 95 % interval of the difference of two independent means holds 0. */
const agree = (name: string, one: readonly Measures[], other: readonly Measures[]): boolean => {
  const [a, b] = [one, other].map((runs): Estimate => estimate(runs.map((measures) => measures[name] ?? 0)))
  return Math.abs(a!.mean - b!.mean) <= Math.hypot(a!.high! - a!.mean, b!.high! - b!.mean)
}

/**
 * Whether the 95 % interval of the mean difference holds 0, repeat by repeat: both engines draw outages, seats, beacons
 * and certifiers alike, so that a difference is theirs. So it tells much smaller differences than `agree`.
 */
const agreeInPairs = (name: string, one: readonly Measures[], other: readonly Measures[]): boolean => {
  const { low, high } = estimate(one.map((measures, i) => (measures[name] ?? 0) - (other[i]![name] ?? 0)))
  return low! <= 0 && high! >= 0
}

const scaled = (runs: readonly Measures[], factor: number): Measures[] =>
  runs.map((measures) =>
    Object.fromEntries(Object.entries(measures).map(([name, value]) => [name, (value ?? 0) * factor])),
  )

const compared = [
  'payoutShare.honest',
  'payoutShare.mute',
  'payoutShare.staller',
  'creditRate.honest',
  'creditRate.mute',
  'creditRate.staller',
  'rate invalid: unreachable.honest',
  'rate invalid: timeout.honest',
  'rate undecided.honest',
  'rate valid: disagrees.honest',
  'rate valid: not attested.mute',
  'honestUp.wronglyFailed',
  'honestUp.uncredited',
  'weeks.delayed',
  'weeks.pending',
  'weeks.blocksToCertificate',
]

// Some seconds on a machine of its own; more where others work too.
describe('both engines, where both apply', () => {
  test('payout shares, credits, wrong failures and certificates agree within the 95 % interval', () => {
    const played = messages(7, { network: { syncSeconds: 600, spreadSeconds: 60 } })
    expect(compared.filter((name) => !agree(name, played, statistical))).toEqual([])
    expect(compared.filter((name) => !agreeInPairs(name, played, statistical))).toEqual([])
    // Who is down is drawn: there the engines are one.
    const down = 'rate invalid: unreachable.honest'
    for (const [i, measures] of played.entries()) expect(measures[down]).toBe(statistical[i]![down])
    // What would agree because nothing happened says nothing.
    const meanOf = (name: string): number => estimate(played.map((measures) => measures[name] ?? 0)).mean
    expect(meanOf('honestUp.wronglyFailed')).toBeGreaterThan(0.01)
    expect(meanOf('rate invalid: unreachable.honest')).toBeGreaterThan(0.05)
    expect(meanOf('weeks.delayed')).toBeGreaterThan(0)
    // Nor does an interval that nothing falls out of: a twentieth more or less of what is paid and credited would.
    const told = ['payoutShare.honest', 'creditRate.honest', 'rate invalid: unreachable.honest']
    for (const factor of [0.95, 1.05])
      expect(told.filter((name) => agreeInPairs(name, scaled(played, factor), statistical))).toEqual([])
  })

  test('control: with messages lost and nothing tried again they do not', () => {
    const lossy = messages(4, {
      weeks: 1,
      network: { syncSeconds: 600, spreadSeconds: 60, loss: 0.2 },
      protocol: { ...scenario.protocol, retries: 0 },
    })
    const apart = compared.filter((name) => !agree(name, lossy, statistical))
    expect(apart).toEqual(
      expect.arrayContaining([
        'creditRate.honest',
        'rate invalid: timeout.honest',
        'honestUp.wronglyFailed',
        'honestUp.uncredited',
      ]),
    )
  })
})
