import type { Connection } from '@libp2p/interface'
import type { World } from '../../world.ts'
import type { GossipRouter, PeerStats, RouterParts } from './router.ts'
import { createSeenIds, defaultSeenLimits, type SeenLimits } from './seen.ts'

export interface MemoryLimits {
  seen: SeenLimits
  /** Of messages, whose sender is rewarded or blamed once they are judged. */
  maxDeliveries: number
  /** Peers that are gone and had faults. */
  maxGone: number
  /** How long a peer may be kept out of the mesh because of one PRUNE. */
  maxBackoffMs: number
  /** Of what waits to be sent to all peers together. */
  maxUnsentBytes: number
}

/**
 * Deliveries: two minutes of the network's busiest are 16,000. Back-offs: routers ask for one minute. Unsent: what a dozen
 * neighbours that do not read keep, and no more whatever number of strangers there are.
 */
export const defaultMemoryLimits: MemoryLimits = {
  seen: defaultSeenLimits,
  maxDeliveries: 32_768,
  maxGone: 1_024,
  maxBackoffMs: 600_000,
  maxUnsentBytes: 33_554_432,
}

/** How many entries the router holds of what others can make it remember. */
export interface RouterMemory {
  entries(): Record<RememberedKind, number>
}

export type RememberedKind =
  | 'peers'
  | 'ids'
  | 'accepted ids'
  | 'messages'
  | 'deliveries'
  | 'scores'
  | 'cached scores'
  | 'addresses'
  | 'back-offs'
  | 'promises'
  | 'unwanted ids'
  | 'subscriptions'
  | 'unsent bytes'

/** Between two tries to open a stream to a peer that has none. */
const reopenMs = 10_000

export const boundMemory = (
  router: GossipRouter,
  parts: RouterParts,
  limits: MemoryLimits,
  world: Pick<World, 'monotonicMs'>,
): RouterMemory => {
  const seen = createSeenIds(limits.seen, world)
  parts.seenCache = seen
  const put = parts.mcache.put.bind(parts.mcache)
  // What was accepted, and what this node publishes, goes in here.
  parts.mcache.put = (id, message, isValidated) => {
    seen.accept(id.msgIdStr)
    return put(id, message, isValidated)
  }
  boundDeliveries(parts, limits.maxDeliveries)
  const gone = boundScores(parts, limits.maxGone)
  boundBackoffs(parts, limits.maxBackoffMs)
  const dropUnconnected = createDropping(parts)
  const reopen = createReopening(parts, world)
  router.addEventListener('gossipsub:heartbeat', () => {
    dropUnconnected()
    for (const id of gone) if (!parts.score.peerStats.has(id)) gone.delete(id)
    boundUnsent(parts, limits.maxUnsentBytes)
    reopen()
  })
  return { entries: () => entriesOf(parts, seen.accepted) }
}

const boundDeliveries = ({ score: { deliveryRecords } }: RouterParts, max: number): void => {
  const ensureRecord = deliveryRecords.ensureRecord.bind(deliveryRecords)
  deliveryRecords.ensureRecord = (id) => {
    const record = ensureRecord(id)
    if (deliveryRecords.records.size > max) {
      const oldest = deliveryRecords.queue.shift()
      if (oldest !== undefined) deliveryRecords.records.delete(oldest.msgId)
    }
    return record
  }
}

/**
 * Of a peer that is gone the router keeps all it knows for an hour, forgets it when the peer comes back, and its addresses
 * never. Here only faults are kept, of so many peers, and they count again. Gives the ids of those.
 */
const boundScores = ({ score }: RouterParts, max: number): Set<string> => {
  const gone = new Set<string>()
  const forget = (id: string): void => {
    gone.delete(id)
    score.peerStats.delete(id)
    score.scoreCache.delete(id)
  }

  const addPeer = score.addPeer.bind(score)
  score.addPeer = (id) => {
    const before = score.peerStats.get(id)
    addPeer(id)
    gone.delete(id)
    if (before !== undefined) score.peerStats.set(id, { ...before, connected: true, expire: 0 })
  }

  const removePeer = score.removePeer.bind(score)
  score.removePeer = (id) => {
    const addresses = [...(score.peerStats.get(id)?.knownIPs ?? [])]
    removePeer(id)
    for (const address of addresses) score.removeIP(id, address)
    const stats = score.peerStats.get(id)
    if (stats === undefined || isFaultless(stats)) return forget(id)
    gone.add(id)
    const [oldest] = gone
    if (gone.size > max && oldest !== undefined) forget(oldest)
  }
  return gone
}

const isFaultless = ({ behaviourPenalty, topics }: PeerStats): boolean =>
  behaviourPenalty === 0 && Object.values(topics).every((topic) => topic.invalidMessageDeliveries === 0)

const boundBackoffs = (parts: RouterParts, maxMs: number): void => {
  const doAddBackoff = parts.doAddBackoff.bind(parts)
  parts.doAddBackoff = (id, topic, ms) => {
    if (parts.peers.has(id)) doAddBackoff(id, topic, Math.min(ms, maxMs))
  }
  const removePeer = parts.removePeer.bind(parts)
  parts.removePeer = (peer) => {
    removePeer(peer)
    for (const backoffs of parts.backoff.values()) backoffs.delete(peer.toString())
  }
}

/** What came from a peer just as it left has nobody any more who would take it away. */
const createDropping = (parts: RouterParts): (() => void) => {
  let unconnected = new Set<string>()
  return () => {
    const before = unconnected
    unconnected = new Set()
    for (const [id, peer] of parts.peers) {
      if (connectionTo(parts, peer) !== undefined) continue
      // Not at once: a stream may be told of before its connection is.
      if (before.has(id)) parts.removePeer(peer)
      else unconnected.add(id)
    }
    dropStrays(parts)
  }
}

const dropStrays = (parts: RouterParts): void => {
  const byPeer = [
    parts.streamsInbound,
    parts.streamsOutbound,
    parts.control,
    parts.gossip,
    parts.outbound,
    parts.peerTopicBytes,
    parts.acceptFromWhitelist,
    parts.idontwants,
    parts.idontwantCounts,
    ...parts.backoff.values(),
    ...parts.topics.values(),
  ]
  for (const map of byPeer) for (const id of map.keys()) if (!parts.peers.has(id)) map.delete(id)
  for (const mesh of parts.mesh.values()) for (const id of mesh) if (!parts.peers.has(id)) mesh.delete(id)
}

const connectionTo = (
  parts: RouterParts,
  peer: Parameters<RouterParts['removePeer']>[0],
): Connection | undefined =>
  parts.components.connectionManager.getConnections(peer).find(({ status }) => status === 'open')

const unsentOf = (parts: RouterParts) => [...parts.streamsOutbound.values()].map(({ rawStream }) => rawStream)

/** Those who do not read keep what waits for them in this node's memory: whoever keeps most loses its stream. */
const boundUnsent = (parts: RouterParts, maxBytes: number): void => {
  const unsent = unsentOf(parts)
  unsent.sort((a, b) => b.writeBufferLength - a.writeBufferLength)
  let bytes = unsent.reduce((sum, { writeBufferLength }) => sum + writeBufferLength, 0)
  for (const stream of unsent) {
    if (bytes <= maxBytes) break
    bytes -= stream.writeBufferLength
    stream.abort(new Error('too much waits to be sent'))
  }
}

/**
 * The router never opens a second stream to a peer, though a slow link may have lost the first; and a neighbour to whom
 * nothing can be sent has the place of one to whom it can.
 */
const createReopening = (parts: RouterParts, world: Pick<World, 'monotonicMs'>): (() => void) => {
  const triedMs = new Map<string, number>()
  return () => {
    const nowMs = world.monotonicMs()
    for (const id of triedMs.keys()) {
      if (!parts.peers.has(id) || parts.streamsOutbound.has(id)) triedMs.delete(id)
    }
    for (const [id, peer] of parts.peers) {
      const lastMs = triedMs.get(id)
      const connection = connectionTo(parts, peer)
      const isTooSoon = lastMs !== undefined && nowMs - lastMs < reopenMs
      if (connection === undefined || parts.streamsOutbound.has(id) || isTooSoon) continue
      if (lastMs !== undefined) for (const mesh of parts.mesh.values()) mesh.delete(id)
      triedMs.set(id, nowMs)
      void parts.createOutboundStream(peer, connection)
    }
  }
}

const entriesOf = (parts: RouterParts, accepted: number): Record<RememberedKind, number> => {
  const inAll = (maps: Iterable<{ size: number }>): number =>
    [...maps].reduce((sum, { size }) => sum + size, 0)
  return {
    peers: parts.peers.size,
    ids: parts.seenCache.size,
    'accepted ids': accepted,
    messages: parts.mcache.size,
    deliveries: parts.score.deliveryRecords.records.size,
    scores: parts.score.peerStats.size,
    'cached scores': parts.score.scoreCache.size,
    addresses: inAll(parts.score.peerIPs.values()),
    'back-offs': inAll(parts.backoff.values()),
    promises: parts.gossipTracer.size,
    'unwanted ids': inAll(parts.idontwants.values()),
    subscriptions: inAll(parts.topics.values()),
    'unsent bytes': unsentOf(parts).reduce((sum, { writeBufferLength }) => sum + writeBufferLength, 0),
  }
}
