import { sha256 } from '@noble/hashes/sha2.js'

/** A stream of uniform numbers from a seed (R-RAND-1). */
export interface RandomStream {
  /** The next big-endian word, 0 to 2^32 − 1. */
  word(): number
  /** Uniform in [0, n), 1 ≤ n ≤ 2^32, without modulo bias; n = 1 takes no word. */
  below(n: number): number
}

const twoTo32 = 0x1_0000_0000

/**
 * R-RAND-1: SHA-256(seed || u32be counter), counter from 0, cut into big-endian words. `seed` is 32 bytes.
 * A word x is thrown away if x ≥ 2^32 − (2^32 mod n): what is left is a whole number of times n, so each residue
 * has the same number of words (proof in SPEC.md).
 */
export const createStream = (seed: Uint8Array): RandomStream => {
  const input = new Uint8Array(seed.length + 4)
  input.set(seed)
  const counterView = new DataView(input.buffer, seed.length, 4)
  let counter = 0
  let block = new Uint8Array()
  let offset = 0
  const word = (): number => {
    if (offset === block.length) {
      counterView.setUint32(0, counter++)
      block = sha256(input)
      offset = 0
    }
    const value =
      ((block[offset]! << 24) |
        (block[offset + 1]! << 16) |
        (block[offset + 2]! << 8) |
        block[offset + 3]!) >>>
      0
    offset += 4
    return value
  }
  const below = (n: number): number => {
    if (!Number.isInteger(n) || n < 1 || n > twoTo32) throw new RangeError(`no uniform number below ${n}`)
    if (n === 1) return 0
    const limit = twoTo32 - (twoTo32 % n)
    let value = word()
    while (value >= limit) value = word()
    return value % n
  }
  return { word, below }
}

/** Fisher–Yates from the top down (R-COM-1): 0 … length − 1 in the order that the stream draws. */
export const shuffledIndexes = (stream: RandomStream, length: number): Uint32Array => {
  const order = new Uint32Array(length)
  for (let i = 0; i < length; i++) order[i] = i
  for (let i = length - 1; i > 0; i--) {
    const j = stream.below(i + 1)
    const moved = order[i]!
    order[i] = order[j]!
    order[j] = moved
  }
  return order
}

/**
 * 0 … size − 1 in the order of a uniform shuffle, drawn as far as it is asked for: Fisher–Yates from the top down, whose
 * moved indexes alone are kept.
 */
export function* drawOrder(size: number, stream: Pick<RandomStream, 'below'>): Generator<number, undefined> {
  const moved = new Map<number, number>()
  for (let last = size - 1; last >= 0; last--) {
    const drawn = stream.below(last + 1)
    yield moved.get(drawn) ?? drawn
    moved.set(drawn, moved.get(last) ?? last)
    moved.delete(last)
  }
  return undefined
}

/** At most `count` of these, in an order that the stream draws. */
export const drawSome = <T>(all: readonly T[], count: number, stream: Pick<RandomStream, 'below'>): T[] => {
  const drawn: T[] = []
  for (const index of drawOrder(all.length, stream)) {
    if (drawn.length === count) break
    drawn.push(all[index]!)
  }
  return drawn
}
