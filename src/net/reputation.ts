import { LRUCache } from 'lru-cache'
import type { World } from '../world.ts'

/**
 * Points against a peer by what it did. 90 shut it out: 5 messages in short time that no honest peer sends, or 10
 * answers that make no sense. They halve every ten minutes, so faults of a restart or an upgrade are forgotten.
 */
export const penalties = {
  /** Gossip that no honest peer forwards (a validator's reject). */
  'invalid-message': 20,
  /** Gossip above the size limit of its topic. */
  'oversize-message': 20,
  /** A request or answer that is not of the agreed form. */
  'malformed-exchange': 10,
  /** Data that does not belong to its id, or does not verify. */
  'false-data': 20,
  /** Below our protocols, what no software sends by itself: endless lengths, giant frames, storms of frames. */
  'hostile-bytes': 40,
  /** More requests than agreed. */
  flood: 5,
} as const

export type PenaltyCode = keyof typeof penalties

export const banPoints = 90
const halfLifeMs = 600_000
const maxPeers = 10_000

/** Memory of misbehaviour by peer (hex of its key). It outlives connections, which the router's own scores do not. */
export interface Reputation {
  penalise(peer: string, code: PenaltyCode): void
  /** Points now, from 0. */
  points(peer: string): number
}

export const createReputation = (world: World): Reputation => {
  const recordsByPeer = new LRUCache<string, { points: number; atMs: number }>({
    maxSize: maxPeers,
    sizeCalculation: () => 1,
  })
  const pointsAt = (peer: string, nowMs: number): number => {
    const record = recordsByPeer.peek(peer)
    return record === undefined ? 0 : record.points * 2 ** ((record.atMs - nowMs) / halfLifeMs)
  }
  return {
    penalise: (peer, code) => {
      const nowMs = world.monotonicMs()
      const points = pointsAt(peer, nowMs) + penalties[code]
      recordsByPeer.set(peer, { points, atMs: nowMs })
    },
    points: (peer) => pointsAt(peer, world.monotonicMs()),
  }
}
