/** Pearson's test of counts against what was expected of them. */
export interface ChiSquare {
  statistic: number
  degreesOfFreedom: number
  /** Probability of a statistic at least as large if the expectation is right. */
  pValue: number
}

/** `expected` sums to what `observed` sums to; one degree of freedom is spent on that. An even number must be left. */
export const chiSquareTest = (observed: ArrayLike<number>, expected: ArrayLike<number>): ChiSquare => {
  let statistic = 0
  for (let i = 0; i < observed.length; i++) {
    const mean = expected[i]!
    statistic += (observed[i]! - mean) ** 2 / mean
  }
  const degreesOfFreedom = observed.length - 1
  return { statistic, degreesOfFreedom, pValue: chiSquareTail(statistic, degreesOfFreedom) }
}

/** All cells alike. */
export const uniformityTest = (observed: ArrayLike<number>, total: number): ChiSquare =>
  chiSquareTest(
    observed,
    Array.from({ length: observed.length }, () => total / observed.length),
  )

/**
 * P(X ≥ x) of the chi-square distribution with an even number of degrees of freedom 2m, where it is a finite sum:
 * e^(−x/2) · Σ (x/2)^i / i! for i < m, the probability of fewer than m events of a Poisson distribution (Abramowitz
 * and Stegun, 26.4.21). Bins are chosen so that the number is even, which saves the incomplete gamma function.
 */
export const chiSquareTail = (x: number, degreesOfFreedom: number): number => {
  if (!Number.isInteger(degreesOfFreedom) || degreesOfFreedom < 2 || degreesOfFreedom % 2 !== 0) {
    throw new RangeError(`${degreesOfFreedom} is no even number of degrees of freedom`)
  }
  if (x <= 0) return 1
  const half = x / 2
  // Logarithms of the terms: e^(−x/2) alone would vanish from x = 1,490 on.
  let logTerm = -half
  let sum = Math.exp(logTerm)
  for (let i = 1; i < degreesOfFreedom / 2; i++) {
    logTerm += Math.log(half / i)
    sum += Math.exp(logTerm)
  }
  return Math.min(1, sum)
}
