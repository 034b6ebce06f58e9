import type { Connection } from '@libp2p/interface'

/** What is known of a connection when one has to go. */
export interface Occupant {
  connection: Connection
  isRegistered: boolean
  /** Its peer is of our gossip mesh, or a neighbour in the DHT. */
  isNeeded: boolean
  /** Streams open but those of gossip, identify and ping. */
  busyStreams: number
  /** Its peer has an older one, which carries the gossip. */
  isSpare: boolean
}

/**
 * Which connections to close so that at most `maxConnections` stay: strangers first, then those beside another one of
 * the same peer, then the oldest. Those in use or needed stay, so too many may be left for a while.
 */
export const surplusOf = (occupants: readonly Occupant[], maxConnections: number): Occupant[] => {
  const surplus = occupants.length - maxConnections
  if (surplus <= 0) return []
  return occupants
    .filter((occupant) => occupant.busyStreams === 0 && (!occupant.isNeeded || occupant.isSpare))
    .sort((a, b) => worth(a) - worth(b) || a.connection.timeline.open - b.connection.timeline.open)
    .slice(0, surplus)
}

const worth = (occupant: Occupant): number => (occupant.isRegistered ? 2 : 0) + (occupant.isSpare ? 0 : 1)
