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
  const accepted = createRoom(limits.maxAccepted, limits.acceptedMs, world)
  const other = createRoom(limits.maxOther, limits.otherMs, world)
  /** The router looks whether an id is known, and puts it in if not: looked up once. */
  let unknown: string | null = null
  const has = (id: string): boolean => {
    const isKnown = accepted.ids.has(id) || other.ids.has(id)
    unknown = isKnown ? null : id
    return isKnown
  }
  return {
    has,
    put: (id) => {
      if (id !== unknown && has(id)) return true
      unknown = null
      other.add(id)
      return false
    },
    accept: (id) => {
      unknown = null
      other.ids.delete(id)
      accepted.add(id)
    },
    prune: () => {
      for (const room of [accepted, other]) room.prune()
    },
    clear: () => {
      for (const room of [accepted, other]) room.ids.clear()
    },
    get size() {
      return accepted.ids.size + other.ids.size
    },
    get accepted() {
      return accepted.ids.size
    },
  }
}

/** A full room forgets this share of its ids at once, the oldest: to find one in a map steps over all that went before it. */
const shareForgotten = 1 / 16

const createRoom = (max: number, forMs: number, world: Pick<World, 'monotonicMs'>) => {
  /** With the time when each came, the oldest first. */
  const ids = new Map<string, number>()
  return {
    ids,
    add: (id: string): void => {
      if (ids.size >= max) forgetOldest(ids, Math.ceil(max * shareForgotten))
      ids.set(id, world.monotonicMs())
    },
    prune: (): void => {
      const latestMs = world.monotonicMs() - forMs
      for (const [id, atMs] of ids) {
        if (atMs > latestMs) break
        ids.delete(id)
      }
    },
  }
}

const forgetOldest = (ids: Map<string, number>, count: number): void => {
  let left = count
  for (const id of ids.keys()) {
    if (left-- === 0) break
    ids.delete(id)
  }
}
