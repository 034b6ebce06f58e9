import {
  type Attestation,
  challengersOf,
  cidOf,
  classify,
  decodeAttestation,
  equalBytes,
  type HeldAttestation,
  indexOfSeat,
  invalidOutcomes,
  keyOfPeerId,
  type Outcome,
  readEvidence,
  rulesetOfWeek,
  type Seat,
  type TallyEpoch,
  targetsOf,
  Verdict,
  type Verdict as VerdictCode,
  verdictNames,
  verifyInclusion,
} from '../../../protocol/index.ts'
import type { EpochContext } from '../../epochs/epoch-book.ts'
import type { CaseAttestation, CaseEpoch } from './case-file.ts'
import { checkAudit } from './audit.ts'
import { type Check, checkAttestation, checkEvidence, type FoundEvidence, seatList } from './checks.ts'
import type { CaseSetting } from './verify-case.ts'

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
  line: (is: Check['is'], subject: string, detail: string) => void
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
    line: (is, subject, detail) => setting.line(is, subject, detail, claimed.epoch),
  }
  verifyFrame(epoch)
  if (epoch.index === -1) {
    epoch.line('fails', 'seat', `seat ${file.seat} is not in the snapshot`)
    return
  }
  verifyCommittee(epoch)
  verifySignatures(epoch)
  verifyInclusions(epoch)
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
  const shown = new Set(claimed.rows.map(({ seat }) => seat))
  const named = [snapshot[index]!.seat, ...claimed.challengers, ...claimed.targets]
  const unshown = [...new Set(named)].filter((seat) => !shown.has(seat))
  if (unshown.length > 0) line('fails', 'rows', `none is shown of ${seatList(unshown)}`)
}

/** R-ATT-6: finds the attestations that are signed as they should be, once for each seat. */
const verifySignatures = (epoch: EpochCheck): void => {
  const { setting, context, claimed, own, isFixed, shownBySeat, line } = epoch
  const { facts, file } = setting
  const ownBySeat = new Map(own.map((held) => [held.seat, held]))
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
const verifyInclusions = ({ setting, claimed, shownBySeat, line }: EpochCheck): void => {
  const { file, checkpoint } = setting
  let included = 0
  for (const [seat, { shown }] of shownBySeat) {
    if (shown.inclusion === null) continue
    const verified =
      file.checkpoint === null || checkpoint === null
        ? null
        : verifyInclusion(
            { checkpoint: file.checkpoint, attestation: shown.payload, ...shown.inclusion },
            cidOf(file.checkpoint),
          )
    if (verified?.is === 'accept') included++
    else line('fails', `seat ${seat}`, `its path to the checkpoint: ${verified?.code ?? 'there is none'}`)
  }
  if (checkpoint === null) return
  const rest = shownBySeat.size - included
  if (included > 0) line('holds', 'inclusion', `${included} attestations stand under the checkpoint's root`)
  if (rest > 0) line('unchecked', 'inclusion', `${rest} attestations have no path to the checkpoint's root`)
  const listed = checkpoint.weeks.flatMap(({ epochs }) => epochs).find(({ epoch }) => epoch === claimed.epoch)
  if (listed !== undefined && claimed.attested > listed.count) {
    line('fails', 'attested', `the checkpoint lists ${listed.count} attestations, not ${claimed.attested}`)
  }
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

/** That somebody said nothing can be believed of a store that holds nothing either, and of nobody's word. */
const verifySilence = ({ setting, own, isFixed, line }: EpochCheck, seat: Seat, what: string): void => {
  const subject = `seat ${seat}`
  if (setting.equivocators.has(seat)) line('holds', subject, 'signed two attestations: neither counts')
  else if (own.some((held) => held.seat === seat)) {
    line('fails', subject, `${what}, says the file, but this store holds its attestation`)
  } else if (isFixed) line('holds', subject, `${what}: nothing of it is in the anchored set`)
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
  const { setting, context, claimed, index, shownBySeat, own, line } = epoch
  const { file, equivocators } = setting
  const shown = tallyEpochOf(context, (seat) =>
    equivocators.has(seat) ? undefined : shownBySeat.get(seat)?.attestation,
  )
  const counted = classify(shown, context.committees).attestedCount
  const most = context.snapshot.length - context.snapshot.filter(({ seat }) => equivocators.has(seat)).length
  if (claimed.attested < counted || claimed.attested > most) {
    line('fails', 'attested', `${claimed.attested} attested, says the file; it can be ${counted} to ${most}`)
  } else if (shownBySeat.size === context.snapshot.length && claimed.attested !== counted) {
    line('fails', 'attested', `${claimed.attested}, says the file, and shows ${counted}`)
  }

  const { judgeEpoch } = rulesetOfWeek(file.week)
  const outcome = judgeEpoch(shown, context.params, claimed.attested).outcomes[index]!
  if (outcome === claimed.outcome) line('holds', 'outcome', `"${outcome}" follows from what is shown`)
  else if (claimed.outcome === 'invalid: prefix full' && mayBeCrowded(outcome)) {
    line('unchecked', 'outcome', 'that others stand in the same address prefix')
  } else line('fails', 'outcome', `"${outcome}" follows from what is shown, not "${claimed.outcome}"`)

  const ownBySeat = new Map(own.map((held) => [held.seat, held]))
  const isWhole = own.length > 0 && [...shownBySeat.keys()].every((seat) => ownBySeat.has(seat))
  if (!isWhole) {
    if (claimed.attested > counted) {
      line('unchecked', 'attested', `that ${claimed.attested} seats attested; ${counted} are shown`)
    }
    return
  }
  const held = tallyEpochOf(context, (seat) => {
    const one = ownBySeat.get(seat)
    return one === undefined ? undefined : (decodeAttestation(one.signed.payload) ?? undefined)
  })
  const ownOutcome = judgeEpoch(held, context.params).outcomes[index]!
  if (ownOutcome === claimed.outcome)
    line('holds', 'outcome', `is what this store's ${own.length} attestations give`)
  else line('fails', 'outcome', `this store's ${own.length} attestations give "${ownOutcome}"`)
}

const tallyEpochOf = (
  { epoch, beacon, snapshot }: EpochContext,
  attestationOf: (seat: Seat) => Attestation | undefined,
): TallyEpoch => ({
  epoch,
  beacon,
  snapshot,
  attestations: snapshot.map(({ seat }) => attestationOf(seat)),
})

/** R-TALLY-3: only a valid seat can be one too many in its prefix. */
const mayBeCrowded = (outcome: Outcome): boolean =>
  outcome !== 'undecided' &&
  outcome !== 'undecided: no address' &&
  outcome !== 'invalid: address shared' &&
  !invalidOutcomes.includes(outcome)
