import { setMaxListeners } from 'node:events'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { NetworkId } from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'
import { noMetrics } from './counters.ts'
import type { Host } from './host.ts'
import { dialTimeoutMs } from './libp2p-node.ts'
import { createLinks } from './links.ts'
import { isDialable } from './peer-address.ts'
import { createRelayLinks } from './relay-links.ts'
import { createSessionMaker } from './sessions.ts'

/**
 * A node that can do nothing but open links to first hops, under a key that is forgotten with it. It listens nowhere, and
 * speaks neither gossip nor DHT nor identify: those would bring it into touch with others, perhaps with the exit of its
 * own circuit, under the very peer id and address that its first hop knows.
 */
export interface RelayClient extends Pick<Host, 'peerId' | 'openRelayLink'>, AsyncDisposable {}

export interface RelayClientOptions {
  networkId: NetworkId
  allowLoopback: boolean
  /** To dial from, on a machine with several. */
  localAddress?: string
  world: World
}

export const startRelayClient = async (options: RelayClientOptions): Promise<RelayClient> => {
  const { networkId, allowLoopback, localAddress, world } = options
  const privateKey = await generateKeyPair('Ed25519')
  const node = await createLibp2p({
    privateKey,
    addresses: { listen: [] },
    transports: [tcp({ dialOpts: (localAddress === undefined ? {} : { localAddress }) as object })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: {
      denyDialMultiaddr: (address) => !isDialable(address, allowLoopback),
      denyInboundConnection: () => true,
    },
    // As long as whoever dials has time.
    connectionManager: { dialTimeout: dialTimeoutMs, addressDialTimeout: 60_000, reconnectRetries: 0 },
    connectionMonitor: { enabled: false },
  })
  const stopping = new AbortController()
  setMaxListeners(Infinity, stopping.signal)
  const links = createLinks(node, { metrics: noMetrics, world, idleExtraMs: 0 })
  const relayLinks = createRelayLinks({
    networkId,
    isRegistered: () => false,
    world,
    sessions: () => Promise.resolve(createSessionMaker({ networkId, privateKey, world })),
  })
  return {
    peerId: node.peerId.toString(),
    openRelayLink: async (...args) => await relayLinks.open(links, stopping.signal, ...args),
    async [Symbol.asyncDispose]() {
      stopping.abort(new SecnodeError('NET_STOPPED', 'the network host stops'))
      await node.stop()
    },
  }
}
