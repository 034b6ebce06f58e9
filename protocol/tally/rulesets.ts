import type { Committees } from '../committee.ts'
import type { Week } from '../ids.ts'
import { type Params, type ParamsSchedule, paramsOfWeek } from '../params.ts'
import type { Steps } from '../steps.ts'
import type { FlatEpoch, FlatJudgement, FlatPrefixes } from './flat-epoch.ts'
import type { JudgingParams, TallyInput, WeekTally } from './input.ts'
import { agreementOf, classOf, judgeFlatEpoch } from './v1/judge.ts'
import { shareFund, tallyInSteps } from './v1/tally.ts'

/**
 * The rules by which a week is judged and shared out. Code outside `protocol/` cannot name one: it calls `judging.ts`
 * with the parameters of a week.
 */
export interface Ruleset {
  number: number
  /**
   * R-TALLY-0…4. `attestedInAll`: attestations that count in the whole epoch, where `epoch` holds only some of them.
   */
  judgeEpoch(
    committees: Committees,
    epoch: FlatEpoch,
    params: JudgingParams,
    prefixes: FlatPrefixes,
    attestedInAll?: number,
  ): FlatJudgement
  /**
   * R-TALLY-1 for one seat with k challengers, from the verdicts of those that have spoken: 0 valid, 1…9 invalid with
   * this reason, or `undecided`.
   */
  classOf(verdicts: readonly number[], k: number): number
  /** R-TALLY-2 for the i-th verdict of the seat at this position of the ring; null if it does not count. */
  agreementOf(
    committees: Committees,
    epoch: FlatEpoch,
    judgement: FlatJudgement,
    position: number,
    i: number,
  ): boolean | null
  /** R-TALLY-5…7. */
  tallyInSteps(input: TallyInput): Steps<WeekTally>
  /** R-TALLY-5, R-TALLY-6: the amount of each row, in base units, from a fund after `feeReserve`. */
  shareFund(
    rows: readonly { score: number; epochs: number }[],
    fund: bigint,
    params: Pick<Params, 'minAvailability'>,
  ): bigint[]
}

/** In rising order of number. A ruleset is never changed and never removed: old weeks stay verifiable. */
export const rulesets: readonly Ruleset[] = [
  { number: 1, judgeEpoch: judgeFlatEpoch, classOf, agreementOf, tallyInSteps, shareFund },
]

/** The highest number that this version knows: what probes say of it (R-PROBE-1). */
export const newestRuleset = rulesets.at(-1)!.number

const isKnown = (number: number): boolean => rulesets.some((ruleset) => ruleset.number === number)

/**
 * Returns the ruleset that the parameters of a week name. Throws for one that this version does not know: callers ask
 * `unknownRulesetOf` first.
 */
export const rulesetOf = ({ ruleset }: Pick<Params, 'ruleset'>): Ruleset => {
  const found = rulesets.find(({ number }) => number === ruleset)
  if (found === undefined) throw new Error(`ruleset ${ruleset} is not known to this version`)
  return found
}

/** R-NET-3: returns the number of a week's ruleset if this version does not know it, else null. */
export const unknownRulesetOf = (schedule: ParamsSchedule, week: Week): number | null => {
  const { ruleset } = paramsOfWeek(schedule, week)
  return isKnown(ruleset) ? null : ruleset
}

/** A ruleset that the schedule names and this version does not know. */
export interface UnknownRuleset {
  ruleset: number
  /** The first week of its row. */
  from: Week
  isInForce: boolean
}

/** R-NET-3: returns the unknown ruleset in force in this week, else the next one to come; null if there is none. */
export const nextUnknownRuleset = (schedule: ParamsSchedule, week: Week): UnknownRuleset | null => {
  const inForce = Math.max(
    0,
    schedule.findLastIndex(({ from }) => from <= week),
  )
  const index = schedule.findIndex(({ params }, i) => i >= inForce && !isKnown(params.ruleset))
  if (index === -1) return null
  const { from, params } = schedule[index]!
  return { ruleset: params.ruleset, from, isInForce: index === inForce }
}
