import { LRUCache } from 'lru-cache'
import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { Logger } from 'pino'
import type { Socket } from 'node:net'
import { bytesToHex } from '../../protocol/index.ts'
import { neverGivesWay } from '../admission/places.ts'
import { createAllowance } from '../async/allowance.ts'
import type { World } from '../world.ts'
import type { NetMetrics } from './counters.ts'
import { createDoor, networkFactor, type DoorPlaces } from './door.ts'
import { createKnownAddresses } from './known-addresses.ts'
import { groupsOfAddress, ipOf, isDialable, peerKeyOf } from './peer-address.ts'

export interface GaterLimits {
  /** Incoming connections of peers that are not registered, in all. */
  maxStrangers: number
  /** The same by address (IPv6: by /64). */
  maxStrangersPerAddress: number
  /** Incoming connections whose peer is not known yet, in all; addresses of registered peers have places of their own. */
  maxPending: number
  maxKnownPending: number
  /** The same by address. */
  maxPendingPerAddress: number
  /** New connections per second and address, before anything is known of them. */
  maxNewPerSecondPerAddress: number
  /** Connections of one peer, in both directions. */
  maxConnectionsPerPeer: number
}

export interface GaterOptions {
  limits: GaterLimits
  /** Whether something is being done for this peer, or it waits for it (R-PUZ-5): then its place stays its own. */
  isServed: (peer: string) => boolean
  /** Whether this node owes the peer an answer (R-ADM-1): then it may connect, whatever it did. */
  hasDuty: (peer: string) => boolean
  allowLoopback: boolean
  world: World
  metrics: NetMetrics
  logger: Logger
}

/**
 * Who may connect. A place costs nothing, so a newcomer always gets one, and another connection gives way by the rule of
 * src/admission/places.ts: in the handshake the one that did least, of strangers one for which nothing is done. What
 * strangers ask for is another matter (R-PUZ-5). Registered peers have a place whatever strangers do: their number is only
 * limited one by one, and capacity.ts closes some for new ones. Noise has proved the peer id before a place is given.
 */
export interface Gater {
  libp2p: ConnectionGater
  /** Keys (hex) of the peers that the registry knows now. */
  setRegistered(peers: ReadonlySet<string>): void
  isRegistered: (peer: string) => boolean
  /** Registered peers that have proved their keys from this address lately. */
  peersAt(ip: string): ReadonlySet<string>
  ban(peer: string, durationMs: number): void
  isBanned(peer: string): boolean
}

const maxBans = 10_000
const maxRatedAddresses = 16_384

export const createGater = (options: GaterOptions): Gater => {
  const { limits, isServed, hasDuty, allowLoopback, world, metrics } = options
  let registered: ReadonlySet<string> = new Set()
  const banEndsByPeer = new LRUCache<string, number>({
    maxSize: maxBans,
    sizeCalculation: () => 1,
  })
  const known = createKnownAddresses()
  /** Peers of incoming connections with a place, registered or not. */
  const peers = new Map<MultiaddrConnection, string>()

  const openDoor = (
    name: string,
    places: DoorPlaces,
    stages: readonly string[],
    stageOf: (connection: MultiaddrConnection) => number,
  ) =>
    createDoor<MultiaddrConnection>({
      ...options,
      name,
      places,
      stages,
      stageOf,
      close: (connection) => connection.abort(new Error('another connection came')),
    })
  const openHandshakes = (name: string, maxPlaces: number) =>
    openDoor(
      name,
      { maxPlaces, maxPerAddress: limits.maxPendingPerAddress },
      handshakeStages,
      handshakeStageOf,
    )
  const handshakes = openHandshakes('p2p handshake', limits.maxPending)
  const knownHandshakes = openHandshakes('p2p known handshake', limits.maxKnownPending)
  const strangers = openDoor(
    'p2p stranger',
    { maxPlaces: limits.maxStrangers, maxPerAddress: limits.maxStrangersPerAddress },
    ['idle'],
    (connection) => (isServed(peers.get(connection) ?? '') ? neverGivesWay : 0),
  )
  const rate = createRate(limits.maxNewPerSecondPerAddress, world)

  const isBanned = (peer: string): boolean => {
    const endMs = banEndsByPeer.peek(peer)
    if (endMs === undefined) return false
    if (endMs > world.monotonicMs()) return true
    banEndsByPeer.delete(peer)
    return false
  }

  const leave = (connection: MultiaddrConnection): void => {
    peers.delete(connection)
    strangers.leave(connection)
  }

  /** Null to let it in, or why not. Strangers have a door besides. */
  const refusal = (peer: string | null): string | null => {
    if (peer === null) return 'key type'
    if (isBanned(peer) && !hasDuty(peer)) return 'banned'
    // One that was closed while it was let in has told nobody.
    for (const connection of peers.keys()) if (connection.status !== 'open') leave(connection)
    const ofPeer = [...peers.values()].filter((other) => other === peer).length
    return ofPeer < limits.maxConnectionsPerPeer ? null : 'peer full'
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

  const refuse = (why: string): true => {
    metrics.increment('connections_refused', `p2p ${why}`)
    return true
  }

  return {
    libp2p: {
      denyDialPeer: isBannedPeer,
      denyDialMultiaddr: (address) => !isDialable(address, allowLoopback),
      filterMultiaddrForPeer: (_peer, address) => isDialable(address, allowLoopback),
      denyInboundConnection: (connection) => {
        if (connection.status !== 'open') return true
        const ip = ipOf(connection.remoteAddr)
        const isKnown = known.has(ip)
        if (!rate.take(ip, isKnown)) return refuse('rate')
        const door = isKnown ? knownHandshakes : handshakes
        if (!door.admit(connection, ip)) return true
        connection.addEventListener('close', () => door.leave(connection))
        return false
      },
      denyInboundEncryptedConnection: (peerId, connection) => {
        handshakes.leave(connection)
        knownHandshakes.leave(connection)
        const peer = hexOf(peerId)
        const reason = refusal(peer)
        if (peer === null || reason !== null) return refuse(reason ?? 'key type')
        const ip = ipOf(connection.remoteAddr)
        peers.set(connection, peer)
        if (registered.has(peer)) known.note(peer, ip)
        else if (!strangers.admit(connection, ip)) {
          leave(connection)
          return true
        }
        connection.addEventListener('close', () => leave(connection))
        return false
      },
      denyOutboundEncryptedConnection: (peerId, connection) => {
        const peer = hexOf(peerId)
        if (peer !== null && registered.has(peer)) known.note(peer, ipOf(connection.remoteAddr))
        return isBannedPeer(peerId)
      },
    },
    setRegistered: (now) => {
      registered = now
      // A stranger may become registered while it is connected.
      for (const [connection, peer] of peers) if (registered.has(peer)) strangers.leave(connection)
    },
    isRegistered: (peer) => registered.has(peer),
    peersAt: (ip) => known.peersAt(ip),
    ban: (peer, durationMs) => void banEndsByPeer.set(peer, world.monotonicMs() + durationMs),
    isBanned,
  }
}

/** The names of multistream and Noise with their lengths have 28 bytes, the first message of Noise 34. */
const bytesToNoise = 62
const handshakeStages = ['silent', 'negotiating', 'noise'] as const

const handshakeStageOf = (connection: MultiaddrConnection): number => {
  const bytes = bytesReadOf(connection)
  return bytes === 0 ? 0 : bytes < bytesToNoise ? 1 : 2
}

/** libp2p counts no bytes of a connection, and listening to it would take them away; its TCP transport holds the socket. */
const bytesReadOf = (connection: MultiaddrConnection): number =>
  (connection as { socket?: Pick<Socket, 'bytesRead'> }).socket?.bytesRead ?? 0

/** libp2p has such a limit, too, but counts whole IPv6 addresses, of which one host has as many as it likes. */
const createRate = (perSecond: number, world: World): { take(ip: string, isKnown: boolean): boolean } => {
  const allowanceOf = (times: number) =>
    createAllowance(
      { burst: times * perSecond, everyMs: 1_000 / (times * perSecond), maxNames: maxRatedAddresses },
      world,
    )
  const ofAddress = allowanceOf(1)
  const ofNetwork = allowanceOf(networkFactor)
  return {
    take: (ip, isKnown) => {
      const [address, network] = groupsOfAddress(ip)
      // What others of its network do is not the fault of an address that a registered peer has proved.
      return ofAddress.take(address) && (isKnown || ofNetwork.take(network))
    },
  }
}
