import { minCommitteeSeats, targetsOf, Verdict } from '../../../protocol/index.ts'
import { seatList } from './checks.ts'
import { namedAddresses } from './named-addresses.ts'
import { isInvalid, silent } from '../seat-words.ts'
import { type SeatVerdicts, wordsOfSeat } from './seat-epoch.ts'

/** How the words of an epoch came to its outcome, in one sentence. */
export const whyOf = (epoch: SeatVerdicts, maxPerPrefix: number): string => {
  const { context, index, judged, outcome } = epoch
  const { attested } = judged
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

const countWords = (epoch: SeatVerdicts) => {
  const counts = { valid: 0, invalid: 0, abstain: 0, silent: 0 }
  for (const { verdict } of wordsOfSeat(epoch)) {
    if (verdict === silent) counts.silent++
    else if (verdict === Verdict.valid) counts.valid++
    else if (isInvalid(verdict)) counts.invalid++
    else counts.abstain++
  }
  return counts
}

/** The targets of which it said otherwise than their majority, or named another address (R-TALLY-2). */
const disagreements = ({ context, index, judged }: SeatVerdicts): string => {
  const seats = targetsOf(context.committees, index)
    .filter((_, i) => judged.agreementOf(index, i) === false)
    .map((target) => context.snapshot[target]!.seat)
  return seats.length === 0 ? 'none' : `it says otherwise about ${seatList(seats)}`
}
