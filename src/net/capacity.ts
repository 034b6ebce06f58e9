import type { Connection } from '@libp2p/interface'
import { createPlaces } from '../admission/places.ts'

/** What is known of a connection when one has to go. */
export interface Occupant {
  connection: Connection
  /** Hex of the peer's key. */
  peer: string
  isRegistered: boolean
  /** This node owes its peer an answer (R-ADM-1), or waits for one of the peer's own on this connection. */
  hasDuty: boolean
  /** Its peer is of our gossip mesh, or a neighbour in the DHT. */
  isNeeded: boolean
  /** Streams open but those of gossip, identify and ping. */
  busyStreams: number
  /** Its peer has an older one, which carries the gossip. */
  isSpare: boolean
}

export interface CapacityLimits {
  /** Connections of registered peers without duty, in both directions. */
  maxRegistered: number
  /** The same of strangers. */
  maxStrangers: number
}

/**
 * Which connections to close: none of duty, and of the others, strangers and registered peers each by themselves, as many
 * as are too many. The peer with most connections gives way first, as src/admission/places.ts has it; of equals a
 * connection that nothing is asked on, then the oldest.
 */
export const surplusOf = (occupants: readonly Occupant[], limits: CapacityLimits): Occupant[] => [
  ...surplusOfClass(
    occupants.filter(({ isRegistered }) => !isRegistered),
    limits.maxStrangers,
  ),
  ...surplusOfClass(
    occupants.filter(({ isRegistered }) => isRegistered),
    limits.maxRegistered,
  ),
]

const surplusOfClass = (occupants: readonly Occupant[], maxPlaces: number): Occupant[] => {
  const others = occupants.filter(({ hasDuty }) => !hasDuty)
  if (others.length <= maxPlaces) return []
  const rules = { maxPlaces, levels: [{ maxPlaces: Infinity, weight: 1 }], graceMs: 0 }
  const places = createPlaces<Occupant>(rules, worthOf)
  // As if they came now: spare ones first, so that none of them has the place of its peer's gossip, then the oldest.
  return others
    .toSorted((a, b) => Number(b.isSpare) - Number(a.isSpare) || openedMs(a) - openedMs(b))
    .flatMap((occupant) => places.arrive(occupant, [occupant.peer], openedMs(occupant)))
}

const openedMs = ({ connection }: Occupant): number => connection.timeline.open

/** The stages' names, for metrics. */
const stages = ['spare', 'spare in use', 'idle', 'in use', 'needed'] as const

/**
 * One that carries no gossip goes before the peer's oldest, which does: gossip does not move over to another connection of
 * the same peer.
 */
const worthOf = ({ isSpare, busyStreams, isNeeded }: Occupant): number => {
  if (isSpare) return busyStreams === 0 ? 0 : 1
  if (isNeeded) return 4
  return busyStreams === 0 ? 2 : 3
}

export const stageOf = (occupant: Occupant): string => stages[worthOf(occupant)]!
