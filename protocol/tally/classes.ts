import type { Committees } from '../committee.ts'
import { isWellFormed } from '../attestation.ts'
import { lastInvalidVerdict, Verdict } from '../verdict.ts'
import type { AttestedVerdicts, TallyEpoch } from './input.ts'

/** 0 valid, 1…9 invalid with this reason, or undecided (R-TALLY-1). */
export const undecided = 255

/** How the challengers' words come out in one epoch. All arrays run over the indexes of the snapshot. */
export interface EpochClasses {
  /** What was said: the attestations that keep the rules (R-TALLY-0). */
  attested: readonly (AttestedVerdicts | undefined)[]
  attestedCount: number
  /** R-TALLY-1. */
  classes: Uint8Array
  /** R-TALLY-2: 1 if the seat agrees, as a challenger. */
  agrees: Uint8Array
  /** Abstentions in the seat's own attestation. */
  abstentions: Uint8Array
}

/**
 * R-TALLY-0…2. Positions on the ring are walked by number: a week of the largest network has 18 million verdicts, and
 * a list of committee members for each of them would cost more than the judging.
 */
export const classify = (epoch: Pick<TallyEpoch, 'attestations'>, committees: Committees): EpochClasses => {
  const { size, k, ring } = committees
  const attested = epoch.attestations.map((attestation) =>
    attestation !== undefined && attestation.verdicts.length === k && isWellFormed(attestation)
      ? attestation
      : undefined,
  )
  const classes = new Uint8Array(size)
  const counts = new Uint32Array(lastInvalidVerdict + 1)
  for (let position = 0; position < size; position++) {
    counts.fill(0)
    for (let i = 0; i < k; i++) {
      const verdict = attested[ring[(position + size - 1 - i) % size]!]?.verdicts[i]
      if (verdict !== undefined && verdict <= lastInvalidVerdict) counts[verdict]!++
    }
    classes[ring[position]!] = classOf(counts, k)
  }
  const agrees = new Uint8Array(size)
  const abstentions = new Uint8Array(size)
  let attestedCount = 0
  for (let position = 0; position < size; position++) {
    const index = ring[position]!
    const verdicts = attested[index]?.verdicts
    if (verdicts === undefined) continue
    attestedCount++
    let same = 0
    let judged = 0
    for (let i = 0; i < k; i++) {
      const verdict = verdicts[i]!
      if (verdict === Verdict.abstain) {
        abstentions[index]!++
        continue
      }
      const decided = classes[ring[(position + 1 + i) % size]!]!
      if (decided === undecided) continue
      judged++
      if ((verdict === Verdict.valid) === (decided === Verdict.valid)) same++
    }
    agrees[index] = 2 * same >= judged ? 1 : 0
  }
  return { attested, attestedCount, classes, agrees, abstentions }
}

/** `counts[code]` of k assigned challengers: more than half of all assigned decide, whoever kept silent. */
const classOf = (counts: Uint32Array, k: number): number => {
  if (2 * counts[Verdict.valid]! > k) return Verdict.valid
  let invalid = 0
  let reason = 0
  for (let code = 1; code <= lastInvalidVerdict; code++) {
    invalid += counts[code]!
    if (reason === 0 ? counts[code]! > 0 : counts[code]! > counts[reason]!) reason = code
  }
  return 2 * invalid > k ? reason : undecided
}
