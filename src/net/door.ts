import type { Logger } from 'pino'
import { createPlaces, type PlaceRules } from '../admission/places.ts'
import type { World } from '../world.ts'
import type { NetMetrics } from './counters.ts'
import { createDisplacedLog } from './displaced-log.ts'
import { groupsOfAddress } from './peer-address.ts'

export interface DoorOptions<Id> {
  /** What it is called in metrics and logs. */
  name: string
  places: DoorPlaces
  /** What the stages of a connection are called, from having done nothing on. */
  stages: readonly string[]
  /** At which of them it is: an index, or `neverGivesWay`. Asked when places are short. */
  stageOf: (id: Id) => number
  /** Ends a connection that gives way, at no fault of its peer. */
  close: (id: Id) => void
  world: Pick<World, 'monotonicMs'>
  metrics: NetMetrics
  logger: Pick<Logger, 'debug'>
}

export interface DoorPlaces {
  maxPlaces: number
  /** Of one address (IPv6: of one /64); its network, a /24 or a /48, has `networkFactor` times as many. */
  maxPerAddress: number
}

/** Bounded places for connections that are not trusted: the rule of src/admission/places.ts by address and network. */
export interface Door<Id> {
  readonly size: number
  readonly isFull: boolean
  has(id: Id): boolean
  /** Gives a place to a newcomer, and ends those that give way. False if none may: then the newcomer is to be ended. */
  admit(id: Id, ip: string): boolean
  /** Gives the place back. Idempotent. */
  leave(id: Id): void
}

/**
 * A network of ISPs, universities or data centres holds many owners, so it has four times the places of an address before
 * it counts as large as one; and who rents a whole /24 or /48 has those and no more.
 */
export const networkFactor = 4
/** A handshake takes three round trips: at 250 ms each with a lost packet it is done within this. */
const graceMs = 2_000

export const createDoor = <Id>(options: DoorOptions<Id>): Door<Id> => {
  const { name, stages, stageOf, metrics } = options
  const places = createPlaces<Id>(rulesOf(options.places), stageOf)
  const groupsById = new Map<Id, readonly string[]>()
  const log = createDisplacedLog(options)

  const forget = (id: Id): readonly string[] => {
    const groups = groupsById.get(id) ?? []
    groupsById.delete(id)
    return groups
  }

  const displace = (id: Id): void => {
    metrics.increment('connections_displaced', `${name} ${stages[stageOf(id)] ?? 'kept'}`)
    log.note(forget(id)[0] ?? '')
    options.close(id)
  }

  return {
    get size() {
      return places.size
    },
    get isFull() {
      return places.size >= options.places.maxPlaces
    },
    has: (id) => places.has(id),
    admit: (id, ip) => {
      const groups = groupsOfAddress(ip)
      groupsById.set(id, groups)
      const displaced = places.arrive(id, groups, options.world.monotonicMs())
      for (const other of displaced) if (other !== id) displace(other)
      if (places.has(id)) return true
      forget(id)
      metrics.increment('connections_refused', `${name} full`)
      return false
    },
    leave: (id) => {
      places.leave(id)
      forget(id)
    },
  }
}

const rulesOf = ({ maxPlaces, maxPerAddress }: DoorPlaces): PlaceRules => ({
  maxPlaces,
  levels: [
    { maxPlaces: maxPerAddress, weight: 1 },
    { maxPlaces: networkFactor * maxPerAddress, weight: networkFactor },
  ],
  graceMs,
})
