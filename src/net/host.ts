import { setMaxListeners } from 'node:events'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { type Connection, KEEP_ALIVE, type PeerId, type Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { Logger } from 'pino'
import { bytesToHex, hexToBytes } from '../../protocol/index.ts'
import { SecnodeError, messageOf } from '../errors.ts'
import type { World } from '../world.ts'
import { eitherOf } from '../async/abort.ts'
import { createSequence } from '../async/serial.ts'
import { type CapacityLimits, type Occupant, stageOf, surplusOf } from './capacity.ts'
import { noMetrics, type NetMetrics } from './counters.ts'
import { createGater, type GaterLimits } from './gater.ts'
import { createGossip, type GossipValidator, joinTopic } from './gossip.ts'
import type { GossipOffender } from './gossip/budget.ts'
import type { GossipGuard } from './gossip/guard.ts'
import type { RememberedKind } from './gossip/memory.ts'
import { rehearseGossip } from './gossip/rehearsal.ts'
import type { GossipRouter } from './gossip/router.ts'
import { createGuards } from './guards/guards.ts'
import { isDht } from './guards/stream-rules.ts'
import {
  createLibp2pNode,
  dialTimeoutMs,
  type Libp2pNode,
  type NodeLimits,
  type NodeOptions,
} from './libp2p-node.ts'
import { createLinks, type DialTarget, type Links, type RequestTarget } from './links.ts'
import { addressOfMultiaddr, peerIdOfPeerKey, peerKeyOf, type PeerAddress } from './peer-address.ts'
import type { GateStatus } from './puzzle-gate.ts'
import { createPuzzleSolver, type Toll } from './puzzle-solver.ts'
import { banPoints, createReputation, type PenaltyCode } from './reputation.ts'
import {
  createRelayLinks,
  type InboundHandler,
  type LinkLimits,
  type OpenLinkOptions,
  type OutboundLink,
} from './relay-links.ts'
import { createRequests, type HeldPlaces, type RequestOptions } from './requests.ts'
import { createSessionMaker, type SessionMaker } from './sessions.ts'
import { createSearches, type FoundProvider, type Searches, type SearchOptions } from './searches.ts'
import type { HandlerLimits, RequestHandler } from './service.ts'

export interface HostOptions extends NodeOptions {
  logger: Logger
  world: World
  metrics?: NetMetrics
  limits?: Partial<HostLimits>
  /** The most hashes that this node does for one answer of another that is under load (R-PUZ-4). */
  maxEffort?: number
  /** Called before such work that takes long; by default it is logged. */
  onToll?: (toll: Toll) => void
}

export interface HostLimits extends GaterLimits, CapacityLimits, NodeLimits {
  /** How long a connection that was opened beside another one, only for requests, stays without any. */
  idleExtraMs: number
}

// A node talks to its 11 targets and 11 challengers, a gossip mesh of 8 for each topic, and the neighbours of the DHT:
// about 60 at a time; so 128 places for registered peers without duty leave room, and 128 are for newcomers who sync and for
// tools. A handshake takes three round trips: at 250 ms each, with a lost packet, two seconds. So 1,536 handshakes hold a
// flood of 600 a second for longer than an honest one takes, if none of the flood's addresses stands out; where some
// do, theirs give way at once.
export const defaultHostLimits: HostLimits = {
  maxRegistered: 128,
  maxStrangers: 128,
  maxStrangersPerAddress: 4,
  maxPending: 1_536,
  maxKnownPending: 256,
  maxPendingPerAddress: 16,
  maxConnectionsPerPeer: 4,
  maxNewPerSecondPerAddress: 5,
  handshakeTimeoutMs: 10_000,
  idleExtraMs: 30_000,
}

export interface PeerInfo {
  /** Ed25519, 32 bytes. */
  peerKey: Uint8Array
  peerId: string
  isRegistered: boolean
  /** Of the oldest connection. */
  address: PeerAddress | null
  direction: 'inbound' | 'outbound'
  connections: number
  /** Of the gossip router: below 0 is bad. */
  score: number
}

export interface GossipStatus {
  /** Entries by kind: each has a bound, whatever others send. */
  entries: Record<RememberedKind, number>
  /** In the last ten minutes, at most 16, the worst first. */
  offenders: readonly GossipOffender[]
}

/** A node on the network: everything that moves bytes between peers, and nothing of what they mean. */
export interface Host {
  /** Errors: NET_CANNOT_LISTEN; NET_UNGUARDED (a library lacks a bound). A host that was stopped can be started again. */
  start(): Promise<void>
  /** Ends requests under way with NET_STOPPED. */
  stop(): Promise<void>
  peerId: string
  /** Where it listens, once started. */
  addresses(): PeerAddress[]
  /** Takes part in one of the topics. Before or after the start, once for each topic. */
  subscribe(topic: string, validate: GossipValidator): void
  /** To everybody; how many peers it was sent to. */
  publish(topic: string, message: Uint8Array): Promise<number>
  /** Answers requests on `/secnode/<networkId>/<protocolName>`. Before or after the start, once for each name. */
  handle(protocolName: string, limits: HandlerLimits, handler: RequestHandler): Promise<void>
  /**
   * One request, one answer. With an address, only a connection dialled to that very address will do. Errors:
   * NET_UNREACHABLE (no connection: refused, no route, another peer there), NET_UNABLE (this side could not even try:
   * no verdict, R-FAULT-1), NET_TIMEOUT (connected, no answer in time), NET_CLOSED (reset or end), NET_TOO_LARGE,
   * NET_PROTOCOL_UNSUPPORTED, NET_ABORTED, NET_STOPPED. A node under load that does not know this one may ask for work
   * first (R-PUZ-1), which is done here: NET_PUZZLE_DEAR (more than `maxEffort`), NET_PUZZLE_REFUSED.
   */
  request(
    target: RequestTarget,
    protocolName: string,
    request: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array>
  /** Serves links of the relay (R-RELAY-3). Before the start. */
  serveRelay(limits: LinkLimits, handler: InboundHandler): void
  /** A link to a hop. Errors: as of `request`. */
  openRelayLink(target: RequestTarget, options: OpenLinkOptions): Promise<OutboundLink>
  /** How strangers fare on each protocol that is handled. */
  gates(): readonly GateStatus[]
  /** What requests hold now on each protocol that is handled. */
  held(): readonly HeldPlaces[]
  /** Keys (hex) of the peers that have reserved places. */
  setRegistered(peers: ReadonlySet<string> | ReadonlyMap<string, unknown>): void
  peers(): PeerInfo[]
  /** How many registered peers are connected. */
  registeredPeers(): number
  /**
   * Whether a registered peer to which this node owes an answer has lately proved its key from this address (IPv6: this
   * /64).
   */
  isExpected(ip: string): boolean
  /** How many connected peers take part in the topic. */
  gossipPeers(topic: string): number
  /** Of these, the neighbours in its mesh: they pass messages on to this node, and it to them. */
  gossipNeighbours(topic: string): number
  /** What gossip makes this node remember, and who was above its budget; null while it does not run. */
  gossipStatus(): GossipStatus | null
  penalise(peerKey: Uint8Array, code: PenaltyCode): void
  /** Connects, unless there is a connection already; errors as of `request`. */
  dial(target: RequestTarget, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<void>
  /** Whether the peer answers at that very address now: a connection of its own, closed again; errors as of `request`. */
  knock(target: DialTarget, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<void>
  disconnect(peerKey: Uint8Array): Promise<void>
  /** Where others say that the peer is now, asked of the DHT. Empty if nobody knows in time. */
  findPeer(peerKey: Uint8Array, options?: SearchOptions): Promise<PeerAddress[]>
  /** Tells the DHT that this node has the content; to how many peers. */
  provide(cid: CID, options?: SearchOptions): Promise<number>
  /** Peers that say they have the content, at most `maxProviders` (20), as many as are found in time. */
  findProviders(cid: CID, options?: SearchOptions & { maxProviders?: number }): Promise<FoundProvider[]>
  /** Streams open on all connections, of these request protocols or of everything, gossip included. */
  openStreams(...protocolNames: readonly string[]): number
}

/** Ten seconds of one thread at 400,000 hashes a second, a quarter of the most that a server asks for. */
export const defaultMaxEffort = 2 ** 22

const minuteMs = 60_000
// A stranger who misbehaves stays out for an hour. A registered peer only for five minutes: it must be able to put its
// challenge, or it would call this node unreachable.
const strangerBanMs = 60 * minuteMs
const registeredBanMs = 5 * minuteMs

export const createHost = (options: HostOptions): Host => {
  const { keys, networkId, allowLoopback, logger, world } = options
  const metrics = options.metrics ?? noMetrics
  const limits = { ...defaultHostLimits, ...options.limits }
  const topicsByName = new Map(options.topics.map((topic) => [topic.name, topic]))
  const reputation = createReputation(world)
  const gater = createGater({
    limits,
    isServed: (peer) => requests.isServed(peer) || relayLinks.isServed(peer),
    hasDuty: (peer) => requests.hasDuty(peer),
    allowLoopback,
    world,
    metrics,
    logger,
  })
  const solver = createPuzzleSolver({
    world,
    maxEffort: options.maxEffort ?? defaultMaxEffort,
    onLong: options.onToll ?? ((toll) => logToll(logger, toll)),
  })
  const requests = createRequests({
    networkId,
    server: keys.peerKey,
    isRegistered: gater.isRegistered,
    onFault: (peer, code) => penalise(peer, code),
    solver,
    world,
    metrics,
    logger,
  })
  const guards = createGuards({
    networkId,
    negotiationTimeoutMs: limits.handshakeTimeoutMs,
    isRegistered: gater.isRegistered,
    onHostile: (peer, sign, { address, message }) => {
      const known = peer !== null && gater.isRegistered(peer) ? 'registered' : 'stranger'
      const who = peer === null ? 'unknown' : known
      metrics.increment('hostile_connections', `${sign}, ${who}`)
      logger.info({ peer, address, reason: message }, `connection ended: ${sign}`)
      if (peer !== null) penalise(peer, 'hostile-bytes')
    },
    onWait: (isRegistered) => metrics.increment('reading_slowed', isRegistered ? 'registered' : 'stranger'),
    world,
  })
  let sessions: Promise<SessionMaker> | null = null
  const relayLinks = createRelayLinks({
    networkId,
    isRegistered: gater.isRegistered,
    world,
    sessions: () => (sessions ??= sessionMakerOf(options)),
  })
  const validatorsByTopic = new Map<string, GossipValidator>()
  let isRegistryKnown = false
  let running: Running | null = null
  /** Starts and stops one after the other, whoever asks for them. */
  const changes = createSequence()

  const started = (): Running => {
    if (running === null) throw new SecnodeError('NET_STOPPED', 'the network host is not running')
    return running
  }

  const topicOf = (name: string) => {
    const topic = topicsByName.get(name)
    if (topic === undefined) throw new Error(`topic ${name} was not declared`)
    return topic
  }

  const penalise = (peer: string, code: PenaltyCode): void => {
    reputation.penalise(peer, code)
    metrics.increment('penalties', code)
    if (reputation.points(peer) < banPoints || gater.isBanned(peer)) return
    const isRegistered = gater.isRegistered(peer)
    gater.ban(peer, isRegistered ? registeredBanMs : strangerBanMs)
    metrics.increment('bans', isRegistered ? 'registered' : 'stranger')
    logger.info({ peer, code }, 'peer shut out for a time')
    void running?.node.hangUp(peerIdOfPeerKey(hexToBytes(peer))).catch((error: unknown) => {
      logger.debug({ peer, reason: messageOf(error) }, 'could not hang up')
    })
  }

  const join = ({ router, guard }: Running, name: string, validate: GossipValidator): void =>
    joinTopic(router, { topic: topicOf(name), validate, guard, metrics, logger, onReject: penalise })

  /** Told to close, which takes a while: they count no more, and others do not go in their place. */
  const leaving = new WeakSet<Connection>()

  const occupantOf = async (
    connection: Connection,
    { node }: Running,
    mesh: ReadonlySet<string>,
  ): Promise<Occupant> => {
    const { remotePeer, streams } = connection
    const key = peerKeyOf(remotePeer)
    const peer = key === null ? remotePeer.toString() : bytesToHex(key)
    return {
      connection,
      peer,
      isRegistered: gater.isRegistered(peer),
      hasDuty: requests.hasDuty(peer) || streams.some(isOwnRequest),
      isNeeded: mesh.has(remotePeer.toString()) || (await isNeighbour(node, remotePeer)),
      busyStreams: streams.filter(
        ({ protocol }) => requests.isHandled(protocol) || relayLinks.isHandled(protocol),
      ).length,
      isSpare: node.getConnections(remotePeer)[0] !== connection,
    }
  }

  const isOwnRequest = ({ direction, protocol }: Stream): boolean =>
    direction === 'outbound' && protocol.startsWith(requests.protocolOf('')) && !isDht(protocol)

  /** Closes what is too much, at every new connection. */
  const makeRoom = async (now: Running): Promise<void> => {
    const connections = now.node.getConnections().filter((connection) => !leaving.has(connection))
    if (connections.length <= Math.min(limits.maxRegistered, limits.maxStrangers)) return
    const mesh = new Set(options.topics.flatMap((topic) => now.router.getMeshPeers(topic.name)))
    const occupants = await Promise.all(connections.map((connection) => occupantOf(connection, now, mesh)))
    for (const occupant of surplusOf(occupants, limits)) {
      const { connection, isRegistered } = occupant
      // Another connection may have come while this was found out.
      if (leaving.has(connection)) continue
      leaving.add(connection)
      const door = isRegistered ? 'registered' : 'stranger'
      metrics.increment('connections_displaced', `p2p ${door} ${stageOf(occupant)}`)
      void connection.close().catch((error: Error) => connection.abort(error))
    }
  }

  const start = async (): Promise<void> => {
    if (running !== null) return
    await (rehearsed ??= rehearseGossip(world))
    const gossip = createGossip({
      topics: options.topics,
      allowLoopback,
      reputation,
      world,
      isRegistered: (peer) => !isRegistryKnown || gater.isRegistered(peer),
      onFault: penalise,
      metrics,
    })
    const node = await createLibp2pNode(options, {
      limits,
      gater: gater.libp2p,
      gossip,
      guards,
      world,
    })
    try {
      await node.start()
    } catch (error) {
      await node.stop()
      const { address, port } = options.listen
      throw new SecnodeError(
        'NET_CANNOT_LISTEN',
        `cannot listen on ${address} port ${port}: ${messageOf(error)}`,
        {
          hint: 'Choose another port in the configuration, or stop what uses it.',
          cause: error,
        },
      )
    }
    const stopping = new AbortController()
    setMaxListeners(Infinity, stopping.signal)
    const now: Running = {
      node,
      router: node.services.pubsub as GossipRouter,
      guard: gossip.guard(),
      links: createLinks(node, { metrics, world, idleExtraMs: limits.idleExtraMs }),
      searches: createSearches(node, stopping.signal, { allowLoopback, logger, world }),
      stopping,
    }
    running = now
    node.addEventListener('connection:open', () => void makeRoom(now))
    for (const [name, validate] of validatorsByTopic) join(now, name, validate)
    await requests.serve(node, stopping.signal)
    await relayLinks.serve(node, stopping.signal)
    logger.info({ peer: keys.peerId, addresses: node.getMultiaddrs().map(String) }, 'network host started')
  }

  const stop = async (): Promise<void> => {
    if (running === null) return
    const { node, stopping } = running
    running = null
    stopping.abort(new SecnodeError('NET_STOPPED', 'the network host stops'))
    await node.stop()
    logger.info('network host stopped')
  }

  return {
    peerId: keys.peerId,
    start: () => changes.run(start),
    stop: () => changes.run(stop),
    addresses: () =>
      started()
        .node.getMultiaddrs()
        .map(addressOfMultiaddr)
        .filter((address) => address !== null),
    subscribe: (topic, validate) => {
      const { name } = topicOf(topic)
      if (validatorsByTopic.has(name)) throw new Error(`topic ${name} is subscribed already`)
      validatorsByTopic.set(name, validate)
      if (running !== null) join(running, name, validate)
    },
    publish: async (topic, message) => {
      const { name, maxMessageBytes } = topicOf(topic)
      if (message.length > maxMessageBytes) throw new Error(`message too long for topic ${name}`)
      const { recipients } = await started().router.publish(name, message)
      metrics.increment('gossip_published', name)
      return recipients.length
    },
    handle: async (protocolName, handlerLimits, handler) => {
      requests.add(protocolName, handlerLimits, handler)
      if (running !== null) await requests.serve(running.node, running.stopping.signal, protocolName)
    },
    request: async (...args) => {
      const { links, stopping } = started()
      return requests.request(links, stopping.signal, ...args)
    },
    serveRelay: (linkLimits, handler) => relayLinks.handle(linkLimits, handler),
    openRelayLink: async (...args) => {
      const { links, stopping } = started()
      return relayLinks.open(links, stopping.signal, ...args)
    },
    gates: () => requests.gates(),
    held: () => requests.held(),
    setRegistered: (peers) => {
      isRegistryKnown = peers.size > 0
      gater.setRegistered(peers instanceof Set ? peers : new Set(peers.keys()))
    },
    peers: () => {
      const { node, router } = started()
      return node.getPeers().flatMap((peer): PeerInfo[] => {
        const peerKey = peerKeyOf(peer)
        const connections = node.getConnections(peer)
        const [first] = connections
        if (peerKey === null || first === undefined) return []
        return [
          {
            peerKey,
            peerId: peer.toString(),
            isRegistered: gater.isRegistered(bytesToHex(peerKey)),
            address: addressOfMultiaddr(first.remoteAddr),
            direction: first.direction,
            connections: connections.length,
            score: router.getScore(peer.toString()),
          },
        ]
      })
    },
    registeredPeers: () =>
      started()
        .node.getPeers()
        .filter((peer) => {
          const peerKey = peerKeyOf(peer)
          return peerKey !== null && gater.isRegistered(bytesToHex(peerKey))
        }).length,
    isExpected: (ip) => [...gater.peersAt(ip)].some((peer) => requests.hasDuty(peer)),
    gossipPeers: (topic) => started().router.getSubscribers(topic).length,
    gossipNeighbours: (topic) => started().router.getMeshPeers(topic).length,
    gossipStatus: () =>
      running && { entries: running.guard.memory.entries(), offenders: running.guard.offenders() },
    penalise: (peerKey, code) => penalise(bytesToHex(peerKey), code),
    dial: async (target, { timeoutMs = dialTimeoutMs, signal } = {}) => {
      const { node, links } = started()
      const connections = node.getConnections(peerIdOfPeerKey(target.peerKey))
      if (connections.some((connection) => connection.status === 'open')) return
      await links.connect(target, { dialTimeoutMs: timeoutMs, signal })
    },
    knock: async (target, { timeoutMs = dialTimeoutMs, signal } = {}) => {
      const { links, stopping } = started()
      await links.knock(target, { dialTimeoutMs: timeoutMs, signal: eitherOf(stopping.signal, signal) })
    },
    disconnect: async (peerKey) => {
      await started().node.hangUp(peerIdOfPeerKey(peerKey))
    },
    findPeer: async (...args) => started().searches.findPeer(...args),
    provide: async (...args) => started().searches.provide(...args),
    findProviders: async (...args) => started().searches.findProviders(...args),
    openStreams: (...protocolNames) => {
      const protocols = protocolNames.map(requests.protocolOf)
      const streams = started()
        .node.getConnections()
        .flatMap((connection) => connection.streams)
      return streams.filter((stream) => protocols.length === 0 || protocols.includes(stream.protocol)).length
    },
  }
}

/** Once in each process, in which a library does not change. */
let rehearsed: Promise<void> | null = null

const sessionMakerOf = async ({ keys, networkId, world }: HostOptions): Promise<SessionMaker> =>
  createSessionMaker({ networkId, privateKey: await generateKeyPairFromSeed('Ed25519', keys.seed), world })

const logToll = (logger: Logger, { puzzle, expectedMs }: Toll): void => {
  const { purpose, effort, server } = puzzle
  logger.info(
    { peer: bytesToHex(server), purpose, effort, expectedMs },
    'a node under load asks for work first',
  )
}

interface Running {
  node: Libp2pNode
  router: GossipRouter
  guard: GossipGuard
  links: Links
  searches: Searches
  stopping: AbortController
}

/** The DHT keeps connections to the peers that are next to us in its space, and opens them again when closed. */
const isNeighbour = async (node: Libp2pNode, peer: PeerId): Promise<boolean> => {
  try {
    const { tags } = await node.peerStore.get(peer)
    return [...tags.keys()].some((tag) => tag.startsWith(KEEP_ALIVE))
  } catch {
    return false
  }
}
