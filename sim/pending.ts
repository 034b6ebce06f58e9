import { hypergeometric, logChoose } from './closed-forms.ts'

/**
 * How often a week stays pending because too few of its certifiers vote, by the age of the list that they are drawn from
 * (R-CP-2). Honest seats only: a list loses seats to those who leave or change their key, and some are down when it counts.
 */
export interface ListPlan {
  /** Seats of each list when it is made. */
  seats: number
  certifiers: number
  /** P(a seat leaves, or announces another voting key, within a week). Its votes are missing from then on. */
  churn: number
  /** P(a seat is down). */
  offline: number
  /** Views of a window. Each draws certifiers anew where a list has more seats than a view has certifiers. */
  views: number
  /** So many times within a window it is drawn anew who is down; 1: whoever is down is so in all of its views. */
  states: number
}

export interface PendingWeeks {
  /** P(a week stays pending). */
  pending: number
  /** Mean weeks that a run of pending weeks lasts. */
  run: number
  /** Share of weeks whose certifiers are drawn from their own seniors. */
  ownList: number
}

/** Views of a window that are of the same state: as even as can be. */
export const viewsByState = ({ views, states }: Pick<ListPlan, 'views' | 'states'>): number[] =>
  Array.from(
    { length: states },
    (_, i) => Math.floor(((i + 1) * views) / states) - Math.floor((i * views) / states),
  )

/** More than two thirds (R-CP-4). */
export const votesNeeded = (drawn: number): number => Math.floor((2 * drawn) / 3) + 1

/**
 * Exact, for lists of one size and seats that leave and fail independently. `tries` weeks in a row may use a list before
 * a week uses its own seniors: 2 by R-CP-2, 0 for a rule by which every week does.
 *
 * A cycle begins after an anchored week. With P(a) the chance that its first a weeks are pending, and p that a week is
 * with a new list, it holds E = P(1) + … + P(tries) + P(tries) · p / (1 − p) pending weeks and one that is not.
 */
export const pendingWeeks = (plan: ListPlan, tries: number): PendingWeeks => {
  const { seats, churn } = plan
  const failing = failingBySeatsLeft(plan)
  const withNewList = failing[seats]!
  // At [s]: P(all weeks of the cycle so far are pending and s seats of the list are left).
  let left = Float64Array.from({ length: seats + 1 }, (_, s) => (s === seats ? 1 : 0))
  let pendingInCycle = 0
  let isPending = 1
  let first: number | null = null
  for (let age = 1; age <= tries; age++) {
    left = Float64Array.from(afterChurn(left, churn), (chance, s) => chance * failing[s]!)
    isPending = left.reduce((sum, chance) => sum + chance, 0)
    pendingInCycle += isPending
    first ??= isPending
  }
  const afterWayOut = (isPending * withNewList) / (1 - withNewList)
  pendingInCycle += afterWayOut
  first ??= withNewList
  return {
    pending: pendingInCycle / (1 + pendingInCycle),
    run: first === 0 ? 0 : pendingInCycle / first,
    ownList: isPending / (1 - withNewList) / (1 + pendingInCycle),
  }
}

/** At [s]: P(no view of a window has enough votes if s seats of the list are left). */
const failingBySeatsLeft = (plan: ListPlan): Float64Array => {
  const { seats, offline } = plan
  const failsWith = Float64Array.from({ length: seats + 1 }, (_, voters) => viewFails(plan, voters))
  const stretches = viewsByState(plan)
  return Float64Array.from({ length: seats + 1 }, (_, s) =>
    stretches.reduce(
      (chance, views) =>
        chance * meanOver(s, 1 - offline, (voters) => (views === 0 ? 1 : failsWith[voters]! ** views)),
      1,
    ),
  )
}

/** P(of the certifiers of a view too few are among the voters of the list). */
const viewFails = ({ seats, certifiers }: ListPlan, voters: number): number => {
  const drawn = Math.min(seats, certifiers)
  const needed = votesNeeded(drawn)
  if (drawn === seats) return voters < needed ? 1 : 0
  let chance = 0
  for (let votes = 0; votes < needed; votes++) chance += hypergeometric(seats, voters, drawn, votes)
  return Math.min(1, chance)
}

const afterChurn = (left: Float64Array, churn: number): Float64Array => {
  const next = new Float64Array(left.length)
  for (const [before, chance] of left.entries()) {
    if (chance === 0) continue
    for (let s = 0; s <= before; s++) next[s]! += chance * binomial(before, 1 - churn, s)
  }
  return next
}

const meanOver = (trials: number, chance: number, valueOf: (successes: number) => number): number => {
  let mean = 0
  for (let x = 0; x <= trials; x++) {
    const value = valueOf(x)
    if (value > 0) mean += value * binomial(trials, chance, x)
  }
  return mean
}

const binomial = (trials: number, chance: number, successes: number): number => {
  if (chance <= 0) return successes === 0 ? 1 : 0
  if (chance >= 1) return successes === trials ? 1 : 0
  return Math.exp(
    logChoose(trials, successes) + successes * Math.log(chance) + (trials - successes) * Math.log1p(-chance),
  )
}
