import { readEvidence, type Seat, Verdict } from '../../../protocol/index.ts'
import { type SeatWord, silent, wordOfVerdict, wordsOfChallengers } from '../seat-words.ts'
import { checkAudit } from './audit.ts'
import type { CaseAttestation } from './case-file.ts'
import { checkAttestation, checkEvidence, type FoundEvidence, seatList } from './checks.ts'
import type { EpochCheck } from './epoch-check.ts'

/** The words of the assigned challengers and of the seat itself, with the evidence behind them. */
export const verifyWords = async (epoch: EpochCheck): Promise<void> => {
  const { setting, context, index, shownBySeat, line } = epoch
  const { facts, file } = setting
  const witnessSeats = new Set<Seat>()
  const self = { challenger: context.snapshot[index]!.seat, verdict: silent, isSelf: true }
  const challengers = wordsShown(epoch).map((word) => ({ ...word, isSelf: false }))
  for (const { challenger: seat, verdict, isSelf } of [...challengers, self]) {
    witnessSeats.add(seat)
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
    const said = isSelf ? 'attested itself' : `says ${wordOfVerdict(verdict)}`
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

const wordsShown = ({ context, index, shownBySeat }: EpochCheck): SeatWord[] =>
  wordsOfChallengers(
    context,
    index,
    (at, i) => shownBySeat.get(context.snapshot[at]!.seat)?.attestation.verdicts[i],
  )

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
export const verifyAudited = async (epoch: EpochCheck): Promise<void> => {
  const { setting, context, claimed, line } = epoch
  const { facts, file } = setting
  const accusers = wordsShown(epoch)
    .filter(({ verdict }) => verdict === Verdict.evidenceInvalid)
    .map(({ challenger }) => challenger)
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
