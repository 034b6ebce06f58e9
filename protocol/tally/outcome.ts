import { type Verdict, verdictNames } from '../verdict.ts'

/**
 * What an epoch gave a seat: `credited`, or the class and what it lacks. One word per epoch and seat stands in the
 * document, so that nobody needs to ask why.
 */
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

/** `invalid: <the reason's word>` for codes 1 to 9. */
export const invalidOutcomes: readonly Outcome[] = Array.from(
  { length: 10 },
  (_, code): Outcome => `invalid: ${verdictNames[code as Verdict]}`,
)
