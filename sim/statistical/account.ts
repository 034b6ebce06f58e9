import {
  coin,
  credited,
  outcomeNames,
  lastInvalidVerdict,
  type Params,
  shareFund,
} from '../../protocol/index.ts'
import { concentrationOf } from '../concentration.ts'
import type { Actor, Population } from '../population.ts'
import {
  chainCoverage,
  committeeCapture,
  committeeStall,
  grindingGain,
  majoritySucceeds,
} from '../closed-forms.ts'
import type { DrawnBeacon } from './beacons.ts'
import type { Certification } from './certification.ts'
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
  /** `equivocators` marks nodes (by 1) with a proof in this week. */
  weekOver(week: number, membership: Membership, equivocators?: Uint8Array): void
  rows: WeekRow[]
  measures(certification: Pick<Certification, 'fates' | 'views'>): Measures
}

export const createAccount = (population: Population, params: Params, fundCoins: number): Account => {
  const { actors, nodes, addressOf, networkOf, operatorOf, regionOf } = population
  /** By actor and outcome. */
  const counts = actors.map(() => new Float64Array(outcomeNames.length))
  /** The same of nodes that were up and on the larger side of no partition. */
  const countsUp = actors.map(() => new Float64Array(outcomeNames.length))
  const falsePasses = new Float64Array(actors.length)
  const paidOfNode = new Float64Array(nodes)
  /** By actor: coins for credits that were false passes. */
  const stolen = new Float64Array(actors.length)
  /** By actor: weeks of its seats, and those with a proof of equivocation. */
  const seatWeeks = new Uint32Array(actors.length)
  const provedWeeks = new Uint32Array(actors.length)
  const firstSeen = new Int32Array(nodes).fill(-1)
  const firstCaught = new Int32Array(nodes).fill(-1)
  /** By node of an attacker and outcome. */
  const firstWith = new Int32Array(nodes * outcomeNames.length).fill(-1)
  /** By seat, of the running week: credits, and epochs in whose snapshot it was. */
  let scores = new Uint32Array(nodes)
  let spans = new Uint32Array(nodes)
  let falseScores = new Uint32Array(nodes)
  const rows: WeekRow[] = []
  const captures = { honest: 0, captured: 0, expectedCaptured: 0, stalled: 0, expectedStalled: 0 }
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
        falseScores = grown(falseScores, 2 * lastSeat)
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
        if (outcome === credited && (!isUp || !holdsChain(actors[actor]!))) {
          falsePasses[actor]!++
          falseScores[seat]!++
        }
        if (firstSeen[node] === -1) firstSeen[node] = ring.epoch
        if (outcome >= 1 && outcome <= lastInvalidVerdict && firstCaught[node] === -1)
          firstCaught[node] = ring.epoch
        if (actors[actor]!.isAttacker && firstWith[node * outcomeNames.length + outcome] === -1)
          firstWith[node * outcomeNames.length + outcome] = ring.epoch
      }
      const honest = size - attackers
      const chance = chancesOf(size, attackers, ring.committees.k)
      captures.honest += honest
      captures.captured += drawn.captured
      captures.expectedCaptured += honest * chance.captured
      captures.stalled += drawn.stalled
      captures.expectedStalled += honest * chance.stalled
      beacons.epochs++
      beacons.liked += drawn.isLiked ? 1 : 0
      beacons.likedAtFirst += drawn.isLikedAtFirst ? 1 : 0
      beacons.discarded += drawn.discarded
    },
    weekOver: (week, membership, equivocators) => {
      const seats = [...spans.keys()].filter((seat) => spans[seat]! > 0)
      const tallied = seats.map((seat) => {
        const node = membership.nodeOfSeat(seat)
        const isProved = equivocators?.[node] === 1
        seatWeeks[population.actorOf[node]!]!++
        if (isProved) provedWeeks[population.actorOf[node]!]!++
        // R-TALLY-5.
        return { score: isProved ? 0 : scores[seat]!, epochs: spans[seat]! }
      })
      const amounts = shareFund(tallied, BigInt(fundCoins) * coin, params)
      const paid = new Float64Array(actors.length)
      const sums = actors.map(() => ({ credits: 0, epochs: 0 }))
      for (const [i, seat] of seats.entries()) {
        const node = membership.nodeOfSeat(seat)
        const coins = Number(amounts[i]!) / Number(coin)
        const actor = population.actorOf[node]!
        paidOfNode[node]! += coins
        paid[actor]! += coins
        if (coins > 0) stolen[actor]! += (coins * falseScores[seat]!) / scores[seat]!
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
      falseScores.fill(0)
    },
    measures: ({ fates, views }) => {
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
        measures[at('stolenCoinsPerWeek')] = ratio(stolen[actor.index]!, weeks)
        measures[at('usdPerStolenCoin')] = ratio(actor.usdPerWeek * weeks, stolen[actor.index]!)
        measures[at('creditRate')] = ratio(counted[credited]!, epochs)
        const part = actor.strategies.get('partial-chain')
        if (part?.kind === 'partial-chain') {
          const answers = chainCoverage(part.kept, params.samples)
          measures[at('creditRate.closedForm')] = majoritySucceeds(answers, params.committee)
        }
        measures[at('falsePassesPerWeek')] = ratio(falsePasses[actor.index]!, weeks)
        for (const [code, outcome] of outcomeNames.entries()) {
          if (code !== credited && counted[code]! > 0)
            measures[at(`rate ${outcome}`)] = counted[code]! / epochs
        }
        if (!actor.isAttacker) continue
        if (actor.strategies.has('twin'))
          measures[at('equivocatorShare')] = ratio(provedWeeks[actor.index]!, seatWeeks[actor.index]!)
        const caught = delaysOf(actor, firstSeen, (node) => firstCaught[node]!)
        measures[at('detectedShare')] = ratio(caught.length, actor.nodes)
        measures[at('detectionEpochs')] = ratio(
          caught.reduce((sum, delay) => sum + delay, 0),
          caught.length,
        )
        for (const [code, outcome] of outcomeNames.entries()) {
          if (code === credited || counted[code] === 0) continue
          const delays = delaysOf(actor, firstSeen, (node) => firstWith[node * outcomeNames.length + code]!)
          measures[at(`epochs until ${outcome}`)] = ratio(sumAll(delays), delays.length)
        }
      }
      const honest = actors.filter(({ isAttacker }) => !isAttacker).map(({ index }) => countsUp[index]!)
      const honestEpochs = sumAll(honest.map((counted) => sumAll([...counted])))
      const failed = honest.map((counted) => sumAll([...counted.subarray(1, lastInvalidVerdict + 1)]))
      measures['honestUp.epochs'] = honestEpochs
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
      measures['committee.captured'] = ratio(captures.captured, captures.honest)
      measures['committee.captured.closedForm'] = ratio(captures.expectedCaptured, captures.honest)
      measures['committee.stalled'] = ratio(captures.stalled, captures.honest)
      measures['committee.stalled.closedForm'] = ratio(captures.expectedStalled, captures.honest)
      measures['certificate.captured'] = ratio(views.captured, views.opened)
      measures['certificate.captured.closedForm'] = ratio(views.expectedCaptured, views.opened)
      measures['certificate.stalled'] = ratio(views.stalled, views.opened)
      measures['certificate.stalled.closedForm'] = ratio(views.expectedStalled, views.opened)
      measures['beacons.liked'] = ratio(beacons.liked, beacons.epochs)
      const byNature = ratio(beacons.likedAtFirst, beacons.epochs)
      measures['beacons.likedByNature'] = byNature
      const grinding = actors.flatMap(({ strategies }) => strategies.get('grind') ?? [])[0]
      if (grinding?.kind === 'grind' && byNature !== null)
        measures['beacons.liked.closedForm'] = byNature * grindingGain(grinding.minerShare, byNature)
      measures['beacons.discardedPerEpoch'] = ratio(beacons.discarded, beacons.epochs)
      for (const [name, keyOf] of [
        ['operator', (node: number) => operatorOf[node]!],
        ['prefix24', (node: number) => addressOf[node]! >>> 8],
        ['prefix16', (node: number) => addressOf[node]! >>> 16],
        ['network', (node: number) => networkOf[node]!],
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

/** Epochs from its first snapshot to an epoch, of each node that has one (others have -1). */
const delaysOf = ({ first, nodes }: Actor, seen: Int32Array, epochOf: (node: number) => number): number[] => {
  const delays: number[] = []
  for (let node = first; node < first + nodes; node++) {
    if (epochOf(node) !== -1) delays.push(epochOf(node) - seen[node]!)
  }
  return delays
}

/** The population seldom changes between epochs: the last value is kept. */
const chancesOf = (() => {
  let last = { size: -1, attackers: -1, k: -1, captured: 0, stalled: 0 }
  return (size: number, attackers: number, k: number): { captured: number; stalled: number } => {
    if (last.size !== size || last.attackers !== attackers || last.k !== k) {
      const captured = committeeCapture(size, attackers, k)
      last = { size, attackers, k, captured, stalled: committeeStall(size, attackers, k) }
    }
    return last
  }
})()
