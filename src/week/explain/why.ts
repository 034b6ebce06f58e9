import {
  challengersOf,
  lastInvalidVerdict,
  minCommitteeSeats,
  targetsOf,
  Verdict,
} from '../../../protocol/index.ts'
import { seatList } from './checks.ts'
import { namedAddresses } from './named-addresses.ts'
import type { SeatEpoch } from './seat-week.ts'

/** How the words of an epoch came to its outcome, in one sentence. */
export const whyOf = (
  epoch: Pick<
    SeatEpoch,
    'context' | 'index' | 'attestations' | 'judged' | 'outcome' | 'attested' | 'sharing'
  >,
  maxPerPrefix: number,
): string => {
  const { context, index, judged, outcome, attested } = epoch
  const { committees } = context
  const { k, size } = committees
  const counts = countWords(epoch)
  switch (outcome) {
    case 'credited':
      return 2 * attested < size
        ? `${counts.valid} of ${k} challengers say valid; only ${attested} of ${size} seats attested, so nothing more was asked`
        : `${counts.valid} of ${k} challengers say valid, and its own verdicts agree with the majority`
    case 'undecided':
      return (
        `${counts.valid} of ${k} challengers say valid, ${counts.invalid} invalid, ${counts.abstain} abstain, ` +
        `${counts.silent} are silent: neither word has more than half`
      )
    case 'undecided: no address': {
      const named = namedAddresses(epoch, index).map(({ ip, namedBy }) => `${ip} ×${namedBy}`)
      return `${counts.valid} of ${k} challengers say valid, but no address is named by more than half: ${named.join(', ')}`
    }
    case 'invalid: address shared': {
      const ip = namedAddresses(epoch, index)[0]?.ip ?? 'its address'
      return `valid, but seen at ${ip} like ${seatList(epoch.sharing)}: one seat per address, the one that most challengers name`
    }
    case 'invalid: prefix full':
      return `valid, but ${maxPerPrefix} seats that more challengers name stand in the same address prefix`
    case 'valid: too few seats':
      return `valid, but ${size} seats are fewer than the ${minCommitteeSeats} without which nothing is credited`
    case 'valid: not attested':
      return `${counts.valid} of ${k} challengers say valid, but no attestation of its own counts`
    case 'valid: abstained':
      return `${counts.valid} of ${k} challengers say valid, but it abstained itself on ${judged.abstentionsOf(index)} of its ${k} targets`
    case 'valid: disagrees':
      return `${counts.valid} of ${k} challengers say valid, but fewer than half of its own verdicts agree with what was decided: ${disagreements(epoch)}`
    default:
      return `${counts.invalid} of ${k} challengers say invalid, most often ${outcome.slice('invalid: '.length)}`
  }
}

const countWords = ({ context, index, judged }: Pick<SeatEpoch, 'context' | 'index' | 'judged'>) => {
  const counts = { valid: 0, invalid: 0, abstain: 0, silent: 0 }
  for (const [i, challenger] of challengersOf(context.committees, index).entries()) {
    const verdict = judged.verdictOf(challenger, i)
    if (verdict === undefined) counts.silent++
    else if (verdict === Verdict.valid) counts.valid++
    else if (verdict <= lastInvalidVerdict) counts.invalid++
    else counts.abstain++
  }
  return counts
}

/** The targets of which it said otherwise than their majority, or named another address (R-TALLY-2). */
const disagreements = ({
  context,
  index,
  judged,
}: Pick<SeatEpoch, 'context' | 'index' | 'judged'>): string => {
  const seats = targetsOf(context.committees, index)
    .filter((_, i) => judged.agreementOf(index, i) === false)
    .map((target) => context.snapshot[target]!.seat)
  return seats.length === 0 ? 'none' : `it says otherwise about ${seatList(seats)}`
}
