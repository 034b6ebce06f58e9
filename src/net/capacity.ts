import type { Connection } from '@libp2p/interface'

/** What is known of a connection when one has to go. */
export interface Occupant {
  connection: Connection
  isRegistered: boolean
  /** Shut out meanwhile. */
  isBanned: boolean
  /** Its peer passes gossip on for us. */
  isInMesh: boolean
  /** Streams open but those of gossip, identify and ping. */
  busyStreams: number
  /** Its peer has another connection. */
  isSpare: boolean
}

/**
 * Which connections to close so that at most `maxConnections` stay: the banned, then strangers, then spare ones, then
 * the oldest idle ones. Those in use and those of the gossip mesh stay, so there may be too many left for a while.
 */
export const surplusOf = (occupants: readonly Occupant[], maxConnections: number): Occupant[] => {
  const banned = occupants.filter((occupant) => occupant.isBanned)
  const surplus = occupants.length - banned.length - maxConnections
  if (surplus <= 0) return banned
  const idle = occupants
    .filter(
      (occupant) =>
        !occupant.isBanned && occupant.busyStreams === 0 && (!occupant.isInMesh || occupant.isSpare),
    )
    .sort((a, b) => worth(a) - worth(b) || a.connection.timeline.open - b.connection.timeline.open)
  return [...banned, ...idle.slice(0, surplus)]
}

const worth = (occupant: Occupant): number => (occupant.isRegistered ? 2 : 0) + (occupant.isSpare ? 0 : 1)
