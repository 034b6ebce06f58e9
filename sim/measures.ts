import type { Measures } from './statistical/account.ts'
import { type Estimate, estimate, noneSeen } from './statistics.ts'

/** Measures between 0 and 1; all others are 0 or above. */
const share = new RegExp(
  [
    /^(?:stakeShare|payoutShare|costShare|creditRate|detectedShare|equivocatorShare)\./,
    /^rate /,
    /^honestUp\.(?:wronglyFailed|uncredited)$/,
    /^(?:committee|certificate)\.(?:captured|stalled)/,
    /^beacons\.liked/,
    /^concentration\..*\.hhi$/,
    /^relay\.(?!circuitsPerTransaction)/,
    /^(?:held|victims|answers)\./,
    /^withheld\..*Share$/,
  ]
    .map(({ source }) => source)
    .join('|'),
)

/** Rates of things that ought not to happen, by the measure that counts their trials. */
const trialsOf: Readonly<Record<string, string>> = {
  'honestUp.wronglyFailed': 'honestUp.epochs',
  'honestUp.uncredited': 'honestUp.epochs',
}

/** Of a measure over the repeats that have it; null if none has. */
export const estimateOf = (name: string, runs: readonly Measures[]): Estimate | null => {
  const values = runs.flatMap((measures) => {
    const value = measures[name]
    // An outcome that a run never saw has no row there: its rate is 0.
    if (value === undefined && name.startsWith('rate ')) return [0]
    return value === undefined || value === null ? [] : [value]
  })
  if (values.length === 0) return null
  const counted = trialsOf[name]
  const trials = counted === undefined ? 0 : runs.reduce((sum, measures) => sum + (measures[counted] ?? 0), 0)
  if (trials > 0 && values.every((value) => value === 0)) return noneSeen(trials, values.length)
  return estimate(values, { least: 0, most: share.test(name) ? 1 : Infinity })
}
