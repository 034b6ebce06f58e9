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
import { isDialable, multiaddrOf, type PeerAddress } from './peer-address.ts'

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

/** libp2p with all that it is made of and every limit that it has, not started. */
export const createLibp2pNode = async (
  options: NodeOptions,
  parts: { limits: NodeLimits; gater: ConnectionGater; gossip: Gossip },
) => {
  const { keys, networkId, allowLoopback, localAddress } = options
  const { limits, gater, gossip } = parts
  const listen = multiaddrOf({ ip: options.listen.address, port: options.listen.port })
  return createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', keys.seed),
    // Other peers learn the protocol, not the machine.
    nodeInfo: { name: 'secnode', version: '1', userAgent: 'secnode' },
    // A node provides its evidence of eight weeks, 336 records, each kept by 20 nodes: at 40,000 nodes 6,720 a node.
    datastore: createBoundedDatastore({ maxEntriesPerKind: 50_000, maxProvidersPerPeer: 2_048 }),
    addresses: {
      listen: [listen.toString()],
      announce: (options.announce ?? []).map((address) => multiaddrOf(address).toString()),
      announceFilter: (addresses) => addresses.filter((address) => isDialable(address, allowLoopback)),
    },
    transports: [
      // An option of net.connect; the types of the transport leave it out.
      tcp({ dialOpts: (localAddress === undefined ? {} : { localAddress }) as object }),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [
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
        },
      }),
    ],
    connectionGater: gater,
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
        protocol: `/secnode/${networkId}${dhtSuffix}`,
        clientMode: false,
        peerInfoMapper: allowLoopback ? passthroughMapper : removePrivateAddressesMapper,
        maxInboundStreams: 16,
        // Nothing is stored in it but who provides what: no records of any kind are taken.
        validators: { pk: refuseRecord },
      }),
      pubsub: gossip.service,
    },
  })
}

const dhtSuffix = '/kad/1.0.0'
/** Whether the protocol of a stream is that of the DHT. */
export const isDht = (protocol: string): boolean => protocol.endsWith(dhtSuffix)

const refuseRecord = (): never => {
  throw new Error('no records are stored here')
}
