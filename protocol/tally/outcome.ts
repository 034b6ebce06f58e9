import { type Verdict, verdictNames } from '../verdict.ts'

/** What an epoch gave a seat: `credited`, or the class and what it lacks (R-TALLY-4). */
export type Outcome =
  | 'credited'
  | 'valid: not attested'
  | 'valid: abstained'
  | 'valid: disagrees'
  | 'valid: too few seats'
  | 'undecided'
  | 'undecided: no address'
  | 'invalid: address shared'
  | 'invalid: prefix full'
  | `invalid: ${string}`

/** `invalid: <the reason's word>` for codes 1 to 9; index 0 has no meaning. */
export const invalidOutcomes: readonly Outcome[] = Array.from(
  { length: 10 },
  (_, code): Outcome => `invalid: ${verdictNames[code as Verdict]}`,
)

/**
 * The words of outcomes by code, for all rulesets: 0 is `credited`, 1 … 9 are invalid for the reason of that number
 * (R-VERD-1). Codes stay inside one program; documents carry the words. A ruleset with a new word appends it.
 */
export const outcomeNames: readonly Outcome[] = [
  'credited',
  ...invalidOutcomes.slice(1),
  'undecided',
  'undecided: no address',
  'invalid: address shared',
  'invalid: prefix full',
  'valid: too few seats',
  'valid: not attested',
  'valid: abstained',
  'valid: disagrees',
]

/** The code of an outcome in `outcomeNames`. */
export const outcomeCode = (outcome: Outcome): number => outcomeNames.indexOf(outcome)

/** The code of `credited`. */
export const credited = 0

/** In a seat's week, where the seat was not in the epoch's snapshot. */
export const notInSnapshot = 255

/** The word of a code; null for `notInSnapshot`. */
export const outcomeOf = (code: number): Outcome | null => outcomeNames[code] ?? null
