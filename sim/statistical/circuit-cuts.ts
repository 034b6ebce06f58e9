import { type Seat, suspectsOf } from '../../protocol/index.ts'

/** Where a circuit is let fail: at a link while it is built, `null` when it is whole, `undefined` nowhere. */
export type Cut = number | null | undefined

/** What an attacker knows of the places of a path: his, another's, or not reached yet. */
type Place = 'his' | 'other' | 'unknown'

export interface CutPlan {
  /**
   * Where he lets this circuit fail. `isHis` says it of each hop; `wasReached` of the places that an earlier circuit of the
   * transaction reached with the same hop. `left` counts the circuits that may still be tried, this one included.
   */
  cutOf(isHis: readonly boolean[], wasReached: readonly boolean[], left: number): Cut
}

/**
 * The best that an attacker can do who has this share of the hops and wants to be both ends of the circuit that carries
 * the transaction. His hops know of each other's circuits, by the moment alone. At each link, once he knows whose the
 * far end is, one of his hops up to there can let it fail; and once the circuit is whole, any of them. Which hops the
 * client then draws anew is what `suspectsOf` says (R-RELAY-2). He cuts where that makes it likelier that he is both ends
 * in the end, worked out backwards from the last circuit, which he lets go: so no transaction is lost for what he does.
 */
export const createCutPlan = (hops: number, share: number): CutPlan => {
  const seats = Array.from({ length: hops }, (_, i) => i as Seat)
  const known = new Map<string, number>()

  /** What he knows after a cut: of places that are drawn anew, nothing. */
  const afterCut = (places: readonly Place[], link: number | null): Place[] => {
    const suspects = new Set(suspectsOf(seats, link))
    return places.map((place, i) => (suspects.has(seats[i]!) ? 'unknown' : place))
  }

  const isBothEnds = (places: readonly Place[]): boolean => places[0] === 'his' && places.at(-1) === 'his'

  /** The chance that he is both ends in the end, if the circuit is let fail here; none if he cannot. */
  const chanceOfCut = (places: readonly Place[], link: number | null, left: number): number => {
    const reached = link === null ? places : places.slice(0, link + 1)
    if (left <= 1 || !reached.includes('his')) return 0
    return chanceFrom(0, afterCut(places, link), left - 1)
  }

  /** The chance if it is not let fail here, places before `at` known. */
  const chanceFrom = (at: number, places: readonly Place[], left: number): number => {
    if (at === hops) return isBothEnds(places) ? 1 : chanceOfCut(places, null, left)
    const key = `${at} ${left} ${places.join()}`
    const found = known.get(key)
    if (found !== undefined) return found
    const chanceIf = (place: Place): number => {
      const next = places.with(at, place)
      return Math.max(chanceFrom(at + 1, next, left), chanceOfCut(next, at, left))
    }
    const place = places[at]!
    const chance =
      place === 'unknown' ? share * chanceIf('his') + (1 - share) * chanceIf('other') : chanceIf(place)
    known.set(key, chance)
    return chance
  }

  return {
    cutOf: (isHis, wasReached, left) => {
      const actual = isHis.map((his): Place => (his ? 'his' : 'other'))
      let places = actual.map((place, i) => (wasReached[i]! ? place : 'unknown'))
      for (const [at, place] of actual.entries()) {
        places = places.with(at, place)
        // Where both are as good he waits: a cut costs him a hop.
        if (chanceOfCut(places, at, left) > chanceFrom(at + 1, places, left)) return at
      }
      return !isBothEnds(places) && chanceOfCut(places, null, left) > 0 ? null : undefined
    },
  }
}
