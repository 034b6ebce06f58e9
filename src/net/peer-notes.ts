import type { Peer, PeerId, PeerStore } from '@libp2p/interface'

/**
 * At each stream libp2p notes in its peer store that the peer speaks the protocol: a record is read, decoded, written again,
 * on both sides, for a fifth of what a request costs. Of protocols that no part of libp2p asks for (`isOurs`) that is left
 * out; identify notes them all, once for each connection.
 */
export const noteLess = (
  store: Pick<PeerStore, 'merge'>,
  self: PeerId,
  isOurs: (protocol: string) => boolean,
): void => {
  const merge = store.merge.bind(store)
  store.merge = async (peer, data, options) => {
    const { protocols = [], ...others } = data
    const isNeeded = Object.keys(others).length > 0 || !protocols.every(isOurs) || self.equals(peer)
    return isNeeded ? await merge(peer, data, options) : withNothing(peer, protocols)
  }
}

/** What is there if nothing else is known. */
const withNothing = (id: PeerId, protocols: string[]): Peer => ({
  id,
  protocols,
  addresses: [],
  metadata: new Map(),
  tags: new Map(),
})
