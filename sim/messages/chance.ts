import type { ActorStream } from '../actor-stream.ts'

/**
 * Chance for millions of messages: one small generator for each node, seeded from a stream of its actor, so that the
 * draws of one node do not shift those of another. xoshiro128** (Blackman and Vigna 2021, "Scrambled linear
 * pseudorandom number generators"), 128 bits a node.
 */
export interface NodeChance {
  /** A word, 0 … 2^32 − 1. */
  readonly word: (node: number) => number
  /** Uniform in [0, 1), in steps of 2^-32. */
  readonly uniform: (node: number) => number
  /** Below n, 1 ≤ n ≤ 2^16: the upper half of a product, uneven by less than n / 2^32. */
  readonly below: (node: number, n: number) => number
}

export const createNodeChance = (nodes: number, seedOf: (node: number) => ActorStream): NodeChance => {
  const state = new Int32Array(4 * nodes)
  for (let node = 0; node < nodes; node++) {
    const stream = seedOf(node)
    for (let i = 0; i < 4; i++) state[4 * node + i] = stream.word()
    // The one state that would stay as it is.
    if (state.subarray(4 * node, 4 * node + 4).every((word) => word === 0)) state[4 * node] = 1
  }
  const word = (node: number): number => {
    const at = node << 2
    const s0 = state[at]!
    const s1 = state[at + 1]!
    const s2 = state[at + 2]! ^ s0
    const s3 = state[at + 3]! ^ s1
    const scrambled = Math.imul(s1, 5)
    state[at] = s0 ^ s3
    state[at + 1] = s1 ^ s2
    state[at + 2] = s2 ^ (s1 << 9)
    state[at + 3] = (s3 << 11) | (s3 >>> 21)
    return Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0
  }
  return {
    word,
    uniform: (node) => word(node) * 2 ** -32,
    below: (node, n) => Math.floor(word(node) * 2 ** -32 * n),
  }
}
