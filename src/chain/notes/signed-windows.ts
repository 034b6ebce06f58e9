/** Scalars as signed windows (width-5 non-adjacent form), for multiplications by public scalars. */

const WINDOW_BITS = 5
/** Odd multiples that a digit may name: P, 3P, … 15P. */
export const ODD_MULTIPLES = 2 ** (WINDOW_BITS - 2)

/**
 * Digits of a scalar of either sign, least significant first, the last one not 0: each is 0 or odd in [-15, 15], and
 * of five in a row at most one is not 0.
 */
export const signedDigits = (scalar: bigint): number[] => {
  const negative = scalar < 0n
  const bits = Array.from((negative ? -scalar : scalar).toString(2), Number).reverse()
  const digits: number[] = []
  let carry = 0
  for (let i = 0; i < bits.length || carry > 0;) {
    const bit = (bits[i] ?? 0) + carry
    if (bit % 2 === 0) {
      digits.push(0)
      carry = bit >> 1
      i++
      continue
    }
    let value = carry
    for (let k = 0; k < WINDOW_BITS; k++) value += (bits[i + k] ?? 0) << k
    carry = value > 2 ** (WINDOW_BITS - 1) ? 1 : 0
    const digit = value - carry * 2 ** WINDOW_BITS
    digits.push(negative ? -digit : digit, 0, 0, 0, 0)
    i += WINDOW_BITS
  }
  while (digits.at(-1) === 0) digits.pop()
  return digits
}
