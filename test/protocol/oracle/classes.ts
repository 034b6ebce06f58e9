import {
  type AttestedVerdicts,
  type Committees,
  compareBytes,
  lastInvalidVerdict,
  Verdict,
} from '../../../protocol/index.ts'
import type { TallyEpoch } from '../../../protocol/tally/input.ts'
import { isWellFormed } from '../../../protocol/attestation.ts'
import { majorityAddresses, type MajorityAddress, significant } from './addresses.ts'

/** 0 valid, 1…9 invalid with this reason, or undecided (R-TALLY-1). */
export const undecided = 255

/** How the challengers' words come out in one epoch. All arrays run over the indexes of the snapshot. */
export interface EpochClasses {
  /** What was said: the attestations that keep the rules (R-TALLY-0). */
  attested: readonly (AttestedVerdicts | undefined)[]
  attestedCount: number
  /** R-TALLY-1. */
  classes: Uint8Array
  /** R-TALLY-3: of each seat whose class is valid the address that more than half of its challengers name, or null. */
  named: readonly (MajorityAddress | null)[]
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
  const named = majorityAddresses(attested, classes, committees)
  const agrees = new Uint8Array(size)
  const abstentions = new Uint8Array(size)
  let attestedCount = 0
  for (let position = 0; position < size; position++) {
    const index = ring[position]!
    const attestation = attested[index]
    if (attestation === undefined) continue
    attestedCount++
    let same = 0
    let judged = 0
    let zeros = 0
    for (let i = 0; i < k; i++) {
      const verdict = attestation.verdicts[i]!
      if (verdict === Verdict.abstain) abstentions[index]!++
      const address = verdict === Verdict.valid ? attestation.addresses[zeros++] : undefined
      const target = ring[(position + 1 + i) % size]!
      const isSame = verdictAgrees(classes[target]!, named[target]!, verdict, address)
      if (isSame === null) continue
      judged++
      if (isSame) same++
    }
    agrees[index] = 2 * same >= judged ? 1 : 0
  }
  return { attested, attestedCount, classes, named, agrees, abstentions }
}

/**
 * R-TALLY-2: whether a verdict, with its address if it is 0, agrees with what was decided of its target: the class, and
 * the address that most name. Null if it does not count.
 */
export const verdictAgrees = (
  decided: number,
  named: MajorityAddress | null,
  verdict: number,
  address: Uint8Array | undefined,
): boolean | null => {
  if (verdict === Verdict.abstain || decided === undecided) return null
  if (decided !== Verdict.valid) return verdict !== Verdict.valid
  if (verdict !== Verdict.valid) return false
  if (named === null) return null
  return address !== undefined && compareBytes(significant(address), named.address) === 0
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
