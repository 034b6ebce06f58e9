import { isIP } from 'node:net'
import type { Logger } from 'pino'
import { createStream, peerIdOfKey, shuffledIndexes } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import type { Host } from '../net/host.ts'
import type { NamedPeer } from '../net/named-peer.ts'
import type { Toll } from '../net/puzzle-solver.ts'
import { createDnsResolver, resolveObservedAddress } from '../net/resolve.ts'
import type { Provider } from '../week/ports.ts'
import { createProviders } from './providers.ts'
import type { World } from '../world.ts'
import { startAskingHost } from './asking-host.ts'
import type { StoredWeeksOptions } from './stored-week.ts'

export interface NamedPeersOptions {
  network: Network
  peers: readonly NamedPeer[]
  logger: Logger
  world: World
  /** Called when a peer could not be asked. */
  onTrouble: (peer: string, reason: string) => void
  /** The most hashes for one answer of a peer under load (R-PUZ-4). */
  maxEffort?: number
  /** Called before such work that takes long. */
  onToll?: (toll: Toll) => void
}

/** Daemons that somebody named, and those that they know in the DHT, asked by a short-lived host. */
export interface NamedPeers extends AsyncDisposable {
  draw: NonNullable<StoredWeeksOptions['draw']>
}

const dnsTimeoutMs = 5_000
const askTimeoutMs = 20_000

export const openNamedPeers = async (options: NamedPeersOptions): Promise<NamedPeers> => {
  const { network, peers, world } = options
  const host = await startAskingHost(options)
  const providers = createProviders(host, world)
  return {
    async *draw(checkpoint, signal) {
      const order = shuffledIndexes(createStream(world.randomBytes(32)), peers.length)
      for (const index of order) {
        yield withTrouble(providerOfPeer(host, network, peers[index]!), options.onTrouble)
      }
      // Those above were dialled, so the DHT is within reach.
      for await (const provider of providers.of(checkpoint, signal)) {
        yield withTrouble(provider, options.onTrouble)
      }
    },
    [Symbol.asyncDispose]: () => host.stop(),
  }
}

const providerOfPeer = (host: Host, network: Network, peer: NamedPeer): Provider => {
  const { allowLoopback } = network.profile
  const dns = createDnsResolver({ timeoutMs: dnsTimeoutMs })
  return {
    name: `${peer.host}:${peer.port}/${peerIdOfKey(peer.peerKey)}`,
    async ask(protocol, request, maxResponseBytes, signal) {
      const resolution = await resolveObservedAddress(
        peer.host,
        (name, lookup) => (isIP(name) === 0 ? dns(name, lookup) : Promise.resolve([name])),
        { allowLoopback, signal },
      )
      if (resolution.is !== 'ok') throw new SecnodeError('PEER_UNRESOLVED', resolution.detail)
      const address = { ip: resolution.address.ip, port: peer.port }
      return await host.request({ peerKey: peer.peerKey, address }, protocol, request, {
        timeoutMs: askTimeoutMs,
        maxResponseBytes,
        signal,
      })
    },
  }
}

const withTrouble = (provider: Provider, onTrouble: NamedPeersOptions['onTrouble']): Provider => ({
  name: provider.name,
  async ask(...args) {
    try {
      return await provider.ask(...args)
    } catch (error) {
      onTrouble(provider.name, messageOf(error))
      throw error
    }
  },
})
