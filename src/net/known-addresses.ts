import { LRUCache } from 'lru-cache'
import { groupsOfAddress } from './peer-address.ts'

/** Where registered peers have proved their keys lately: what tells a connection of theirs before its handshake. */
export interface KnownAddresses {
  /** The peer, registered, has just proved its key over a connection with this address at its end. */
  note(peer: string, ip: string): void
  has(ip: string): boolean
  /** Peers that were there. */
  peersAt(ip: string): ReadonlySet<string>
}

/** As many seats as SPEC's arithmetic knows; some 200 bytes each. */
const maxPeers = 40_000

export const createKnownAddresses = (): KnownAddresses => {
  const peersByGroup = new Map<string, Set<string>>()
  const groupByPeer = new LRUCache<string, string>({
    // By size, not by number of entries: so room is taken as it is needed, and none at the start.
    maxSize: maxPeers,
    sizeCalculation: () => 1,
    // Also when a peer is noted elsewhere.
    dispose: (group, peer) => {
      const peers = peersByGroup.get(group)
      peers?.delete(peer)
      if (peers?.size === 0) peersByGroup.delete(group)
    },
  })
  const groupOf = (ip: string): string => groupsOfAddress(ip)[0]

  return {
    note: (peer, ip) => {
      const group = groupOf(ip)
      groupByPeer.set(peer, group)
      peersByGroup.set(group, (peersByGroup.get(group) ?? new Set()).add(peer))
    },
    has: (ip) => peersByGroup.has(groupOf(ip)),
    peersAt: (ip) => peersByGroup.get(groupOf(ip)) ?? new Set(),
  }
}
