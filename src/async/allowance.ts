import type { World } from '../world.ts'

export interface AllowanceLimits {
  /** Taken at once at most. */
  burst: number
  /** One comes back after so long. */
  everyMs: number
  /** Names that are remembered; whoever asks under very many names only makes it forget the longest silent ones. */
  maxNames: number
}

/** How often each of many may have something: a bucket of tokens for each name that has taken some lately. */
export interface Allowance {
  /** True, and so many fewer are left; false, and nothing is taken, if fewer were left. */
  take(name: string, count?: number): boolean
  /** Takes as many whole ones as are left, at most `count`; how many that was. */
  takeUpTo(name: string, count: number): number
}

export const createAllowance = (limits: AllowanceLimits, world: Pick<World, 'monotonicMs'>): Allowance => {
  const bucketsByName = new Map<string, { tokens: number; atMs: number }>()
  /** Takes what `shareOf` says of the tokens that are there. */
  const takeShare = (name: string, shareOf: (tokens: number) => number): number => {
    const nowMs = world.monotonicMs()
    const bucket = bucketsByName.get(name) ?? { tokens: limits.burst, atMs: nowMs }
    const tokens = Math.min(limits.burst, bucket.tokens + (nowMs - bucket.atMs) / limits.everyMs)
    const taken = shareOf(tokens)
    // Last in the map is who asked last.
    bucketsByName.delete(name)
    bucketsByName.set(name, { tokens: tokens - taken, atMs: nowMs })
    if (bucketsByName.size > limits.maxNames) {
      const [longestSilent] = bucketsByName.keys()
      if (longestSilent !== undefined) bucketsByName.delete(longestSilent)
    }
    return taken
  }
  return {
    take: (name, count = 1) => takeShare(name, (tokens) => (tokens < count ? 0 : count)) === count,
    takeUpTo: (name, count) => takeShare(name, (tokens) => Math.min(count, Math.floor(tokens))),
  }
}
