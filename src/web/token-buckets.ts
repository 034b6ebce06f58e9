import type { World } from '../world.ts'

/** Limits how often each client may ask. */
export interface TokenBuckets {
  /** Null if the request may go on, else the whole seconds after which it may. */
  take(client: string, tokens: number): number | null
}

export interface BucketLimits {
  /** Tokens that a client has at first, and at most. */
  burst: number
  perSecond: number
  /** Clients that are remembered; the one unheard of longest is forgotten for a new one. */
  maxClients: number
}

export const createTokenBuckets = (
  { burst, perSecond, maxClients }: BucketLimits,
  world: Pick<World, 'monotonicMs'>,
): TokenBuckets => {
  const buckets = new Map<string, { tokens: number; atMs: number }>()
  return {
    take(client, wanted) {
      const nowMs = world.monotonicMs()
      const known = buckets.get(client)
      const earned = known === undefined ? burst : known.tokens + ((nowMs - known.atMs) / 1_000) * perSecond
      const tokens = Math.min(burst, earned)
      const isEnough = tokens >= wanted
      buckets.delete(client)
      buckets.set(client, { tokens: isEnough ? tokens - wanted : tokens, atMs: nowMs })
      if (buckets.size > maxClients) buckets.delete(buckets.keys().next().value!)
      return isEnough ? null : Math.max(1, Math.ceil((wanted - tokens) / perSecond))
    },
  }
}
