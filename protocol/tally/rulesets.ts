import type { Week } from '../ids.ts'
import type { Steps } from '../steps.ts'
import type { JudgedEpoch, TallyInput } from './input.ts'
import { judgeFlatEpoch } from './flat.ts'
import { judgeEpoch, shareFund, tallyJudged, tallyJudgedInSteps, tallyWeek, type WeekTally } from './v1.ts'

export interface Ruleset {
  number: number
  /** First week it holds for. */
  from: Week
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

/** In rising order of week. A ruleset is never changed and never removed: old weeks stay verifiable. */
export const rulesets: readonly Ruleset[] = [
  {
    number: 1,
    from: '1970-W01' as Week,
    tally: tallyWeek,
    tallyJudged,
    tallyJudgedInSteps,
    judgeEpoch,
    judgeFlatEpoch,
    shareFund,
  },
]

/** The highest that this software knows: what probes say of it (R-PROBE-1). */
export const newestRuleset = rulesets.at(-1)!.number

export const rulesetOfWeek = (week: Week): Ruleset =>
  rulesets.findLast((ruleset) => ruleset.from <= week) ?? rulesets[0]!
