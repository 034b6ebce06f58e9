import { coin, flatOutcomes, lastInvalidVerdict, type Params, shareFund } from '../../protocol/index.ts'
import { concentrationOf } from '../concentration.ts'
import type { Actor, Population } from '../population.ts'
import { committeeCapture } from '../closed-forms.ts'
import type { DrawnBeacon } from './beacons.ts'
import type { WeekFate } from './certification.ts'
import type { Membership } from './membership.ts'
import type { Ring } from './ring.ts'

/** Numbers of one run by name. Null: there was nothing to measure. */
export type Measures = Record<string, number | null>

/** One week of a run: for timelines. */
export interface WeekRow {
  week: number
  /** Coins paid to each actor. */
  paid: Record<string, number>
  /** Credits of each actor's nodes over the epochs in whose snapshot they were. */
  creditRate: Record<string, number | null>
}

export interface Account {
  epoch(ring: Ring, seats: Uint32Array, outcomes: Uint8Array, drawn: DrawnBeacon): void
  weekOver(week: number, membership: Membership): void
  rows: WeekRow[]
  measures(fates: readonly WeekFate[]): Measures
}

const credited = flatOutcomes.indexOf('credited')

export const createAccount = (population: Population, params: Params, fundCoins: number): Account => {
  const { actors, nodes, addressOf, operatorOf, regionOf } = population
  /** By actor and outcome. */
  const counts = actors.map(() => new Float64Array(flatOutcomes.length))
  /** The same of nodes that were up and on the larger side of no partition. */
  const countsUp = actors.map(() => new Float64Array(flatOutcomes.length))
  const falsePasses = new Float64Array(actors.length)
  const paidOfNode = new Float64Array(nodes)
  const firstSeen = new Int32Array(nodes).fill(-1)
  const firstCaught = new Int32Array(nodes).fill(-1)
  /** By seat, of the running week: credits, and epochs in whose snapshot it was. */
  let scores = new Uint32Array(nodes)
  let spans = new Uint32Array(nodes)
  const rows: WeekRow[] = []
  const captures = { seen: 0, honest: 0, expected: 0 }
  const beacons = { epochs: 0, liked: 0, likedAtFirst: 0, discarded: 0 }

  return {
    rows,
    epoch: (ring, seats, outcomes, drawn) => {
      const { size, ring: indexes } = ring.committees
      let attackers = 0
      // Seats rise along a snapshot, and there are more of them than nodes where nodes come and go.
      const lastSeat = seats.at(-1)!
      if (lastSeat >= spans.length) {
        scores = grown(scores, 2 * lastSeat)
        spans = grown(spans, 2 * lastSeat)
      }
      for (let position = 0; position < size; position++) {
        const index = indexes[position]!
        const outcome = outcomes[index]!
        const actor = ring.actorAt[position]!
        const node = ring.nodeAt[position]!
        const seat = seats[index]!
        counts[actor]![outcome]!++
        if (actors[actor]!.isAttacker) attackers++
        const isUp = ring.isUp[position] === 1
        if (isUp) countsUp[actor]![outcome]!++
        spans[seat]!++
        if (outcome === credited) scores[seat]!++
        if (outcome === credited && (!isUp || !holdsChain(actors[actor]!))) falsePasses[actor]!++
        if (firstSeen[node] === -1) firstSeen[node] = ring.epoch
        if (outcome >= 1 && outcome <= lastInvalidVerdict && firstCaught[node] === -1)
          firstCaught[node] = ring.epoch
      }
      const honest = size - attackers
      captures.seen += drawn.captured
      captures.honest += honest
      captures.expected += honest * captureChance(size, attackers, ring.committees.k)
      beacons.epochs++
      beacons.liked += drawn.isLiked ? 1 : 0
      beacons.likedAtFirst += drawn.isLikedAtFirst ? 1 : 0
      beacons.discarded += drawn.discarded
    },
    weekOver: (week, membership) => {
      const seats = [...spans.keys()].filter((seat) => spans[seat]! > 0)
      const tallied = seats.map((seat) => ({ score: scores[seat]!, epochs: spans[seat]! }))
      const amounts = shareFund(tallied, BigInt(fundCoins) * coin, params.minAvailability)
      const paid = new Float64Array(actors.length)
      const sums = actors.map(() => ({ credits: 0, epochs: 0 }))
      for (const [i, seat] of seats.entries()) {
        const node = membership.nodeOfSeat(seat)
        const coins = Number(amounts[i]!) / Number(coin)
        const actor = population.actorOf[node]!
        paidOfNode[node]! += coins
        paid[actor]! += coins
        sums[actor]!.credits += tallied[i]!.score
        sums[actor]!.epochs += tallied[i]!.epochs
      }
      const byName = <T>(valueOf: (actor: Actor) => T): Record<string, T> =>
        Object.fromEntries(actors.map((actor) => [actor.name, valueOf(actor)]))
      rows.push({
        week,
        paid: byName(({ index }) => paid[index]!),
        creditRate: byName(({ index }) => ratio(sums[index]!.credits, sums[index]!.epochs)),
      })
      scores.fill(0)
      spans.fill(0)
    },
    measures: (fates) => {
      const weeks = rows.length
      const paidBy = actors.map((actor) => sumOf(paidOfNode, actor))
      const paid = paidBy.reduce((sum, amount) => sum + amount, 0)
      const usd = actors.reduce((sum, { usdPerWeek }) => sum + usdPerWeek, 0)
      const measures: Measures = {}
      for (const actor of actors) {
        const at = (measure: string): string => `${measure}.${actor.name}`
        const own = paidBy[actor.index]!
        const counted = counts[actor.index]!
        const epochs = counted.reduce((sum, n) => sum + n, 0)
        measures[at('nodes')] = actor.nodes
        measures[at('stakeShare')] = ratio(actor.nodes, nodes)
        measures[at('payoutShare')] = ratio(own, paid)
        measures[at('costShare')] = ratio(actor.usdPerWeek, usd)
        measures[at('costUsdPerWeek')] = actor.usdPerWeek
        measures[at('coinsPerWeek')] = ratio(own, weeks)
        measures[at('usdPerCoin')] = ratio(actor.usdPerWeek * weeks, own)
        measures[at('creditRate')] = ratio(counted[credited]!, epochs)
        measures[at('falsePassesPerWeek')] = ratio(falsePasses[actor.index]!, weeks)
        for (const [code, outcome] of flatOutcomes.entries()) {
          if (code !== credited && counted[code]! > 0)
            measures[at(`rate ${outcome}`)] = counted[code]! / epochs
        }
        if (!actor.isAttacker) continue
        const caught = caughtOf(actor, firstSeen, firstCaught)
        measures[at('detectedShare')] = ratio(caught.length, actor.nodes)
        measures[at('detectionEpochs')] = ratio(
          caught.reduce((sum, delay) => sum + delay, 0),
          caught.length,
        )
      }
      const honest = actors.filter(({ isAttacker }) => !isAttacker).map(({ index }) => countsUp[index]!)
      const honestEpochs = sumAll(honest.map((counted) => sumAll([...counted])))
      const failed = honest.map((counted) => sumAll([...counted.subarray(1, lastInvalidVerdict + 1)]))
      measures['honestUp.wronglyFailed'] = ratio(sumAll(failed), honestEpochs)
      measures['honestUp.uncredited'] = ratio(
        honestEpochs - sumAll(honest.map((counted) => counted[credited]!)),
        honestEpochs,
      )
      measures['weeks.total'] = fates.length
      measures['weeks.delayed'] = fates.filter(({ view }) => view !== null && view > 0).length
      measures['weeks.pending'] = fates.filter(({ view }) => view === null).length
      measures['weeks.captured'] = fates.filter(({ isCaptured }) => isCaptured).length
      const certified = fates.flatMap(({ blocks }) => (blocks === null ? [] : [blocks]))
      measures['weeks.blocksToCertificate'] = ratio(sumAll(certified), certified.length)
      measures['committee.captured'] = ratio(captures.seen, captures.honest)
      measures['committee.captured.closedForm'] = ratio(captures.expected, captures.honest)
      measures['beacons.liked'] = ratio(beacons.liked, beacons.epochs)
      measures['beacons.likedByNature'] = ratio(beacons.likedAtFirst, beacons.epochs)
      measures['beacons.discardedPerEpoch'] = ratio(beacons.discarded, beacons.epochs)
      for (const [name, keyOf] of [
        ['operator', (node: number) => operatorOf[node]!],
        ['prefix24', (node: number) => addressOf[node]! >>> 8],
        ['prefix16', (node: number) => addressOf[node]! >>> 16],
        ['region', (node: number) => regionOf[node]!],
      ] as const) {
        const held = new Map<number, number>()
        for (let node = 0; node < nodes; node++)
          held.set(keyOf(node), (held.get(keyOf(node)) ?? 0) + paidOfNode[node]!)
        const { hhi, entropyBits, nakamoto } = concentrationOf(held.values())
        measures[`concentration.${name}.hhi`] = hhi
        measures[`concentration.${name}.entropyBits`] = entropyBits
        measures[`concentration.${name}.nakamoto`] = nakamoto
      }
      return measures
    },
  }
}

const grown = (values: Uint32Array, length: number): Uint32Array<ArrayBuffer> => {
  const larger = new Uint32Array(length)
  larger.set(values)
  return larger
}

/** Whether each of its nodes has a chain of its own, as an honest one has. */
const holdsChain = ({ strategies }: Actor): boolean =>
  !strategies.has('shared-copy') && !strategies.has('partial-chain') && !strategies.has('absent')

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)

const sumAll = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

const sumOf = (values: Float64Array, { first, nodes }: Actor): number =>
  values.subarray(first, first + nodes).reduce((sum, value) => sum + value, 0)

/** Epochs until each node that was ever found invalid was. */
const caughtOf = ({ first, nodes }: Actor, seen: Int32Array, caught: Int32Array): number[] => {
  const delays: number[] = []
  for (let node = first; node < first + nodes; node++) {
    if (caught[node] !== -1) delays.push(caught[node]! - seen[node]!)
  }
  return delays
}

/** The population seldom changes between epochs: the last value is kept. */
const captureChance = (() => {
  let last = { size: -1, attackers: -1, k: -1, chance: 0 }
  return (size: number, attackers: number, k: number): number => {
    if (last.size !== size || last.attackers !== attackers || last.k !== k) {
      last = { size, attackers, k, chance: committeeCapture(size, attackers, k) }
    }
    return last.chance
  }
})()
