import type { Actor } from './population.ts'

/** Places of an honest node that hogs leave free, while they hold all the others all the time. */
export interface FreePlaces {
  challenge: number
  propose: number
}

/** Where registered peers share the places of a protocol: how many there are, and how many one peer may have. */
const common = {
  challenge: { places: 64, perPeer: 4 },
  propose: { places: 16, perPeer: 2 },
} as const

type Player = Pick<Actor, 'nodes' | 'strategies'>

/** What the actor holds of the common places of a protocol; with a place for each duty there is nothing to hold. */
const holdsCommon = ({ strategies }: Pick<Actor, 'strategies'>, on: keyof FreePlaces): boolean => {
  const hog = strategies.get('hog')
  return hog?.kind === 'hog' && hog.places === 'common' && (hog.on === 'both' || hog.on === on)
}

/** With a place for each duty, no peer can take another's: as if there were no end of them. */
export const freePlaces = (actors: readonly Player[]): FreePlaces => {
  const freeOn = (on: keyof FreePlaces): number => {
    const holders = actors.filter((actor) => holdsCommon(actor, on))
    const { places, perPeer } = common[on]
    const held = holders.reduce((sum, { nodes }) => sum + nodes * perPeer, 0)
    return holders.length === 0 ? Infinity : Math.max(0, places - held)
  }
  return { challenge: freeOn('challenge'), propose: freeOn('propose') }
}

/** Of those, the ones that an actor's own questions find: a hog that has all that one peer may have finds none. */
export const placesFound = (
  free: FreePlaces,
  asker: Pick<Actor, 'strategies'>,
  on: keyof FreePlaces,
): number => (holdsCommon(asker, on) ? 0 : free[on])
