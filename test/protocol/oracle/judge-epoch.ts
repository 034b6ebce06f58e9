import {
  createCommittees,
  minCommitteeSeats,
  type Outcome,
  outcomeNames,
  type Params,
  Verdict,
} from '../../../protocol/index.ts'
import type { TallyEpoch } from '../../../protocol/tally/input.ts'
import { addressFaults } from './addresses.ts'
import { classify, undecided } from './classes.ts'

/**
 * R-TALLY-0…4 for one epoch: an outcome for each index of the snapshot, and how many attested. Attestation
 * objects and words, seat by seat: slow, and a second reading of the rules beside the typed arrays of `protocol/`.
 */
export const judgeInWords = (
  epoch: Pick<TallyEpoch, 'beacon' | 'attestations'>,
  params: Pick<Params, 'committee' | 'maxPerPrefix'>,
  attestedInAll?: number,
): { outcomes: Outcome[]; attested: number } => {
  const committees = createCommittees(epoch.beacon, epoch.attestations.length, params.committee)
  const { size, k } = committees
  const judged = classify(epoch, committees)
  const faults = addressFaults(judged, params.maxPerPrefix)
  const attested = attestedInAll ?? judged.attestedCount
  const validityIsEnough = 2 * attested < size

  const outcomeOf = (index: number): Outcome => {
    const decided = judged.classes[index]!
    if (decided === undecided) return 'undecided'
    if (decided !== Verdict.valid) return outcomeNames[decided]!
    const fault = faults.get(index)
    if (fault === 'no address') return 'undecided: no address'
    if (fault !== undefined) return `invalid: ${fault}`
    if (size < minCommitteeSeats) return 'valid: too few seats'
    if (validityIsEnough) return 'credited'
    if (judged.attested[index] === undefined) return 'valid: not attested'
    if (2 * judged.abstentions[index]! > k) return 'valid: abstained'
    return judged.agrees[index] === 1 ? 'credited' : 'valid: disagrees'
  }
  return {
    outcomes: Array.from({ length: size }, (_, index) => outcomeOf(index)),
    attested,
  }
}
