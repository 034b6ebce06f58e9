/**
 * The one rule by which bounded places are shared among peers that are not trusted: places for connections in their
 * handshake, for strangers' connections, for requests that are still being read, for requests that wait. A newcomer always
 * gets a place; what decides is which occupant gives way. Pure: no clock and no I/O, the same events at the same times
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
  /** How far it has come: of two that could give way, the less advanced does. */
  progress: number
  sinceMs: number
}

export interface Places<Id> {
  readonly size: number
  has(id: Id): boolean
  /** Places that the group has. */
  of(group: string): number
  /** Gives a place to a newcomer. Returns the occupants that give way to it, at most one for each level and one for the whole. */
  arrive(id: Id, groups: readonly string[], nowMs: number): Id[]
  /** Notes how far an occupant has come. Unknown ids are ignored: they gave way before. */
  advance(id: Id, progress: number): void
  /** Gives the place back. Unknown ids are ignored. */
  leave(id: Id): void
}

export const createPlaces = <Id>(rules: PlaceRules): Places<Id> => {
  const occupants = new Map<Id, Occupant<Id>>()
  /** In the order in which they came. */
  const membersByGroup = rules.levels.map(() => new Map<string, Set<Occupant<Id>>>())

  const membersOf = (level: number, group: string): ReadonlySet<Occupant<Id>> =>
    membersByGroup[level]!.get(group) ?? noMembers

  const add = (occupant: Occupant<Id>): void => {
    occupants.set(occupant.id, occupant)
    for (const [level, members] of membersByGroup.entries()) {
      const group = occupant.groups[level]!
      const present = members.get(group) ?? new Set()
      members.set(group, present.add(occupant))
    }
  }

  const remove = (occupant: Occupant<Id>): void => {
    occupants.delete(occupant.id)
    for (const [level, members] of membersByGroup.entries()) {
      const group = occupant.groups[level]!
      const present = members.get(group)
      present?.delete(occupant)
      if (present?.size === 0) members.delete(group)
    }
  }

  /** The one that gives way: rather an older than the grace, then the least advanced, then the oldest. */
  const leastOf = (candidates: Iterable<Occupant<Id>>, nowMs: number): Occupant<Id> | null => {
    let least: Occupant<Id> | null = null
    for (const occupant of candidates) if (least === null || isLess(occupant, least, nowMs)) least = occupant
    return least
  }

  const isLess = (one: Occupant<Id>, other: Occupant<Id>, nowMs: number): boolean => {
    const latestMs = nowMs - rules.graceMs
    const isYoung = one.sinceMs > latestMs
    if (isYoung !== other.sinceMs > latestMs) return !isYoung
    return one.progress !== other.progress
      ? one.progress < other.progress
      : // Of equals the one that came first, as the order of the map has it.
        one.sinceMs < other.sinceMs
  }

  /** Occupants of the groups that are largest once the newcomer is counted in. */
  const ofLargest = (groups: readonly string[]): Iterable<Occupant<Id>> => {
    let largest = 0
    let found: ReadonlySet<Occupant<Id>>[] = []
    for (const [level, members] of membersByGroup.entries()) {
      const { weight } = rules.levels[level]!
      for (const [group, present] of members) {
        const size = (present.size + (groups[level] === group ? 1 : 0)) / weight
        if (size < largest) continue
        if (size > largest) found = []
        largest = size
        found.push(present)
      }
    }
    return largest > 1 ? found.flatMap((present) => [...present]) : occupants.values()
  }

  return {
    get size() {
      return occupants.size
    },
    has: (id) => occupants.has(id),
    of: (group) => membersByGroup.reduce((sum, members) => sum + (members.get(group)?.size ?? 0), 0),
    arrive: (id, groups, nowMs) => {
      const displaced: Id[] = []
      const displace = (victim: Occupant<Id> | null): void => {
        if (victim === null) return
        remove(victim)
        displaced.push(victim.id)
      }
      for (const [level, { maxPlaces }] of rules.levels.entries()) {
        const present = membersOf(level, groups[level]!)
        if (present.size >= maxPlaces) displace(leastOf(present, nowMs))
      }
      if (occupants.size >= rules.maxPlaces) displace(leastOf(ofLargest(groups), nowMs))
      add({ id, groups, progress: 0, sinceMs: nowMs })
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

const noMembers: ReadonlySet<never> = new Set()
