import { createStream, hash, type RandomStream } from '../protocol/index.ts'

/** Who draws: each actor has a stream of its own, so one actor more does not shift the draws of the others. */
export interface ActorStream extends RandomStream {
  /** In (0, 1), in steps of 2^-32; never 0 and never 1. */
  uniform(): number
  /** Trials that fail before the first success, each with probability `chance`; Infinity if it never comes. */
  failuresBefore(chance: number): number
  /** With this mean, at least 1: how long something lasts that ends with the same chance at each step. */
  duration(mean: number): number
  /** 32 bytes. */
  bytes(): Uint8Array
}

/** The stream of R-RAND-1 under a seed made of the master seed, the repeat and the actor's name. */
export const createActorStream = (
  masterSeed: number,
  repeat: number,
  ...actor: (string | number)[]
): ActorStream => streamOfSeed(hash('simulation', masterSeed, repeat, ...actor))

/** The same under a seed of 32 bytes. */
export const streamOfSeed = (seed: Uint8Array): ActorStream => {
  const stream = createStream(seed)
  const uniform = (): number => (stream.word() + 0.5) / 2 ** 32
  const failuresBefore = (chance: number): number => {
    if (chance <= 0) return Infinity
    if (chance >= 1) return 0
    return Math.floor(Math.log(uniform()) / Math.log1p(-chance))
  }
  return {
    ...stream,
    uniform,
    failuresBefore,
    duration: (mean) => (mean <= 1 ? 1 : 1 + failuresBefore(1 / mean)),
    bytes: () => {
      const bytes = new Uint8Array(32)
      const view = new DataView(bytes.buffer)
      for (let at = 0; at < 32; at += 4) view.setUint32(at, stream.word())
      return bytes
    },
  }
}
