import { LRUCache } from 'lru-cache'
import type { World } from '../../world.ts'

export interface SeenLimits {
  /** Ids of messages that were accepted, or are this node's own, and for how long. */
  maxAccepted: number
  acceptedMs: number
  /** Those of all others: being judged, ignored, rejected. */
  maxOther: number
  otherMs: number
}

/**
 * A set of 40,000 attestations, and for longer than any of them travels; later copies are found to be held. Of the others,
 * what may come of them in two minutes: whoever makes them up pushes out nothing that was accepted.
 */
export const defaultSeenLimits: SeenLimits = {
  maxAccepted: 65_536,
  acceptedMs: 360_000,
  maxOther: 16_384,
  otherMs: 120_000,
}

/** In the place of the router's own memory of message ids, which has no bound. */
export interface SeenIds {
  has(id: string): boolean
  /** True if it was known. */
  put(id: string): boolean
  /** It was accepted: kept in the room of those from now on. */
  accept(id: string): void
  prune(): void
  clear(): void
  readonly size: number
  readonly accepted: number
}

export const createSeenIds = (limits: SeenLimits, world: Pick<World, 'monotonicMs'>): SeenIds => {
  // Bounded by size, not by number of entries: so room is taken as it is needed.
  const roomOf = (maxSize: number, ttl: number) =>
    new LRUCache<string, true>({
      maxSize,
      sizeCalculation: () => 1,
      ttl,
      // Names of stale ones are listed, so that they can be found and deleted.
      allowStale: true,
      perf: { now: () => world.monotonicMs() },
    })
  const accepted = roomOf(limits.maxAccepted, limits.acceptedMs)
  const other = roomOf(limits.maxOther, limits.otherMs)
  const has = (id: string): boolean => accepted.has(id) || other.has(id)
  return {
    has,
    put: (id) => {
      if (has(id)) return true
      other.set(id, true)
      return false
    },
    accept: (id) => {
      other.delete(id)
      accepted.set(id, true)
    },
    prune: () => {
      for (const room of [accepted, other]) {
        // The oldest first.
        for (const id of room.rkeys()) {
          if (room.has(id)) break
          room.delete(id)
        }
      }
    },
    clear: () => {
      accepted.clear()
      other.clear()
    },
    get size() {
      return accepted.size + other.size
    },
    get accepted() {
      return accepted.size
    },
  }
}
