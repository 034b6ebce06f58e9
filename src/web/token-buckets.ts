import { createAllowance } from '../async/allowance.ts'
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
  const allowance = createAllowance({ burst, everyMs: 1_000 / perSecond, maxNames: maxClients }, world)
  return {
    take: (client, tokens) =>
      allowance.take(client, tokens)
        ? null
        : Math.max(1, Math.ceil(allowance.waitMs(client, tokens) / 1_000)),
  }
}
