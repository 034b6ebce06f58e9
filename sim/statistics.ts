import studentT from './data/student-t.json' with { type: 'json' }

/** A mean over repeats, with its 95 % interval. */
export interface Estimate {
  mean: number
  /** Null with fewer than two repeats: one value says nothing of its spread. */
  low: number | null
  high: number | null
  repeats: number
}

/** What a mean can be at all: Student's interval knows nothing of it, and is cut there. */
export interface Range {
  least: number
  most: number
}

/** Mean and Student's interval of independent repeats, inside the range. Throws if there are none. */
export const estimate = (
  values: readonly number[],
  { least, most }: Range = { least: -Infinity, most: Infinity },
): Estimate => {
  const repeats = values.length
  if (repeats === 0) throw new RangeError('no values to estimate from')
  const mean = values.reduce((sum, value) => sum + value, 0) / repeats
  if (repeats === 1) return { mean, low: null, high: null, repeats }
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const halfWidth = tQuantile(repeats - 1) * Math.sqrt(squares / (repeats - 1) / repeats)
  return { mean, low: Math.max(least, mean - halfWidth), high: Math.min(most, mean + halfWidth), repeats }
}

/**
 * Of a rate when it was seen in none of so many trials: values that do not spread have no Student's interval. At a rate
 * above 1 − 0.05^(1/trials), some 3/trials, seeing none has a chance below 5 % (Hanley and Lippman-Hand 1983).
 */
export const noneSeen = (trials: number, repeats: number): Estimate => ({
  mean: 0,
  low: 0,
  high: -Math.expm1(Math.log(0.05) / trials),
  repeats,
})

/** Two-sided 95 %; between the rows of the table that of fewer degrees of freedom, which is the wider one. */
const tQuantile = (degrees: number): number => {
  const listed = studentT.upTo30[degrees - 1]
  if (listed !== undefined) return listed
  let quantile = studentT.upTo30.at(-1)!
  for (const [from, value] of studentT.beyond) if (degrees >= from!) quantile = value!
  return quantile
}

/**
 * Wilson's 95 % interval of a proportion (Wilson 1927), for independent trials: unlike the normal one it is sound
 * where successes are few or none.
 */
export const proportion = (successes: number, trials: number): Estimate => {
  if (trials < 1) throw new RangeError('no trials to estimate from')
  const z = studentT.normal
  const mean = successes / trials
  const centre = (mean + (z * z) / (2 * trials)) / (1 + (z * z) / trials)
  const halfWidth =
    (z * Math.sqrt((mean * (1 - mean)) / trials + (z * z) / (4 * trials * trials))) / (1 + (z * z) / trials)
  return { mean, low: centre - halfWidth, high: centre + halfWidth, repeats: trials }
}
