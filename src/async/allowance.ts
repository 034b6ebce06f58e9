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
  /** Milliseconds until `count` will be left, if nothing is taken meanwhile; 0 if they are. */
  waitMs(name: string, count: number): number
}

export const createAllowance = (limits: AllowanceLimits, world: Pick<World, 'monotonicMs'>): Allowance => {
  const bucketsByName = new Map<string, Bucket>()
  /** The bucket of the name, filled up until now. */
  const bucketOf = (name: string): Bucket => {
    const nowMs = world.monotonicMs()
    const known = bucketsByName.get(name)
    const bucket = known ?? { tokens: limits.burst, atMs: nowMs, movedMs: -Infinity }
    bucket.tokens = Math.min(limits.burst, bucket.tokens + (nowMs - bucket.atMs) / limits.everyMs)
    bucket.atMs = nowMs
    if (nowMs - bucket.movedMs >= orderMs) moveToEnd(name, bucket, nowMs)
    return bucket
  }

  /** Last in the map is who asked last, within the accuracy of its order. */
  const moveToEnd = (name: string, bucket: Bucket, nowMs: number): void => {
    bucket.movedMs = nowMs
    bucketsByName.delete(name)
    bucketsByName.set(name, bucket)
    if (bucketsByName.size <= limits.maxNames) return
    const [longestSilent] = bucketsByName.keys()
    if (longestSilent !== undefined) bucketsByName.delete(longestSilent)
  }
  return {
    take: (name, count = 1) => {
      const bucket = bucketOf(name)
      if (bucket.tokens < count) return false
      bucket.tokens -= count
      return true
    },
    takeUpTo: (name, count) => {
      const bucket = bucketOf(name)
      const taken = Math.min(count, Math.floor(bucket.tokens))
      bucket.tokens -= taken
      return taken
    },
    waitMs: (name, count) => Math.max(0, count - bucketOf(name).tokens) * limits.everyMs,
  }
}

/** Of what is taken many times a second, the order is not worth a change of the map each time. */
const orderMs = 1_000

interface Bucket {
  tokens: number
  atMs: number
  movedMs: number
}
