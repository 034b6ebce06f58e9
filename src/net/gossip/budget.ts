import { LRUCache } from 'lru-cache'
import { type AllowanceLimits, createAllowance } from '../../async/allowance.ts'
import type { World } from '../../world.ts'

/** Units of work (work.ts) that gossip of others may cause. */
export interface GossipLimits {
  /** What is let through to the router of one registered peer. */
  registered: Bucket
  /** The same of one stranger, and of all strangers together. */
  stranger: Bucket
  strangers: Bucket
  /** What an honest peer never sends: above it, whether let through or not, it is at fault. */
  mostOfRegistered: Bucket
  mostOfStranger: Bucket
}

export type Bucket = Pick<AllowanceLimits, 'burst' | 'everyMs'>

/**
 * The network's whole set of 40,000 attestations, spread over five minutes, is 133 a second; whoever brings all of it first
 * brings that, and 20 units of ids. Of 4,000 at once the slowest node that verifies is busy for a second; what a peer kept
 * for a link that was silent for longer is dropped, and sync brings it.
 *
 * A stranger is no part of the mesh and brings nothing that a seat would not; but it asks for what it misses, 17 units a
 * second at that rate, and announces what it has.
 *
 * In an epoch an honest peer sends 40,000 messages, once each, and 25 units of ids in each second of the five minutes.
 * 80,000 and 20 a second, 288,000 in four hours, is out of its reach, whatever it kept for however long.
 */
export const defaultGossipLimits: GossipLimits = {
  registered: { burst: 4_000, everyMs: 2.5 },
  stranger: { burst: 400, everyMs: 25 },
  strangers: { burst: 4_000, everyMs: 2.5 },
  mostOfRegistered: { burst: 80_000, everyMs: 50 },
  mostOfStranger: { burst: 4_000, everyMs: 12.5 },
}

export interface GossipBudget {
  /** How many of the units the peer (key in hex) may spend now, from 0; the others are for what is dropped. */
  spend(peer: string, units: number): number
  /** For what was let through and turned out to be nothing that this node can judge (R-MSG-2). */
  charge(peer: string, units: number): void
  /** Who was above its budget in the last ten minutes, those with the most units dropped first, and how many. */
  offenders(): GossipOffender[]
}

export interface GossipOffender {
  /** Key in hex. */
  peer: string
  dropped: number
}

export interface GossipBudgetOptions {
  limits: GossipLimits
  isRegistered: (peer: string) => boolean
  /** Something of the peer was dropped unread. */
  onDropped: (isRegistered: boolean) => void
  /** The peer is above what any honest one sends. */
  onFlood: (peer: string) => void
  world: Pick<World, 'monotonicMs'>
}

/** Far more than are ever connected: a peer is not forgotten, and its allowance full again, while it is here. */
const maxNames = 4_096
/** Units above the most of an honest peer for which it is at fault once more: 18 times, and it is shut out. */
const unitsPerFault = 256
const offenceMs = 600_000
const maxOffenders = 16

export const createGossipBudget = (options: GossipBudgetOptions): GossipBudget => {
  const { limits, isRegistered, onDropped, onFlood, world } = options
  const allowanceOf = (bucket: Bucket) => createAllowance({ ...bucket, maxNames }, world)
  const ofRegistered = { own: allowanceOf(limits.registered), most: allowanceOf(limits.mostOfRegistered) }
  const ofStrangers = { own: allowanceOf(limits.stranger), most: allowanceOf(limits.mostOfStranger) }
  const together = createAllowance({ ...limits.strangers, maxNames: 1 }, world)
  const perf = { now: () => world.monotonicMs() }
  // By size, not by number of entries: so room is taken as it is needed, and none for the honest.
  const room = { maxSize: maxNames, sizeCalculation: () => 1, perf }
  const excessByPeer = new LRUCache<string, number>(room)
  const droppedByPeer = new LRUCache<string, number>({ ...room, ttl: offenceMs })

  const exceed = (peer: string, units: number): void => {
    const excess = (excessByPeer.get(peer) ?? 0) + units
    for (let faults = Math.floor(excess / unitsPerFault); faults > 0; faults--) onFlood(peer)
    excessByPeer.set(peer, excess % unitsPerFault)
  }

  return {
    spend: (peer, units) => {
      const isKnown = isRegistered(peer)
      const { own, most } = isKnown ? ofRegistered : ofStrangers
      const excess = units - most.takeUpTo(peer, units)
      if (excess > 0) exceed(peer, excess)
      const granted = own.takeUpTo(peer, units)
      const passed = isKnown ? granted : together.takeUpTo('', granted)
      if (passed < units) {
        onDropped(isKnown)
        droppedByPeer.set(peer, (droppedByPeer.get(peer) ?? 0) + units - passed)
      }
      return passed
    },
    charge: (peer, units) => {
      const { own } = isRegistered(peer) ? ofRegistered : ofStrangers
      own.takeUpTo(peer, units)
    },
    offenders: () =>
      [...droppedByPeer.entries()]
        .map(([peer, dropped]) => ({ peer, dropped }))
        .sort((a, b) => b.dropped - a.dropped)
        .slice(0, maxOffenders),
  }
}
