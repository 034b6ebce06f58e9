import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import type { Logger } from 'pino'
import { messageOf } from '../errors.ts'
import { throwIfAborted } from '../async/abort.ts'
import { createDeadline } from '../async/deadline.ts'
import type { World } from '../world.ts'
import type { Libp2pNode } from './libp2p-node.ts'
import {
  addressOfMultiaddr,
  isDialable,
  peerIdOfPeerKey,
  peerKeyOf,
  type PeerAddress,
} from './peer-address.ts'

export interface SearchOptions {
  /** 10 seconds by default. */
  timeoutMs?: number
  signal?: AbortSignal
}

export interface FoundProvider {
  peerKey: Uint8Array
  addresses: PeerAddress[]
}

/** What is asked of the DHT. What was found until time was up is the result; nobody knowing is one, too. */
export interface Searches {
  findPeer(peerKey: Uint8Array, options?: SearchOptions): Promise<PeerAddress[]>
  provide(cid: CID, options?: SearchOptions): Promise<number>
  findProviders(cid: CID, options?: SearchOptions & { maxProviders?: number }): Promise<FoundProvider[]>
}

const defaultTimeoutMs = 10_000

export const createSearches = (
  node: Libp2pNode,
  stopping: AbortSignal,
  {
    allowLoopback,
    logger,
    world,
  }: { allowLoopback: boolean; logger: Logger; world: Pick<World, 'setTimer'> },
): Searches => {
  const { dht } = node.services

  const search = async <T>(
    { timeoutMs = defaultTimeoutMs, signal }: SearchOptions,
    run: (signal: AbortSignal, found: T[]) => Promise<void>,
  ): Promise<T[]> => {
    throwIfAborted(signal)
    const found: T[] = []
    using deadline = createDeadline(world, timeoutMs, stopping, signal)
    try {
      await run(deadline.signal, found)
    } catch (error) {
      throwIfAborted(signal)
      throwIfAborted(stopping)
      logger.debug({ reason: messageOf(error) }, 'search ended early')
    }
    return found
  }

  const dialableOf = (addresses: readonly Multiaddr[]): PeerAddress[] =>
    addresses
      .filter((address) => isDialable(address, allowLoopback))
      .map(addressOfMultiaddr)
      .filter((address) => address !== null)

  return {
    findPeer: async (peerKey, options = {}) => {
      const found = await search<PeerAddress>(options, async (signal, addresses) => {
        // Not from the own address book: the question is where it has gone from there.
        for await (const event of dht.findPeer(peerIdOfPeerKey(peerKey), { signal, useCache: false })) {
          if (event.name === 'FINAL_PEER') addresses.push(...dialableOf(event.peer.multiaddrs))
        }
      })
      return [...new Map(found.map((address) => [`${address.ip} ${address.port}`, address])).values()]
    },
    provide: async (cid, options = {}) => {
      const told = await search<true>(options, async (signal, peers) => {
        for await (const event of dht.provide(cid, { signal })) {
          if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') peers.push(true)
        }
      })
      return told.length
    },
    findProviders: async (cid, { maxProviders = 20, ...options } = {}) =>
      search<FoundProvider>(options, async (signal, providers) => {
        for await (const event of dht.findProviders(cid, { signal })) {
          if (event.name !== 'PROVIDER') continue
          for (const { id, multiaddrs } of event.providers) {
            const peerKey = peerKeyOf(id)
            if (peerKey !== null) providers.push({ peerKey, addresses: dialableOf(multiaddrs) })
            if (providers.length >= maxProviders) return
          }
        }
      }),
  }
}
