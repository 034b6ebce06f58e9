import { setMaxListeners } from 'node:events'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@libp2p/yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { kadDHT, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import type { CID } from 'multiformats/cid'
import type { Logger } from 'pino'
import { bytesToHex, hexToBytes, type NetworkId } from '../../protocol/index.ts'
import { SecnodeError, messageOf } from '../errors.ts'
import type { NodeKeys } from '../keys/node-key.ts'
import type { World } from '../world.ts'
import { createBoundedDatastore } from './bounded-datastore.ts'
import { surplusOf } from './capacity.ts'
import { noMetrics, type NetMetrics } from './counters.ts'
import { answer, ask, exchangeErrorOf } from './exchange.ts'
import { createGater } from './gater.ts'
import {
  createGossipService,
  joinTopic,
  type GossipRouter,
  type GossipTopic,
  type GossipValidator,
} from './gossip.ts'
import { createLinks, throwIfAborted, type Links, type RequestTarget } from './links.ts'
import {
  addressOfMultiaddr,
  isDialable,
  multiaddrOf,
  peerIdOfPeerKey,
  peerKeyOf,
  type PeerAddress,
} from './peer-address.ts'
import { banPoints, createReputation, type PenaltyCode } from './reputation.ts'

export interface HostOptions {
  keys: NodeKeys
  networkId: NetworkId
  /** Literal address and port to listen on; port 0 takes any. */
  listen: { address: string; port: number }
  /** What to tell others; without it, the addresses that are listened on. */
  announce?: readonly PeerAddress[]
  /** Local networks: loopback addresses are stored, announced and dialled like global ones. */
  allowLoopback: boolean
  /** Outgoing connections come from this address. */
  localAddress?: string | undefined
  /** The topics that exist; all others are dropped unread. */
  topics: readonly GossipTopic[]
  logger: Logger
  world: World
  metrics?: NetMetrics
  limits?: Partial<HostLimits>
}

export interface HostLimits {
  /** Above it, idle connections are closed to make room. */
  maxConnections: number
  maxStrangers: number
  maxStrangersPerAddress: number
  maxPendingPerAddress: number
  maxConnectionsPerPeer: number
  /** New connections per second and address, before anything is known of them. */
  maxNewPerSecondPerAddress: number
  /** For an incoming connection to prove its peer id. */
  handshakeTimeoutMs: number
}

// A node talks to its 11 targets and 11 challengers, a gossip mesh of 8 for each topic, and the neighbours of the DHT:
// about 60 at a time. A third of the places for strangers: newcomers who sync, and tools.
const defaultLimits: HostLimits = {
  maxConnections: 200,
  maxStrangers: 64,
  maxStrangersPerAddress: 4,
  maxPendingPerAddress: 16,
  maxConnectionsPerPeer: 4,
  maxNewPerSecondPerAddress: 5,
  handshakeTimeoutMs: 5_000,
}

export interface HandlerLimits {
  maxRequestBytes: number
  maxResponseBytes: number
  /** From the opening of the stream to the last byte of the answer. */
  timeoutMs: number
  maxConcurrentPerPeer: number
  maxConcurrent: number
  /** What is answered above the limits; without it the stream is reset. */
  busy?: Uint8Array
}

export interface RequestContext {
  /** Ed25519, 32 bytes; proved by the handshake. */
  peerKey: Uint8Array
  isRegistered: boolean
  /** Aborted when time is up or the host stops. */
  signal: AbortSignal
}

export type RequestHandler = (request: Uint8Array, context: RequestContext) => Promise<Uint8Array>

export interface RequestOptions {
  /** For the exchange, once connected. */
  timeoutMs: number
  maxResponseBytes: number
  /** For the connection, if there is none; 5 seconds by default. */
  dialTimeoutMs?: number
  signal?: AbortSignal
}

export interface PeerInfo {
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

/** A node on the network: everything that moves bytes between peers, and nothing of what they mean. */
export interface Host {
  start(): Promise<void>
  stop(): Promise<void>
  peerId: string
  /** Where it listens, once started. */
  addresses(): PeerAddress[]
  /** Takes part in one of the topics. Before or after the start, once for each topic. */
  subscribe(topic: string, validate: GossipValidator): void
  /** To everybody; how many peers it was sent to. */
  publish(topic: string, message: Uint8Array): Promise<number>
  /** Answers requests on `/secnode/<networkId>/<protocolName>`. Before or after the start. */
  handle(protocolName: string, limits: HandlerLimits, handler: RequestHandler): Promise<void>
  /**
   * One request, one answer. With an address, only a connection dialled to that very address will do. Errors:
   * NET_UNREACHABLE (no connection: refused, no route, another peer there), NET_UNABLE (this side could not even try:
   * no verdict, R-FAULT-1), NET_TIMEOUT (connected, no answer in time), NET_CLOSED (reset or end), NET_TOO_LARGE,
   * NET_PROTOCOL_UNSUPPORTED, NET_ABORTED, NET_STOPPED.
   */
  request(
    target: RequestTarget,
    protocolName: string,
    request: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array>
  /** Keys (hex) of the peers that have reserved places. */
  setRegistered(peers: ReadonlySet<string> | ReadonlyMap<string, unknown>): void
  peers(): PeerInfo[]
  /** How many connected peers take part in the topic. */
  gossipPeers(topic: string): number
  penalise(peerKey: Uint8Array, code: PenaltyCode): void
  /** Connects, unless there is a connection already; errors as of `request`. */
  dial(target: RequestTarget, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<void>
  disconnect(peerKey: Uint8Array): Promise<void>
  /** Where others say that the peer is now, asked of the DHT. Empty if nobody knows in time. */
  findPeer(peerKey: Uint8Array, options: SearchOptions): Promise<PeerAddress[]>
  /** Tells the DHT that this node has the content; to how many peers. */
  provide(cid: CID, options: SearchOptions): Promise<number>
  /** Peers that say they have the content, at most `maxProviders` (20), as many as are found in time. */
  findProviders(cid: CID, options: SearchOptions & { maxProviders?: number }): Promise<FoundProvider[]>
  /** Streams open on all connections, of these request protocols or of everything, gossip included. */
  openStreams(...protocolNames: readonly string[]): number
}

export interface SearchOptions {
  timeoutMs: number
  signal?: AbortSignal
}

export interface FoundProvider {
  peerKey: Uint8Array
  addresses: PeerAddress[]
}

const defaultDialTimeoutMs = 5_000
const minuteMs = 60_000
// A stranger who misbehaves stays out for an hour. A registered peer only for five minutes: it must be able to put its
// challenge, or it would call this node unreachable.
const strangerBanMs = 60 * minuteMs
const registeredBanMs = 5 * minuteMs

export const createHost = (options: HostOptions): Host => {
  const { keys, networkId, allowLoopback, logger, world } = options
  const metrics = options.metrics ?? noMetrics
  const limits = { ...defaultLimits, ...options.limits }
  const topicsByName = new Map(options.topics.map((topic) => [topic.name, topic]))
  const reputation = createReputation(world)
  const gater = createGater({ limits, allowLoopback, world, metrics })
  const validatorsByTopic = new Map<string, GossipValidator>()
  const handlersByProtocol = new Map<string, { limits: HandlerLimits; handler: RequestHandler }>()
  let running: Running | null = null
  let changing: Promise<void> = Promise.resolve()

  const started = (): Running => {
    if (running === null) throw new SecnodeError('NET_STOPPED', 'the network host is not running')
    return running
  }

  const protocolOf = (protocolName: string): string => `/secnode/${networkId}/${protocolName}`

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

  /** Closes what is too much, at every new connection. */
  const makeRoom = (): void => {
    if (running === null) return
    const { node, router } = running
    const mesh = new Set(options.topics.flatMap((topic) => router.getMeshPeers(topic.name)))
    const occupants = node.getConnections().map((connection) => {
      const key = peerKeyOf(connection.remotePeer)
      const peer = key === null ? '' : bytesToHex(key)
      return {
        connection,
        isRegistered: gater.isRegistered(peer),
        isInMesh: mesh.has(connection.remotePeer.toString()),
        busyStreams: connection.streams.filter((stream) => handlersByProtocol.has(stream.protocol)).length,
        isSpare: node.getConnections(connection.remotePeer)[0] !== connection,
      }
    })
    for (const occupant of surplusOf(occupants, limits.maxConnections)) {
      metrics.increment('connections_trimmed', occupant.isRegistered ? 'registered' : 'stranger')
      void occupant.connection.close().catch((error: Error) => occupant.connection.abort(error))
    }
  }

  const join = (router: GossipRouter, name: string, validate: GossipValidator): void => {
    const topic = topicsByName.get(name)
    if (topic === undefined) throw new Error(`topic ${name} was not declared`)
    joinTopic(router, {
      topic,
      metrics,
      logger,
      validate,
      onReject: penalise,
    })
  }

  const register = async (node: Libp2p, protocol: string): Promise<void> => {
    const entry = handlersByProtocol.get(protocol)
    if (entry === undefined) return
    const open = createOpenCount()
    await node.handle(protocol, (stream, connection) => serve(stream, connection, entry, open), {
      // Some more than are answered, so that the rest can be told that we are busy.
      maxInboundStreams: 2 * entry.limits.maxConcurrentPerPeer + 8,
      maxOutboundStreams: maxOutboundStreams,
    })
  }

  const serve = async (
    stream: Stream,
    connection: Connection,
    { limits: own, handler }: { limits: HandlerLimits; handler: RequestHandler },
    open: OpenCount,
  ): Promise<void> => {
    const peerKey = peerKeyOf(connection.remotePeer)
    if (peerKey === null || running === null) {
      stream.abort(new Error('not served'))
      return
    }
    const peer = bytesToHex(peerKey)
    const isBusy = open.of(peer) >= own.maxConcurrentPerPeer || open.all() >= own.maxConcurrent
    if (isBusy && own.busy === undefined) {
      metrics.increment('requests_served', 'busy')
      stream.abort(new Error('busy'))
      return
    }
    const signal = AbortSignal.any([running.stopping.signal, AbortSignal.timeout(own.timeoutMs)])
    setMaxListeners(Infinity, signal)
    if (!isBusy) open.add(peer, 1)
    try {
      const { busy } = own
      const work =
        isBusy && busy !== undefined
          ? async () => busy
          : (request: Uint8Array) =>
              handler(request, { peerKey, isRegistered: gater.isRegistered(peer), signal })
      await answer(stream, { ...own, signal }, work)
      metrics.increment('requests_served', isBusy ? 'busy' : 'ok')
    } catch (error) {
      const { code } = exchangeErrorOf(error)
      metrics.increment('requests_served', code)
      logger.debug(
        { peer, protocol: stream.protocol, code, reason: messageOf(error) },
        'request not answered',
      )
    } finally {
      if (!isBusy) open.add(peer, -1)
    }
  }

  const start = async (): Promise<void> => {
    if (running !== null) return
    const node = await createNode(options, { limits, gater, reputation })
    const router = node.services.pubsub as GossipRouter
    const stopping = new AbortController()
    setMaxListeners(Infinity, stopping.signal)
    try {
      await node.start()
    } catch (error) {
      await node.stop()
      throw new SecnodeError(
        'NET_CANNOT_LISTEN',
        `cannot listen on ${options.listen.address} port ${options.listen.port}: ${messageOf(error)}`,
        {
          hint: 'Choose another port in the configuration, or stop what uses it.',
          cause: error,
        },
      )
    }
    running = { node, router, links: createLinks(node, metrics), stopping }
    node.addEventListener('connection:open', makeRoom)
    for (const [name, validate] of validatorsByTopic) join(router, name, validate)
    for (const protocol of handlersByProtocol.keys()) await register(node, protocol)
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

  /** Starts and stops one after the other, whoever asks for them. */
  const inTurn = (change: () => Promise<void>): Promise<void> => {
    changing = changing.then(change, change)
    return changing
  }

  const search = async <T>(
    { timeoutMs, signal }: SearchOptions,
    run: (signal: AbortSignal, found: T[]) => Promise<void>,
  ): Promise<T[]> => {
    const { stopping } = started()
    throwIfAborted(signal)
    const all = [AbortSignal.timeout(timeoutMs), stopping.signal, ...(signal === undefined ? [] : [signal])]
    const ends = AbortSignal.any(all)
    setMaxListeners(Infinity, ends)
    const found: T[] = []
    try {
      await run(ends, found)
    } catch (error) {
      throwIfAborted(signal)
      // What was found until time was up is the result; nobody knowing is one, too.
      logger.debug({ reason: messageOf(error) }, 'search ended early')
    }
    return found
  }

  const dialableOf = (addresses: readonly Parameters<typeof addressOfMultiaddr>[0][]): PeerAddress[] =>
    addresses
      .filter((address) => isDialable(address, allowLoopback))
      .map(addressOfMultiaddr)
      .filter((address) => address !== null)

  return {
    peerId: keys.peerId,
    start: () => inTurn(start),
    stop: () => inTurn(stop),
    addresses: () =>
      started()
        .node.getMultiaddrs()
        .map(addressOfMultiaddr)
        .filter((address) => address !== null),
    subscribe: (topic, validate) => {
      if (!topicsByName.has(topic)) throw new Error(`topic ${topic} was not declared`)
      validatorsByTopic.set(topic, validate)
      if (running !== null) join(running.router, topic, validate)
    },
    publish: async (topic, message) => {
      const declared = topicsByName.get(topic)
      if (declared === undefined) throw new Error(`topic ${topic} was not declared`)
      if (message.length > declared.maxMessageBytes) throw new Error(`message too long for topic ${topic}`)
      const { recipients } = await started().router.publish(topic, message)
      metrics.increment('gossip_published', topic)
      return recipients.length
    },
    handle: async (protocolName, handlerLimits, handler) => {
      const protocol = protocolOf(protocolName)
      if (handlersByProtocol.has(protocol)) throw new Error(`${protocolName} is handled already`)
      handlersByProtocol.set(protocol, { limits: handlerLimits, handler })
      if (running !== null) await register(running.node, protocol)
    },
    request: async (
      target,
      protocolName,
      request,
      { timeoutMs, maxResponseBytes, dialTimeoutMs, signal },
    ) => {
      const { links, stopping } = started()
      const given = signal === undefined ? [stopping.signal] : [stopping.signal, signal]
      const interrupt = AbortSignal.any(given)
      try {
        const { stream, release } = await links.openStream(target, protocolOf(protocolName), {
          dialTimeoutMs: dialTimeoutMs ?? defaultDialTimeoutMs,
          openTimeoutMs: timeoutMs,
          maxStreams: maxOutboundStreams,
          signal: interrupt,
        })
        const ends = AbortSignal.any([interrupt, AbortSignal.timeout(timeoutMs)])
        setMaxListeners(Infinity, ends)
        try {
          const response = await ask(stream, request, { maxResponseBytes, signal: ends })
          metrics.increment('requests_sent', 'ok')
          return response
        } catch (error) {
          throwIfAborted(interrupt)
          throw exchangeErrorOf(error)
        } finally {
          release()
        }
      } catch (error) {
        metrics.increment('requests_sent', error instanceof SecnodeError ? error.code : 'failed')
        throw error
      }
    },
    setRegistered: (peers) => gater.setRegistered(peers instanceof Set ? peers : new Set(peers.keys())),
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
    gossipPeers: (topic) => started().router.getSubscribers(topic).length,
    penalise: (peerKey, code) => penalise(bytesToHex(peerKey), code),
    dial: async (target, { timeoutMs = defaultDialTimeoutMs, signal } = {}) => {
      const { node, links } = started()
      const connections = node.getConnections(peerIdOfPeerKey(target.peerKey))
      if (connections.some((connection) => connection.status === 'open')) return
      await links.connect(target, { dialTimeoutMs: timeoutMs, signal })
    },
    disconnect: async (peerKey) => {
      await started().node.hangUp(peerIdOfPeerKey(peerKey))
    },
    findPeer: async (peerKey, searchOptions) => {
      const { node } = started()
      const found = await search<PeerAddress>(searchOptions, async (signal, addresses) => {
        // Not from the own address book: the question is where it has gone from there.
        for await (const event of node.services.dht.findPeer(peerIdOfPeerKey(peerKey), {
          signal,
          useCache: false,
        })) {
          if (event.name === 'FINAL_PEER') addresses.push(...dialableOf(event.peer.multiaddrs))
        }
      })
      return [...new Map(found.map((address) => [`${address.ip} ${address.port}`, address])).values()]
    },
    provide: async (cid, searchOptions) => {
      const { node } = started()
      const told = await search<true>(searchOptions, async (signal, peers) => {
        for await (const event of node.services.dht.provide(cid, { signal })) {
          if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') peers.push(true)
        }
      })
      return told.length
    },
    findProviders: async (cid, { maxProviders = 20, ...searchOptions }) => {
      const { node } = started()
      return search<FoundProvider>(searchOptions, async (signal, providers) => {
        for await (const event of node.services.dht.findProviders(cid, { signal })) {
          if (event.name !== 'PROVIDER') continue
          for (const { id, multiaddrs } of event.providers) {
            const peerKey = peerKeyOf(id)
            if (peerKey !== null) providers.push({ peerKey, addresses: dialableOf(multiaddrs) })
            if (providers.length >= maxProviders) return
          }
        }
      })
    },
    openStreams: (...protocolNames) => {
      const protocols = protocolNames.map(protocolOf)
      const streams = started()
        .node.getConnections()
        .flatMap((connection) => connection.streams)
      return streams.filter((stream) => protocols.length === 0 || protocols.includes(stream.protocol)).length
    },
  }
}

interface Running {
  node: Awaited<ReturnType<typeof createNode>>
  router: GossipRouter
  links: Links
  stopping: AbortController
}

const maxOutboundStreams = 64

const refuseRecord = (): never => {
  throw new Error('no records are stored here')
}

interface OpenCount {
  of(peer: string): number
  all(): number
  add(peer: string, change: 1 | -1): void
}

const createOpenCount = (): OpenCount => {
  const countByPeer = new Map<string, number>()
  let total = 0
  return {
    of: (peer) => countByPeer.get(peer) ?? 0,
    all: () => total,
    add: (peer, change) => {
      total += change
      const count = (countByPeer.get(peer) ?? 0) + change
      if (count === 0) countByPeer.delete(peer)
      else countByPeer.set(peer, count)
    },
  }
}

const createNode = async (
  options: HostOptions,
  parts: {
    limits: HostLimits
    gater: ReturnType<typeof createGater>
    reputation: ReturnType<typeof createReputation>
  },
) => {
  const { keys, networkId, allowLoopback, localAddress } = options
  const { limits } = parts
  return createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', keys.seed),
    // Other peers learn the protocol, not the machine.
    nodeInfo: { name: 'secnode', version: '1', userAgent: 'secnode' },
    datastore: createBoundedDatastore({ maxEntriesPerKind: 50_000, maxProvidersPerPeer: 2_048 }),
    addresses: {
      listen: [multiaddrOf({ ip: options.listen.address, port: options.listen.port }).toString()],
      announce: (options.announce ?? []).map((address) => multiaddrOf(address).toString()),
      announceFilter: (addresses) => addresses.filter((address) => isDialable(address, allowLoopback)),
    },
    transports: [
      tcp({
        // In the options of net.connect; the types of the transport leave it out.
        dialOpts: (localAddress === undefined ? {} : { localAddress }) as object,
      }),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        // Requests, gossip, DHT, identify and ping together stay far below.
        maxInboundStreams: 128,
        maxOutboundStreams: 256,
        streamOptions: {
          maxReadBufferLength: 2_097_152,
          maxWriteBufferLength: 8_388_608,
          inactivityTimeout: 120_000,
        },
      }),
    ],
    connectionGater: parts.gater.libp2p,
    connectionManager: {
      // Far above our own limit: libp2p refuses before it knows who comes, and closes without knowing who is of use.
      maxConnections: 4 * limits.maxConnections,
      maxIncomingPendingConnections: 256,
      inboundConnectionThreshold: limits.maxNewPerSecondPerAddress,
      inboundUpgradeTimeout: limits.handshakeTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: limits.handshakeTimeoutMs,
      maxParallelDials: 32,
      dialTimeout: defaultDialTimeoutMs,
      addressDialTimeout: defaultDialTimeoutMs,
      maxPeerAddrsToDial: 8,
      reconnectRetries: 3,
    },
    connectionMonitor: { pingInterval: minuteMs },
    services: {
      identify: identify({ maxObservedAddresses: 0 }),
      identifyPush: identifyPush(),
      ping: ping(),
      dht: kadDHT({
        protocol: `/secnode/${networkId}/kad/1.0.0`,
        clientMode: false,
        peerInfoMapper: allowLoopback ? passthroughMapper : removePrivateAddressesMapper,
        maxInboundStreams: 16,
        // Nothing is stored in it but who provides what: no records of any kind are taken.
        validators: { pk: refuseRecord },
      }),
      pubsub: createGossipService({ topics: options.topics, reputation: parts.reputation, allowLoopback }),
    },
  })
}
