import type { Week } from '../ids.ts'
import { type Params, type ParamsSchedule, paramsOfWeek } from '../params.ts'
import type { Steps } from '../steps.ts'
import type { JudgedEpoch, TallyInput } from './input.ts'
import { judgeFlatEpoch } from './flat.ts'
import { judgeEpoch, shareFund, tallyJudged, tallyJudgedInSteps, tallyWeek, type WeekTally } from './v1.ts'

export interface Ruleset {
  number: number
  tally(input: TallyInput): WeekTally
  /** The same from epochs that `judgeEpoch` has judged. */
  tallyJudged(input: TallyInput<JudgedEpoch>): WeekTally
  tallyJudgedInSteps(input: TallyInput<JudgedEpoch>): Steps<WeekTally>
  /** One epoch of it, for whoever explains or checks a single seat. */
  judgeEpoch: typeof judgeEpoch
  /** The same in typed arrays, for whoever judges all of an epoch. */
  judgeFlatEpoch: typeof judgeFlatEpoch
  /** What scores are paid of a fund, for whoever asks what other scores would have been. */
  shareFund: typeof shareFund
}

/** In rising order of number. A ruleset is never changed and never removed: old weeks stay verifiable. */
export const rulesets: readonly Ruleset[] = [
  {
    number: 1,
    tally: tallyWeek,
    tallyJudged,
    tallyJudgedInSteps,
    judgeEpoch,
    judgeFlatEpoch,
    shareFund,
  },
]

/** The highest that this version knows: what probes say of it (R-PROBE-1). */
export const newestRuleset = rulesets.at(-1)!.number

const isKnown = (number: number): boolean => rulesets.some((ruleset) => ruleset.number === number)

/** The ruleset that the parameters of a week name. Throws for one that is not known: `unknownRulesetOf` asks before. */
export const rulesetOf = ({ ruleset }: Pick<Params, 'ruleset'>): Ruleset => {
  const found = rulesets.find(({ number }) => number === ruleset)
  if (found === undefined) throw new Error(`ruleset ${ruleset} is not known to this version`)
  return found
}

/** R-NET-3: the ruleset of a week if this version does not know it, else null. */
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

/** R-NET-3: the one in force in this week, or the next one to come; null if all are known from this week on. */
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
