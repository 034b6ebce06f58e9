import {
  type Committees,
  credited,
  type FlatEpoch,
  lastInvalidVerdict,
  outcomeCode,
  Verdict,
} from '../../protocol/index.ts'

const disagrees = outcomeCode('valid: disagrees')
const undecided = outcomeCode('undecided')

/**
 * A comparator: the outcomes that an epoch would have had if R-TALLY-2 went by the class alone, and an address had no
 * part in it. Made from those that the protocol gives, in place.
 */
export const agreeByClass = (
  committees: Committees,
  { verdicts }: FlatEpoch,
  { outcomes, attested }: { outcomes: Uint8Array; attested: number },
): void => {
  const { size, k, ring } = committees
  // Where fewer than half attested, nobody is asked whether it agrees (R-TALLY-4).
  if (2 * attested < size) return
  const before = outcomes.slice()
  for (let position = 0; position < size; position++) {
    const index = ring[position]!
    if (before[index] !== credited && before[index] !== disagrees) continue
    let judged = 0
    let same = 0
    for (let i = 0; i < k; i++) {
      const verdict = verdicts[position * k + i]!
      const decided = before[ring[(position + 1 + i) % size]!]!
      if (verdict === Verdict.abstain || decided === undecided) continue
      judged++
      if ((verdict === Verdict.valid) === isValid(decided)) same++
    }
    outcomes[index] = 2 * same >= judged ? credited : disagrees
  }
}

/** Whether the class of R-TALLY-1 behind an outcome is valid: R-TALLY-3 may have taken the seat out since. */
const isValid = (outcome: number): boolean => outcome === credited || outcome > lastInvalidVerdict
