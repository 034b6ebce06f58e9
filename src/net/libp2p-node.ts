import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import type { ConnectionGater } from '@libp2p/interface'
import { kadDHT, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { NetworkId } from '../../protocol/index.ts'
import type { NodeKeys } from '../keys/node-key.ts'
import { createBoundedDatastore } from './bounded-datastore.ts'
import type { Gossip, GossipTopic } from './gossip.ts'
import { type Components, type Guards, maxWindowBytes } from './guards/guards.ts'
import { rehearse } from './guards/rehearsal.ts'
import { dhtProtocolOf, isDht, maxAddressesTold, maxProvidersTold } from './guards/stream-rules.ts'
import { isDialable, multiaddrOf, type PeerAddress } from './peer-address.ts'
import { noteLess } from './peer-notes.ts'
import type { World } from '../world.ts'

export interface NodeOptions {
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
  /** The gossip topics that exist; all others are dropped unread. */
  topics: readonly GossipTopic[]
}

export interface NodeLimits {
  /** For an incoming connection to prove its peer id. */
  handshakeTimeoutMs: number
}

export type Libp2pNode = Awaited<ReturnType<typeof createLibp2pNode>>

export const dialTimeoutMs = 5_000

/**
 * libp2p with all that it is made of and every limit that it has, not started. Errors: NET_UNGUARDED (a library does not
 * stop at a limit of ours).
 */
export const createLibp2pNode = async (
  options: NodeOptions,
  parts: { limits: NodeLimits; gater: ConnectionGater; gossip: Gossip; guards: Guards; world: World },
) => {
  const { keys, networkId, allowLoopback, localAddress } = options
  const { limits, gater, gossip, guards, world } = parts
  let isRehearsing = true
  const listen = multiaddrOf({ ip: options.listen.address, port: options.listen.port })
  const made = Promise.withResolvers<Components>()
  const node = await createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', keys.seed),
    // Other peers learn the protocol, not the machine.
    nodeInfo: { name: 'secnode', version: '1', userAgent: 'secnode' },
    // A node provides its evidence of eight weeks, 336 records, each kept by 20 nodes: at 40,000 nodes 6,720 a node.
    datastore: createBoundedDatastore({
      maxEntriesPerKind: 50_000,
      maxProvidersPerPeer: 2_048,
      maxProvidersTold,
    }),
    addresses: {
      listen: [listen.toString()],
      announce: (options.announce ?? []).map((address) => multiaddrOf(address).toString()),
      announceFilter: (addresses) => addresses.filter((address) => isDialable(address, allowLoopback)),
    },
    transports: [
      (components) => {
        guards.upgrader(components.upgrader)
        noteLess(
          components.peerStore,
          components.peerId,
          (protocol) => protocol.startsWith(`/secnode/${networkId}/`) && !isDht(protocol),
        )
        made.resolve(components)
        // An option of net.connect; the types of the transport leave it out.
        return tcp({ dialOpts: (localAddress === undefined ? {} : { localAddress }) as object })(components)
      },
    ],
    connectionEncrypters: [guards.encrypter(noise())],
    streamMuxers: [
      guards.muxer(
        yamux({
          // Requests, gossip, DHT, identify and ping together stay far below.
          maxInboundStreams: 128,
          maxOutboundStreams: 256,
          // Streams that arrive before this side has finished the handshake: gossip, identify, DHT and a few requests.
          maxEarlyStreams: 64,
          streamOptions: {
            maxReadBufferLength: 2_097_152,
            maxWriteBufferLength: 8_388_608,
            inactivityTimeout: 120_000,
            maxStreamWindowSize: maxWindowBytes,
          },
        }),
      ),
    ],
    connectionGater: unlessRehearsing(gater, () => isRehearsing),
    connectionManager: {
      // All three are bounded by the gater and by the host: libp2p refuses the newest before it knows who comes, closes
      // without knowing who is of use, and counts whole IPv6 addresses.
      maxConnections: Infinity,
      maxIncomingPendingConnections: Infinity,
      inboundConnectionThreshold: Infinity,
      inboundUpgradeTimeout: limits.handshakeTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: limits.handshakeTimeoutMs,
      maxParallelDials: 32,
      dialTimeout: dialTimeoutMs,
      // The one who dials has a deadline of his own; this must not be shorter.
      addressDialTimeout: 60_000,
      maxPeerAddrsToDial: 8,
      reconnectRetries: 3,
    },
    connectionMonitor: { pingInterval: 60_000 },
    services: {
      identify: identify({ maxObservedAddresses: 0 }),
      identifyPush: identifyPush(),
      ping: ping(),
      dht: kadDHT({
        protocol: dhtProtocolOf(networkId),
        clientMode: false,
        peerInfoMapper: (peer) => {
          const told = allowLoopback ? passthroughMapper(peer) : removePrivateAddressesMapper(peer)
          return { ...told, multiaddrs: told.multiaddrs.slice(0, maxAddressesTold) }
        },
        maxInboundStreams: 16,
        // Nothing is stored in it but who provides what: no records of any kind are taken.
        validators: { pk: refuseRecord },
      }),
      pubsub: gossip.service,
    },
  })
  await rehearse({ guards, components: await made.promise, networkId, world })
  isRehearsing = false
  return node
}

const refuseRecord = (): never => {
  throw new Error('no records are stored here')
}

/** Connections of the rehearsal come from nowhere: they take no places, and do not count in any rate. */
const unlessRehearsing = (gater: ConnectionGater, isRehearsing: () => boolean): ConnectionGater => ({
  ...gater,
  denyInboundConnection: (connection) =>
    !isRehearsing() && (gater.denyInboundConnection?.(connection) ?? false),
  denyInboundEncryptedConnection: (peer, connection) =>
    !isRehearsing() && (gater.denyInboundEncryptedConnection?.(peer, connection) ?? false),
})
