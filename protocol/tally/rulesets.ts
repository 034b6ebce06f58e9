import type { Week } from '../ids.ts'
import type { TallyInput } from './input.ts'
import { tallyWeek, type WeekTally } from './v1.ts'

export interface Ruleset {
  number: number
  /** First week it holds for. */
  from: Week
  tally(input: TallyInput): WeekTally
}

/** In rising order of week. A ruleset is never changed and never removed: old weeks stay verifiable. */
export const rulesets: readonly Ruleset[] = [{ number: 1, from: '1970-W01' as Week, tally: tallyWeek }]

export const rulesetOfWeek = (week: Week): Ruleset =>
  rulesets.findLast((ruleset) => ruleset.from <= week) ?? rulesets[0]!
