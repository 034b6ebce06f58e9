import {
  type Attestation,
  challengersOf,
  cidOf,
  createEpochJudging,
  decodeAttestation,
  equalBytes,
  type HeldAttestation,
  indexOfSeat,
  type JudgedVerdicts,
  keyOfPeerId,
  lastInvalidVerdict,
  type Leaf,
  type Outcome,
  outcomeCode,
  outcomeNames,
  readEvidence,
  type Seat,
  targetsOf,
  Verdict,
  type Verdict as VerdictCode,
  verdictNames,
  verifyAbsence,
  verifyLeaf,
} from '../../../protocol/index.ts'
import type { EpochContext } from '../epoch-book.ts'
import type { CaseAbsence, CaseAttestation, CaseEpoch } from './case-file.ts'
import { checkAudit } from './audit.ts'
import { checkAttestation, checkEvidence, type FoundEvidence, seatList } from './checks.ts'
import type { CaseLine, CaseSetting } from './verified-case.ts'

/** One epoch of a case file beside what the verifier knows of it. */
interface EpochCheck {
  setting: CaseSetting
  context: EpochContext
  claimed: CaseEpoch
  /** Of the seat in the verifier's snapshot. */
  index: number
  /** What the verifier's own store holds. */
  own: readonly HeldAttestation[]
  isFixed: boolean
  /** Attestations of the file whose signatures hold. */
  shownBySeat: Map<Seat, Shown>
  /** Seats of which the file proves what counts of them: an attestation that it shows, or nothing. */
  knownSeats: Set<Seat>
  line: (is: CaseLine['is'], subject: string, detail: string) => void
}

interface Shown {
  attestation: Attestation
  shown: CaseAttestation
}

/** Checks one epoch of a case file. */
export const verifyCaseEpoch = async (setting: CaseSetting, claimed: CaseEpoch): Promise<void> => {
  const { facts, file } = setting
  const context = await facts.epochs.get(claimed.epoch)
  if (context === undefined) {
    setting.line('missing', 'chain', 'has not come to this epoch in the data at hand', claimed.epoch)
    return
  }
  const { rows, isFixed } = await facts.held(context)
  const epoch: EpochCheck = {
    setting,
    context,
    claimed,
    index: indexOfSeat(context.snapshot, file.seat),
    own: rows,
    isFixed,
    shownBySeat: new Map(),
    knownSeats: new Set(),
    line: (is, subject, detail) => setting.line(is, subject, detail, claimed.epoch),
  }
  verifyFrame(epoch)
  if (epoch.index === -1) {
    epoch.line('fails', 'seat', `seat ${file.seat} is not in the snapshot`)
    return
  }
  verifyCommittee(epoch)
  verifySignatures(epoch)
  verifyRows(epoch)
  verifyInclusions(epoch)
  verifyAbsences(epoch)
  await verifyWords(epoch)
  await verifyAudited(epoch)
  verifyOutcome(epoch)
}

/** R-EPOCH-2, R-EPOCH-4, R-EPOCH-5: week, beacon and snapshot. */
const verifyFrame = ({ setting, context, claimed, line }: EpochCheck): void => {
  const { week } = setting.file
  if (context.week === week) line('holds', 'week', week)
  else line('fails', 'week', `the epoch belongs to ${context.week}`)
  if (equalBytes(context.beacon, claimed.beacon)) line('holds', 'beacon', 'is that of the chain')
  else line('fails', 'beacon', 'is not that of the chain')

  const size = context.snapshot.length
  if (size === claimed.seats) line('holds', 'snapshot', `of ${size} seats`)
  else line('fails', 'snapshot', `has ${size} seats, not ${claimed.seats}`)
  const badRows = claimed.rows.filter((row) => {
    const actual = context.rowOf(row.seat)
    const peer = keyOfPeerId(row.peer)
    return !(
      actual !== undefined &&
      peer !== null &&
      equalBytes(actual.stake, row.stake) &&
      equalBytes(actual.peer, peer) &&
      actual.host === row.host &&
      actual.p2p === row.p2p &&
      actual.tls === row.tls
    )
  })
  if (badRows.length === 0) line('holds', 'rows', `${claimed.rows.length} are those of the snapshot`)
  else line('fails', 'rows', `the snapshot has others for ${seatList(badRows.map(({ seat }) => seat))}`)
}

/** R-COM-1. */
const verifyCommittee = ({ context, claimed, index, line }: EpochCheck): void => {
  const { committees, snapshot } = context
  const compare = (subject: string, indexes: readonly number[], seats: readonly Seat[]): void => {
    const isSame =
      indexes.length === seats.length && indexes.every((at, i) => snapshot[at]!.seat === seats[i])
    if (isSame) line('holds', subject, 'are those that the beacon assigns')
    else line('fails', subject, 'are not those that the beacon assigns')
  }
  compare('challengers', challengersOf(committees, index), claimed.challengers)
  compare('targets', targetsOf(committees, index), claimed.targets)
}

/** Rows are shown of all seats that are named, each once. */
const verifyRows = ({ context, claimed, index, shownBySeat, line }: EpochCheck): void => {
  const own = context.snapshot[index]!.seat
  const named = new Set([own, ...claimed.challengers, ...claimed.targets, ...shownBySeat.keys()])
  const shown = new Set(claimed.rows.map(({ seat }) => seat))
  const unshown = [...named].filter((seat) => !shown.has(seat))
  if (unshown.length > 0) line('fails', 'rows', `none is shown of ${seatList(unshown)}`)
  const isRising = claimed.rows.every(({ seat }, i) => i === 0 || seat > claimed.rows[i - 1]!.seat)
  if (!isRising) line('fails', 'rows', 'are not in rising order of seat')
}

/** R-ATT-6: finds the attestations that are signed as they should be, once for each seat. */
const verifySignatures = (epoch: EpochCheck): void => {
  const { setting, context, claimed, own, isFixed, shownBySeat, line } = epoch
  const { facts, file } = setting
  const ownBySeat = new Map(own.map((held) => [held.seat, held]))
  let last = -1
  for (const [i, shown] of claimed.attestations.entries()) {
    const subject = `attestation ${i + 1}`
    const { attestation, check } = checkAttestation(file.network, context, shown, facts.verify)
    if (attestation === null) {
      line('fails', subject, check.detail)
      continue
    }
    const { seat } = attestation
    if (shownBySeat.has(seat)) {
      line('fails', subject, `there is one of seat ${seat} already`)
      continue
    }
    if (seat < last) line('fails', 'attestations', 'are not in rising order of seat')
    last = seat
    shownBySeat.set(seat, { attestation, shown })
    const held = ownBySeat.get(seat)
    if (held !== undefined && !cidOf(shown.payload).equals(held.cid)) {
      line('fails', `seat ${seat}`, 'this store holds another attestation of it: it signed two')
    } else if (held === undefined && isFixed) {
      line('fails', `seat ${seat}`, 'its attestation is not in the anchored set, so it does not count')
    }
  }
  const count = shownBySeat.size
  if (count > 0) line('holds', 'attestations', `${count} signed with the keys of the snapshot`)
}

/** R-CP-7: whether the attestations stand in the set that counts. */
const verifyInclusions = (epoch: EpochCheck): void => {
  const { setting, claimed, isFixed, shownBySeat, knownSeats, line } = epoch
  const { checkpoint, isAnchored } = setting
  let included = 0
  for (const [seat, { shown }] of shownBySeat) {
    if (shown.inclusion === null) {
      if (isAnchored && !isFixed && checkpoint !== null) {
        line('fails', `seat ${seat}`, 'no path shows that its attestation counts')
      }
      continue
    }
    const verified =
      checkpoint === null ? null : verifyLeaf(checkpoint, { attestation: shown.payload, ...shown.inclusion })
    if (verified?.is === 'accept') {
      included++
      knownSeats.add(seat)
    } else line('fails', `seat ${seat}`, `its path to the checkpoint: ${verified?.code ?? 'there is none'}`)
  }
  if (checkpoint === null) return
  if (included > 0) line('holds', 'inclusion', `${included} attestations stand under the checkpoint's root`)
  const listed = checkpoint.weeks.flatMap(({ epochs }) => epochs).find((one) => one.epoch === claimed.epoch)
  if (listed !== undefined && claimed.attested > listed.count) {
    line('fails', 'attested', `the checkpoint lists ${listed.count} attestations, not ${claimed.attested}`)
  }
}

/** R-CP-7: whether the seats that are said to have attested nothing stand under no root. */
const verifyAbsences = ({ setting, context, claimed, shownBySeat, knownSeats, line }: EpochCheck): void => {
  const { checkpoint } = setting
  let last = -1
  let proved = 0
  for (const { seat, before, after } of claimed.absences) {
    const subject = `seat ${seat}`
    const leafOf = (leaf: CaseAbsence['before']): Leaf | null =>
      leaf === null ? null : { attestation: leaf.payload, index: leaf.index, path: leaf.path }
    const absence = { epoch: claimed.epoch, seat, before: leafOf(before), after: leafOf(after) }
    if (seat <= last) line('fails', 'absences', 'are not in rising order of seat')
    else if (context.rowOf(seat) === undefined) line('fails', subject, 'is absent, and not in the snapshot')
    else if (shownBySeat.has(seat)) line('fails', subject, 'attested, and is said to be absent')
    else if (checkpoint === null) line('fails', subject, 'is said to be absent under no checkpoint')
    else {
      const verified = verifyAbsence(checkpoint, absence)
      if (verified.is === 'accept') {
        knownSeats.add(seat)
        proved++
      } else line('fails', subject, `that it is absent under the checkpoint's root: ${verified.code}`)
    }
    last = seat
  }
  if (proved > 0) line('holds', 'absences', `${proved} seats are absent under the checkpoint's root`)
}

/** The words of the assigned challengers and of the seat itself, with the evidence behind them. */
const verifyWords = async (epoch: EpochCheck): Promise<void> => {
  const { setting, context, index, shownBySeat, line } = epoch
  const { facts, file } = setting
  const witnesses = [...challengersOf(context.committees, index), index]
  const witnessSeats = new Set<Seat>()
  for (const [i, witness] of witnesses.entries()) {
    const { seat } = context.snapshot[witness]!
    witnessSeats.add(seat)
    const isSelf = witness === index
    const one = shownBySeat.get(seat)
    if (one === undefined) {
      verifySilence(epoch, seat, isSelf ? 'did not attest' : 'is silent')
      continue
    }
    const { checks } = await checkEvidence(
      context,
      one.attestation,
      isSelf ? null : file.seat,
      evidenceOf(one.shown),
      facts.verify,
      facts.recompute,
    )
    const said = isSelf
      ? 'attested itself'
      : `says ${verdictNames[one.attestation.verdicts[i] as VerdictCode]}`
    for (const is of ['holds', 'fails', 'missing', 'unchecked'] as const) {
      const some = checks.filter((check) => check.is === is)
      if (some.length === 0) continue
      line(
        is,
        `seat ${seat}`,
        `${said}; ${some.map(({ about, detail }) => `${about}: ${detail}`).join('; ')}`,
      )
    }
  }
  for (const [seat, { attestation, shown }] of shownBySeat) {
    if (witnessSeats.has(seat) || shown.evidence === null) continue
    const read = readEvidence(attestation, shown.evidence)
    if (read.is !== 'accept') line('fails', `seat ${seat}`, `evidence: ${read.code}`)
  }
}

const evidenceOf = ({ evidence }: CaseAttestation): FoundEvidence =>
  evidence === null
    ? { is: 'missing', why: 'not in the file' }
    : { is: 'found', block: evidence, from: 'file' }

/** That a seat said nothing is shown by its neighbours under the root, or by a store that holds all that counts. */
const verifySilence = (epoch: EpochCheck, seat: Seat, what: string): void => {
  const { setting, own, isFixed, knownSeats, line } = epoch
  const subject = `seat ${seat}`
  if (setting.equivocators.has(seat) && !setting.isAnchored) {
    line('holds', subject, 'signed two attestations: neither counts')
  } else if (own.some((held) => held.seat === seat) && (isFixed || !setting.isAnchored)) {
    line('fails', subject, `${what}, says the file, but this store holds its attestation`)
  } else if (isFixed) line('holds', subject, `${what}: nothing of it is in the anchored set`)
  else if (knownSeats.has(seat)) line('holds', subject, `${what}: the leaves next to it show that`)
  else if (setting.isAnchored) line('missing', subject, `${what}, says the file, and does not prove it`)
  else if (own.length > 0) line('holds', subject, `${what}; this store holds no attestation of it either`)
  else line('unchecked', subject, `${what}, says the file`)
}

/** R-EVID-2: what challengers of the epoch found wanting in the seat's own evidence. */
const verifyAudited = async ({
  setting,
  context,
  claimed,
  index,
  shownBySeat,
  line,
}: EpochCheck): Promise<void> => {
  const { facts, file } = setting
  const accusers = challengersOf(context.committees, index).flatMap((challenger, i) => {
    const { seat } = context.snapshot[challenger]!
    return shownBySeat.get(seat)?.attestation.verdicts[i] === Verdict.evidenceInvalid ? [seat] : []
  })
  const { audited } = claimed
  if (accusers.length === 0) {
    if (audited !== null) line('fails', 'audit', 'no challenger found its evidence wanting')
    return
  }
  const number = claimed.epoch - 2
  if (audited === null) {
    line('missing', 'audit', `the attestation of epoch ${number} that ${seatList(accusers)} audited`)
    return
  }
  const before = await facts.epochs.get(number)
  if (before === undefined) {
    line('missing', 'audit', `epoch ${number} in the chain data at hand`)
    return
  }
  const { attestation, check } = checkAttestation(file.network, before, audited, facts.verify)
  if (attestation === null) line('fails', 'audit', check.detail)
  else if (attestation.seat !== file.seat) line('fails', 'audit', `is of seat ${attestation.seat}`)
  else {
    line('holds', 'audit', `the attestation of epoch ${number} is signed by the seat`)
    const subject = { context: before, held: { signed: audited }, evidence: evidenceOf(audited) }
    const result = await checkAudit(file.network, context, subject, facts.verify, facts.recompute)
    line(result.is, 'audit', `what ${seatList(accusers)} audited: ${result.detail}`)
  }
}

/** R-TALLY-0…4 over what the file shows, and over the verifier's own store where that holds as much. */
const verifyOutcome = (epoch: EpochCheck): void => {
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
