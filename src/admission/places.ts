import { createGroups } from './groups.ts'

/**
 * The one rule by which bounded places are shared among peers that are not trusted: places for connections in their
 * handshake, for strangers' connections, for requests that are still being read, for requests that wait. A newcomer gets a
 * place; what decides is which occupant gives way. Pure: no clock and no I/O, the same events at the same times
 * give the same decisions. The state is changed in place.
 */
export interface PlaceRules {
  /** Places in all. */
  maxPlaces: number
  /**
   * Levels of groups, the finest first, such as an address and its network, or a peer. An occupant names one group of
   * each level.
   */
  levels: readonly GroupLevel[]
  /** An occupant younger than this gives way only if no older one could. Milliseconds. */
  graceMs: number
}

export interface GroupLevel {
  /** Places of one group of this level. */
  maxPlaces: number
  /** A group of this level counts as large as one of the finest level that has as many places divided by this. */
  weight: number
}

export interface Occupant<Id> {
  id: Id
  /** One name for each level of the rules, unique among all levels. */
  groups: readonly string[]
  /** How far it has come: of two that could give way, the less advanced does. At `neverGivesWay` none does. */
  progress: number
  sinceMs: number
}

export interface Places<Id> {
  readonly size: number
  has(id: Id): boolean
  /** Places that the group has. */
  of(group: string): number
  /**
   * Gives a place to a newcomer. Returns the occupants that give way to it, at most one for each level and one for the
   * whole; the newcomer itself is among them if there is no other that may give way to it.
   */
  arrive(id: Id, groups: readonly string[], nowMs: number): Id[]
  /** Notes how far an occupant has come. Unknown ids are ignored: they gave way before. */
  advance(id: Id, progress: number): void
  /** Gives the place back. Unknown ids are ignored. */
  leave(id: Id): void
}

/** Progress of an occupant that keeps its place, whoever comes. */
export const neverGivesWay = Infinity

/** With `measure`, how far an occupant has come is asked for when it matters, from 0 on, instead of noted by `advance`. */
export const createPlaces = <Id>(rules: PlaceRules, measure?: (id: Id) => number): Places<Id> => {
  /** In the order in which they came, as are the members of each group. */
  const occupants = new Map<Id, Occupant<Id>>()
  const levels = rules.levels.map((level) => ({ ...level, groups: createGroups<Occupant<Id>>() }))

  const add = (occupant: Occupant<Id>): void => {
    occupants.set(occupant.id, occupant)
    for (const [i, { groups }] of levels.entries()) groups.add(occupant.groups[i]!, occupant)
  }

  const remove = (occupant: Occupant<Id>): void => {
    occupants.delete(occupant.id)
    for (const [i, { groups }] of levels.entries()) groups.remove(occupant.groups[i]!, occupant)
  }

  const progressOf = (occupant: Occupant<Id>): number => measure?.(occupant.id) ?? occupant.progress

  /** The one that gives way: rather one older than the grace, then the least advanced, then the oldest. Oldest first. */
  const leastOf = (candidates: Iterable<Occupant<Id>>, nowMs: number): Occupant<Id> | null => {
    const latestMs = nowMs - rules.graceMs
    let least: Occupant<Id> | null = null
    let leastProgress = neverGivesWay
    for (const occupant of candidates) {
      // All that follow are as young, or did not come before one that has done nothing.
      if (least !== null && (leastProgress === 0 || isBetween(latestMs, least, occupant))) break
      const progress = progressOf(occupant)
      if (progress >= leastProgress) continue
      least = occupant
      leastProgress = progress
    }
    return least
  }

  /** Of the largest groups once the newcomer is counted in; where all of these keep their places, of the next largest. */
  const leastOfLargest = (newcomer: readonly string[], nowMs: number): Occupant<Id> | null => {
    for (let bound = Infinity; ;) {
      const size = largestBelow(bound, newcomer)
      if (size <= 1) return leastOf(occupants.values(), nowMs)
      const least = leastOf(membersOf(groupsOfSize(size, newcomer)), nowMs)
      if (least !== null) return least
      bound = size
    }
  }

  /** Sizes by weight, and the groups of each: those of the newcomer have one more. */
  const sized = function* (newcomer: readonly string[]): Iterable<[number, Iterable<string>]> {
    for (const [i, { groups, weight }] of levels.entries()) {
      const own = newcomer[i]!
      for (const [size, names] of groups.bySize()) yield [size / weight, names]
      const present = groups.membersOf(own).size
      if (present > 0) yield [(present + 1) / weight, [own]]
    }
  }

  const largestBelow = (bound: number, newcomer: readonly string[]): number => {
    let largest = 0
    for (const [size] of sized(newcomer)) if (size < bound && size > largest) largest = size
    return largest
  }

  const groupsOfSize = (wanted: number, newcomer: readonly string[]): Set<string> => {
    const found = new Set<string>()
    for (const [size, names] of sized(newcomer)) {
      if (size === wanted) for (const name of names) found.add(name)
    }
    return found
  }

  const membersOf = function* (names: ReadonlySet<string>): Iterable<Occupant<Id>> {
    for (const occupant of occupants.values()) {
      if (occupant.groups.some((group) => names.has(group))) yield occupant
    }
  }

  return {
    get size() {
      return occupants.size
    },
    has: (id) => occupants.has(id),
    of: (group) => levels.reduce((sum, { groups }) => sum + groups.membersOf(group).size, 0),
    arrive: (id, names, nowMs) => {
      const displaced: Id[] = []
      const hasRoom = (isFull: boolean, find: () => Occupant<Id> | null): boolean => {
        if (!isFull) return true
        const victim = find()
        if (victim === null) return false
        remove(victim)
        displaced.push(victim.id)
        return true
      }
      for (const [i, { maxPlaces, groups }] of levels.entries()) {
        const present = groups.membersOf(names[i]!)
        if (!hasRoom(present.size >= maxPlaces, () => leastOf(present, nowMs))) return [...displaced, id]
      }
      if (!hasRoom(occupants.size >= rules.maxPlaces, () => leastOfLargest(names, nowMs))) {
        return [...displaced, id]
      }
      add({ id, groups: names, progress: 0, sinceMs: nowMs })
      return displaced
    },
    advance: (id, progress) => {
      const occupant = occupants.get(id)
      if (occupant !== undefined) occupant.progress = progress
    },
    leave: (id) => {
      const occupant = occupants.get(id)
      if (occupant !== undefined) remove(occupant)
    },
  }
}

const isBetween = (timeMs: number, one: { sinceMs: number }, other: { sinceMs: number }): boolean =>
  one.sinceMs <= timeMs && other.sinceMs > timeMs
