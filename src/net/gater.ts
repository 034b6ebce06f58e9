import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { bytesToHex } from '../../protocol/index.ts'
import type { World } from '../world.ts'
import type { NetMetrics } from './counters.ts'
import { addressGroup, isDialable, peerKeyOf } from './peer-address.ts'

export interface GaterLimits {
  /** Incoming connections of peers that are not registered, in all. */
  maxStrangers: number
  /** The same by address (IPv6: by /64). */
  maxStrangersPerAddress: number
  /**
   * So long a stranger, or a connection in its handshake, keeps its place at least, whoever comes; then, while nothing is
   * done for it, the next may have it.
   */
  strangerGraceMs: number
  /** Incoming connections whose peer is not known yet, in all. */
  maxPending: number
  /** The same by address. */
  maxPendingPerAddress: number
  /** Connections of one peer, in both directions. */
  maxConnectionsPerPeer: number
}

export interface GaterOptions {
  limits: GaterLimits
  /** Whether something is being done for this peer, or he waits for it (R-PUZ-5): then his place is his. */
  isServed: (peer: string) => boolean
  allowLoopback: boolean
  world: World
  metrics: NetMetrics
}

/**
 * Who may connect. Strangers' places go to those who come last, since a place costs nothing: whoever connects has the time
 * for a question, and nobody can keep others out by sitting there. What he wants done is another matter (R-PUZ-5). Registered peers have a place whatever strangers do: their number is only limited one by one, and
 * old idle connections are closed for new ones (capacity.ts). Noise has proved the peer id before a place is given.
 */
export interface Gater {
  libp2p: ConnectionGater
  /** Keys (hex) of the peers that the registry knows now. */
  setRegistered(peers: ReadonlySet<string>): void
  isRegistered: (peer: string) => boolean
  ban(peer: string, durationMs: number): void
  isBanned(peer: string): boolean
}

const maxBans = 10_000

export const createGater = (options: GaterOptions): Gater => {
  const { limits, isServed, allowLoopback, world, metrics } = options
  let registered: ReadonlySet<string> = new Set()
  const banEndsByPeer = new Map<string, number>()
  /** Incoming connections in their handshake. */
  const pending = new Map<MultiaddrConnection, Omit<Placed, 'peer'>>()
  /** Incoming connections with a place, registered or not: a stranger may become registered while connected. */
  const placed = new Map<MultiaddrConnection, Placed>()

  const isBanned = (peer: string): boolean => {
    const endMs = banEndsByPeer.get(peer)
    if (endMs === undefined) return false
    if (endMs > world.monotonicMs()) return true
    banEndsByPeer.delete(peer)
    return false
  }

  /** Null to let it in, or why not. */
  const refusal = (peer: string | null, address: string): string | null => {
    if (peer === null) return 'key type'
    if (isBanned(peer)) return 'banned'
    // One that was closed while it was let in has told nobody.
    for (const connection of placed.keys()) if (connection.status !== 'open') placed.delete(connection)
    const places = [...placed.values()]
    if (places.filter((place) => place.peer === peer).length >= limits.maxConnectionsPerPeer)
      return 'peer full'
    if (registered.has(peer)) return null
    const strangers = places.filter((place) => !registered.has(place.peer))
    if (strangers.filter((place) => place.address === address).length >= limits.maxStrangersPerAddress) {
      return 'address full'
    }
    return strangers.length < limits.maxStrangers || displaceStranger() ? null : 'strangers full'
  }

  /** True if a stranger had to go: the one for whom nothing is done who has been here longest. */
  const displaceStranger = (): boolean => {
    const latestMs = world.monotonicMs() - limits.strangerGraceMs
    for (const [connection, { peer, sinceMs }] of placed) {
      if (registered.has(peer) || sinceMs > latestMs || isServed(peer)) continue
      placed.delete(connection)
      metrics.increment('connections_trimmed', 'displaced')
      connection.abort(new Error('another stranger came'))
      return true
    }
    return false
  }

  /** True if a connection had to go that has been in its handshake for long: nobody keeps others out with slow ones. */
  const displacePending = (): boolean => {
    const [[connection, { sinceMs }] = [null, { sinceMs: Infinity }]] = pending
    if (connection === null || sinceMs > world.monotonicMs() - limits.strangerGraceMs) return false
    pending.delete(connection)
    metrics.increment('connections_trimmed', 'displaced')
    connection.abort(new Error('another connection came'))
    return true
  }

  const hexOf = (peer: PeerId): string | null => {
    const key = peerKeyOf(peer)
    return key === null ? null : bytesToHex(key)
  }

  const isBannedPeer = (peer: PeerId): boolean => {
    const hex = hexOf(peer)
    // A registered peer may always be asked: a verdict on it must not depend on what it did to us.
    return hex === null || (isBanned(hex) && !registered.has(hex))
  }

  return {
    libp2p: {
      denyDialPeer: isBannedPeer,
      denyDialMultiaddr: (address) => !isDialable(address, allowLoopback),
      filterMultiaddrForPeer: (_peer, address) => isDialable(address, allowLoopback),
      denyInboundConnection: (connection) => {
        if (connection.status !== 'open') return true
        const address = addressGroup(connection.remoteAddr)
        const ofAddress = [...pending.values()].filter((other) => other.address === address)
        const isFull = pending.size >= limits.maxPending && !displacePending()
        if (isFull || ofAddress.length >= limits.maxPendingPerAddress) {
          metrics.increment('connections_refused', 'pending full')
          return true
        }
        pending.set(connection, { address, sinceMs: world.monotonicMs() })
        connection.addEventListener('close', () => pending.delete(connection))
        return false
      },
      denyInboundEncryptedConnection: (peerId, connection) => {
        pending.delete(connection)
        const peer = hexOf(peerId)
        const address = addressGroup(connection.remoteAddr)
        const reason = refusal(peer, address)
        if (peer === null || reason !== null) {
          metrics.increment('connections_refused', reason ?? 'key type')
          return true
        }
        placed.set(connection, { peer, address, sinceMs: world.monotonicMs() })
        connection.addEventListener('close', () => placed.delete(connection))
        return false
      },
      denyOutboundEncryptedConnection: (peerId) => isBannedPeer(peerId),
    },
    setRegistered: (peers) => {
      registered = peers
    },
    isRegistered: (peer) => registered.has(peer),
    ban: (peer, durationMs) => {
      banEndsByPeer.delete(peer)
      banEndsByPeer.set(peer, world.monotonicMs() + durationMs)
      if (banEndsByPeer.size > maxBans) {
        const [oldest] = banEndsByPeer.keys()
        if (oldest !== undefined) banEndsByPeer.delete(oldest)
      }
    },
    isBanned,
  }
}

interface Placed {
  peer: string
  address: string
  sinceMs: number
}
