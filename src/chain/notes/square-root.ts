/**
 * Square roots in a prime field whose order is 1 modulo 2^32, as both the Jubjub and the Pallas base fields are.
 * The generic Tonelli-Shanks takes up to 32²/2 multiplications here and dominates the decoding of a point; a table
 * of powers of the 2^32-th root of unity finds the discrete logarithm eight bits at a time (Sarkar, "Computing
 * square roots faster than the Tonelli-Shanks/Bernstein algorithm", ePrint 2020/1407). Public inputs only.
 */

const ADICITY = 32n
const WINDOW_BITS = 8n
const WINDOW_SIZE = 256

/** A root of its argument (in [0, p)), or null where there is none. `nonSquare` is any non-square of the field. */
export type SquareRoot = (value: bigint) => bigint | null

export const createSquareRoot = (p: bigint, nonSquare: bigint): SquareRoot => {
  const odd = (p - 1n) >> ADICITY
  const exponent = (odd - 1n) / 2n
  const root = power(nonSquare, odd, p)
  /** inversePowers[k][d] = root^(-d·256^k) */
  const inversePowers = inverseWindows(root, p)
  /** Which d has root^(d·2^24) = key: the last window of the logarithm. */
  const digitByPower = new Map<bigint, number>()
  const generator = power(root, 1n << (ADICITY - WINDOW_BITS), p)
  for (let digit = 0, value = 1n; digit < WINDOW_SIZE; digit++, value = (value * generator) % p) {
    digitByPower.set(value, digit)
  }

  /** root^(-e) for e below 2^32. */
  const inversePower = (e: number): bigint => {
    let product = 1n
    for (let k = 0, rest = e; k < 4; k++, rest = Math.floor(rest / WINDOW_SIZE)) {
      const digit = rest % WINDOW_SIZE
      if (digit !== 0) product = (product * inversePowers[k]![digit]!) % p
    }
    return product
  }

  return (value) => {
    if (value === 0n) return 0n
    const w = power(value, exponent, p)
    const candidate = (value * w) % p
    /** value^odd = root^e; a square has an even e, and then candidate·root^(-e/2) squares to the value. */
    const unit = (candidate * w) % p
    let e = 0
    for (let k = 0; k < 4; k++) {
      let part = (unit * inversePower(e)) % p
      for (let i = 0; i < 8 * (3 - k); i++) part = (part * part) % p
      const digit = digitByPower.get(part)
      if (digit === undefined) return null
      e += digit * WINDOW_SIZE ** k
    }
    return e % 2 === 1 ? null : (candidate * inversePower(e / 2)) % p
  }
}

const EXPONENT_WINDOW_BITS = 5

/** base^exponent mod p with a sliding table of 2^5 powers. */
const power = (base: bigint, exponent: bigint, p: bigint): bigint => {
  const powers = [1n]
  for (let i = 1; i < 1 << EXPONENT_WINDOW_BITS; i++) powers.push((powers[i - 1]! * base) % p)
  let result = 1n
  for (const digit of exponent.toString(1 << EXPONENT_WINDOW_BITS)) {
    for (let i = 0; i < EXPONENT_WINDOW_BITS; i++) result = (result * result) % p
    const value = Number.parseInt(digit, 1 << EXPONENT_WINDOW_BITS)
    if (value !== 0) result = (result * powers[value]!) % p
  }
  return result
}

const inverseWindows = (root: bigint, p: bigint): bigint[][] => {
  const tables: bigint[][] = []
  let base = power(root, (1n << ADICITY) - 1n, p)
  for (let k = 0; k < 4; k++) {
    const table = [1n]
    for (let digit = 1; digit < WINDOW_SIZE; digit++) table.push((table[digit - 1]! * base) % p)
    tables.push(table)
    base = (table[WINDOW_SIZE - 1]! * base) % p
  }
  return tables
}
