import {
  type Attestation,
  challengersOf,
  createEpochJudging,
  decodeAttestation,
  type JudgedVerdicts,
  lastInvalidVerdict,
  type Outcome,
  outcomeCode,
  outcomeNames,
  type Seat,
} from '../../../protocol/index.ts'
import type { EpochContext } from '../epoch-book.ts'
import type { EpochCheck } from './epoch-check.ts'

/** R-TALLY-0…4 over what the file shows, and over the verifier's own store where that holds as much. */
export const verifyOutcome = (epoch: EpochCheck): void => {
  const { setting, context, claimed, index, isFixed, shownBySeat, knownSeats, line } = epoch
  const { equivocators, isAnchored } = setting
  // What stands under the root of an anchored week counts, whatever was proved of the seat since.
  const isVoid = (seat: Seat): boolean => equivocators.has(seat) && !isAnchored
  const judged = judgedOf(
    context,
    (seat) => (isVoid(seat) ? undefined : shownBySeat.get(seat)?.attestation),
    claimed.attested,
  )
  const counted = judged.attested
  const isWhole = context.snapshot.every(({ seat }) => shownBySeat.has(seat) || knownSeats.has(seat))
  const most = context.snapshot.length - context.snapshot.filter(({ seat }) => isVoid(seat)).length
  if (claimed.attested < counted || claimed.attested > most) {
    line('fails', 'attested', `${claimed.attested} attested, says the file; it can be ${counted} to ${most}`)
  } else if (isWhole && claimed.attested !== counted) {
    line('fails', 'attested', `${claimed.attested}, says the file, and shows ${counted}`)
  }

  const outcome = outcomeNames[judged.outcomes[index]!]!
  const isKnown = (at: number): boolean => isFixed || knownSeats.has(context.snapshot[at]!.seat)
  if (outcome === claimed.outcome && isAnchored && !isSettled(outcome, judged, epoch, isKnown)) {
    line(
      'missing',
      'outcome',
      `"${outcome}" follows from what is shown, and not without what others attested`,
    )
  } else if (outcome === claimed.outcome) {
    line('holds', 'outcome', `"${outcome}" follows from what is shown`)
  } else if (claimed.outcome === 'invalid: prefix full' && !isWhole && mayBeCrowded(outcome)) {
    line('missing', 'outcome', 'that others stand in the same address prefix')
  } else line('fails', 'outcome', `"${outcome}" follows from what is shown, not "${claimed.outcome}"`)

  verifyOwnOutcome(epoch, counted)
}

/** What the verifier's own store gives, where it holds all that the file shows. */
const verifyOwnOutcome = (epoch: EpochCheck, counted: number): void => {
  const { setting, context, claimed, index, isFixed, shownBySeat, own, line } = epoch
  const ownBySeat = new Map(own.map((held) => [held.seat, held]))
  const mayJudge = own.length > 0 && (isFixed || !setting.isAnchored)
  const isWhole = mayJudge && [...shownBySeat.keys()].every((seat) => ownBySeat.has(seat))
  if (!isWhole) {
    if (claimed.attested > counted) {
      line('unchecked', 'attested', `that ${claimed.attested} seats attested; ${counted} are shown`)
    }
    return
  }
  const judged = judgedOf(context, (seat) => {
    const one = ownBySeat.get(seat)
    return one === undefined ? undefined : (decodeAttestation(one.signed.payload) ?? undefined)
  })
  const ownOutcome = outcomeNames[judged.outcomes[index]!]!
  if (ownOutcome === claimed.outcome)
    line('holds', 'outcome', `is what this store's ${own.length} attestations give`)
  else line('fails', 'outcome', `this store's ${own.length} attestations give "${ownOutcome}"`)
}

/**
 * R-CASE-2: whether no attestation that is not known could give the seat another outcome. A class is decided by the seat's
 * challengers, and so is what a seat lacks that is not valid or has no address; that it shares its address, by those of
 * another seat that ranks before it, too; all else by everybody's, since any other seat may have its address.
 */
const isSettled = (
  outcome: Outcome,
  judged: JudgedVerdicts,
  { context: { committees }, index }: EpochCheck,
  isKnown: (at: number) => boolean,
): boolean => {
  if (Array.from({ length: committees.size }, (_, at) => at).every(isKnown)) return true
  const areChallengersKnown = (at: number): boolean => challengersOf(committees, at).every(isKnown)
  if (!areChallengersKnown(index)) return false
  if (outcome === 'undecided' || outcome === 'undecided: no address' || isInvalid(outcome)) {
    return true
  }
  if (outcome !== 'invalid: address shared') return false
  const own = judged.namedByOf(index)
  return judged.sharingWith(index).some((other) => {
    const namedBy = judged.namedByOf(other)
    return (namedBy > own || (namedBy === own && other < index)) && areChallengersKnown(other)
  })
}

const judgedOf = (
  { committees, params, snapshot }: EpochContext,
  attestationOf: (seat: Seat) => Attestation | undefined,
  attestedInAll?: number,
): JudgedVerdicts => {
  const judging = createEpochJudging(committees, params)
  for (const [index, { seat }] of snapshot.entries()) {
    const attestation = attestationOf(seat)
    if (attestation !== undefined) judging.add(index, attestation)
  }
  return judging.judge(attestedInAll)
}

/** Invalid for a reason that challengers gave (R-TALLY-1). */
const isInvalid = (outcome: Outcome): boolean => {
  const code = outcomeCode(outcome)
  return code >= 1 && code <= lastInvalidVerdict
}

/** R-TALLY-3: only a valid seat can be one too many in its prefix. */
const mayBeCrowded = (outcome: Outcome): boolean =>
  outcome !== 'undecided' &&
  outcome !== 'undecided: no address' &&
  outcome !== 'invalid: address shared' &&
  !isInvalid(outcome)
