import { base64 } from '@scure/base'
import {
  addressOfStake,
  addressText,
  type Attestation,
  credited,
  decodeAttestation,
  type Epoch,
  type EvidenceEntry,
  type HeldAttestation,
  type NetworkId,
  notInSnapshot,
  outcomeNames,
  outcomeOf,
  peerIdOfKey,
  readEvidence,
  type Seat,
  shareFund,
  targetsOf,
  Verdict,
  type Verdict as VerdictCode,
  type Week,
  type WeekState,
} from '../../../protocol/index.ts'
import { type Check, checkAttestation, checkEvidence, type FoundEvidence, type Recompute } from './checks.ts'
import { checkAudit } from './audit.ts'
import { answerHashOf, describeEntry } from './evidence-words.ts'
import { addressOfVerdict, majorityAddressText } from './named-addresses.ts'
import type { ExplainSources } from './sources.ts'
import { countWords, silent, wordOfVerdict } from '../seat-words.ts'
import { type SeatEpoch, wordsOfSeat } from './seat-epoch.ts'
import type { SeatWeek } from './seat-week.ts'
import { whyOf } from './why.ts'

/** What a seat's week was, who said so, and on what evidence. JSON; amounts are base units in decimal. */
export interface Explanation {
  network: NetworkId
  week: Week
  state: WeekState
  /** CID of the checkpoint that fixed the week. */
  checkpoint: string | null
  seat: Seat
  host: string
  stake: string
  peer: string
  /** Credits that count, of the epochs in whose snapshot the seat was. */
  score: number
  epochs: number
  equivocator: boolean
  /** One for each epoch of the week; null where the seat was not in the snapshot. */
  outcomes: { epoch: Epoch; outcome: string | null; isOpen: boolean; said: Record<string, number> | null }[]
  cost: Cost
  details: EpochExplanation[]
}

/** What the epochs without a credit cost. */
export interface Cost {
  /** Closed epochs that brought no credit. */
  epochs: Epoch[]
  amount: string | null
  /** With a credit for each of `epochs`, at the same fund and all other scores the same. */
  amountIfCredited: string | null
  lost: string | null
  /** How it was worked out, or why it could not be. */
  how: string
}

export interface EpochExplanation {
  epoch: Epoch
  outcome: string
  why: string
  isOpen: boolean
  /** Challengers assigned to each seat, seats of the snapshot, and attestations that count. */
  k: number
  seats: number
  attested: number
  /** In the order in which they stand before the seat on the ring. */
  challengers: ChallengerExplanation[]
  duty: DutyExplanation
}

/** What one assigned challenger said. */
export interface ChallengerExplanation {
  seat: Seat
  host: string
  /** A word of R-VERD-1, `silent`, or `struck` for an equivocator. */
  said: string
  /** What it says that it saw; null without evidence. */
  saw: string | null
  /** SHA-256, in hex, of the bad answer that it got (R-EVID-1). */
  answerHash: string | null
  attestation: SignedText | null
  evidence: EvidenceText | null
  checks: Check[]
  /** Of the own node only: whether its store has the receipt that it gave this challenger in the epoch. */
  gaveReceipt: boolean | null
}

/** Base64. */
export interface SignedText {
  cid: string
  payload: string
  signature: string
}

export interface EvidenceText {
  cid: string
  /** Base64, or null if it is not to be had. */
  block: string | null
  from: 'store' | 'network' | 'file' | null
}

/** What the seat itself did as a challenger (R-TALLY-4). */
export interface DutyExplanation {
  attestation: SignedText | null
  evidence: EvidenceText | null
  checks: Check[]
  verdicts: DutyVerdict[]
  abstentions: number
  /** Of the counted verdicts, how many agree (R-TALLY-2). */
  agreeing: number
  judged: number
  audit: { epoch: Epoch; check: Check } | null
}

export interface DutyVerdict {
  seat: Seat
  host: string
  said: string
  /** `valid`, `invalid: <reason>` or `undecided` (R-TALLY-1). */
  decided: string
  /** The address that it named with a verdict 0. */
  at: string | null
  /** The address that more than half of the target's challengers name (R-TALLY-3). */
  decidedAt: string | null
  /** Null where the verdict does not count (R-TALLY-2). */
  agrees: boolean | null
  saw: string | null
}

/** Explains what was gathered: checks every signature and block, and recomputes digests where a chain is at hand. */
export const explain = async (
  sources: Pick<ExplainSources, 'networkId' | 'verify' | 'recompute' | 'ownSeat' | 'gaveReceipt' | 'genesis'>,
  gathered: SeatWeek,
  signal: AbortSignal,
): Promise<Explanation> => {
  const { input, seat, isOpen } = gathered
  const { row } = seat
  const isOwn = (await sources.ownSeat()) === row.seat
  const details: EpochExplanation[] = []
  for (const epoch of gathered.epochs) {
    details.push(await explainEpoch(sources, gathered, epoch, isOwn))
    signal.throwIfAborted()
  }
  return {
    network: sources.networkId,
    week: input.week,
    state: input.state,
    checkpoint: input.checkpoint?.toString() ?? null,
    seat: row.seat,
    host: row.host,
    stake: addressOfStake(input.chain, row.stake),
    peer: peerIdOfKey(row.peer),
    score: seat.score,
    epochs: seat.epochs,
    equivocator: seat.isEquivocator,
    outcomes: input.epochs.map(({ epoch }, i) => {
      const detailed = gathered.epochs.find(({ context }) => context.epoch === epoch)
      return {
        epoch,
        outcome: outcomeOf(seat.outcomes[i]!),
        isOpen: isOpen[i]!,
        said: detailed === undefined ? null : countWords(wordsOfSeat(detailed)),
      }
    }),
    cost: costOf(gathered),
    details,
  }
}

/** R-TALLY-5 and R-TALLY-6 with the scores that the seat would have had. */
const costOf = ({ input, tally, seat, isOpen, fundMissing }: SeatWeek): Cost => {
  const epochs = input.epochs.flatMap(({ epoch }, i) => {
    const code = seat.outcomes[i]
    const isLost = code !== notInSnapshot && code !== credited && isOpen[i] === false
    return isLost ? [epoch] : []
  })
  if (fundMissing !== null) {
    return {
      epochs,
      amount: null,
      amountIfCredited: null,
      lost: null,
      how: `the fund is not known: ${fundMissing.message}`,
    }
  }
  const rows = tally.seats.map((other) =>
    other === seat ? { score: other.credits + epochs.length, epochs: other.epochs } : other,
  )
  const amounts = shareFund(rows, tally.fund, input.params)
  const amountIfCredited = amounts[tally.seats.indexOf(seat)]!
  return {
    epochs,
    amount: seat.amount.toString(),
    amountIfCredited: amountIfCredited.toString(),
    lost: (amountIfCredited - seat.amount).toString(),
    how:
      `the fund was shared out again (R-TALLY-5, R-TALLY-6) with a score of ${seat.credits + epochs.length} ` +
      `instead of ${seat.score} for this seat, and everything else as it is`,
  }
}

const explainEpoch = async (
  sources: Pick<ExplainSources, 'networkId' | 'verify' | 'recompute' | 'gaveReceipt'>,
  gathered: SeatWeek,
  epoch: SeatEpoch,
  isOwn: boolean,
): Promise<EpochExplanation> => {
  const { context } = epoch
  const { row } = gathered.seat
  // Digests cost a read of the chain for each sample: what needs no explanation is not recomputed.
  const recompute = epoch.outcome === 'credited' ? null : sources.recompute
  const challengers: ChallengerExplanation[] = []
  for (const { challenger: seat, at, verdict } of wordsOfSeat(epoch)) {
    const { host } = context.snapshot[at]!
    const isStruck = gathered.input.equivocators.has(seat)
    const witness = await explainWitness(sources, epoch, seat, row.seat, recompute)
    challengers.push({
      seat,
      host,
      said: verdict === silent && isStruck ? 'struck' : wordOfVerdict(verdict),
      ...witness,
      gaveReceipt: isOwn ? await sources.gaveReceipt(context, row.seat, seat) : null,
    })
  }
  return {
    epoch: context.epoch,
    outcome: epoch.outcome,
    why: whyOf(epoch, context.params.maxPerPrefix),
    isOpen: epoch.isOpen,
    k: context.committees.k,
    seats: context.snapshot.length,
    attested: epoch.judged.attested,
    challengers,
    duty: await explainDuty(sources, epoch, row.seat),
  }
}

/** An attestation with what stands behind it; `target` is whom its evidence is asked about. */
const explainWitness = async (
  sources: Pick<ExplainSources, 'networkId' | 'verify'>,
  epoch: SeatEpoch,
  seat: Seat,
  target: Seat | null,
  recompute: Recompute | null,
): Promise<Pick<ChallengerExplanation, 'saw' | 'answerHash' | 'attestation' | 'evidence' | 'checks'>> => {
  const { context } = epoch
  const held = epoch.held.get(seat)
  const found = epoch.evidence.get(seat)
  if (held === undefined || found === undefined) {
    return { saw: null, answerHash: null, attestation: null, evidence: null, checks: [] }
  }
  const { attestation, check } = checkAttestation(sources.networkId, context, held.signed, sources.verify)
  const evidence =
    attestation === null
      ? { entry: null, checks: [] }
      : await checkEvidence(context, attestation, target, found, sources.verify, recompute)
  return {
    saw: evidence.entry === null ? null : describeEntry(evidence.entry),
    answerHash: evidence.entry === null ? null : answerHashOf(evidence.entry),
    attestation: signedText(held),
    evidence: attestation === null ? null : evidenceText(attestation, found),
    checks: [check, ...evidence.checks],
  }
}

const signedText = ({ cid, signed }: HeldAttestation): SignedText => ({
  cid: cid.toString(),
  payload: base64.encode(signed.payload),
  signature: base64.encode(signed.signature),
})

const evidenceText = (attestation: Attestation, found: FoundEvidence): EvidenceText => ({
  cid: attestation.evidence.toString(),
  block: found.is === 'found' ? base64.encode(found.block) : null,
  from: found.is === 'found' ? found.from : null,
})

const explainDuty = async (
  sources: Pick<ExplainSources, 'networkId' | 'verify' | 'recompute'>,
  epoch: SeatEpoch,
  seat: Seat,
): Promise<DutyExplanation> => {
  const { context, index, attestations, judged } = epoch
  const { attestation, evidence, checks } = await explainWitness(sources, epoch, seat, null, null)
  const entries = ownEntries(epoch, seat)
  const verdicts: DutyVerdict[] = []
  for (const [i, target] of targetsOf(context.committees, index).entries()) {
    const verdict = judged.verdictOf(index, i)
    if (verdict === undefined) break
    const row = context.snapshot[target]!
    const address = addressOfVerdict(attestations[index]!, i)
    verdicts.push({
      seat: row.seat,
      host: row.host,
      said: wordOfVerdict(verdict),
      decided: decidedWord(judged.decidedOf(target)),
      at: address === undefined ? null : addressText(address),
      decidedAt: majorityAddressText(epoch, target),
      agrees: judged.agreementOf(index, i),
      saw: entries[i] === undefined ? null : describeEntry(entries[i]),
    })
  }
  const counted = verdicts.filter(({ agrees }) => agrees !== null)
  return {
    attestation,
    evidence,
    checks,
    verdicts,
    abstentions: judged.abstentionsOf(index),
    agreeing: counted.filter(({ agrees }) => agrees === true).length,
    judged: counted.length,
    audit:
      epoch.audited === null
        ? null
        : {
            epoch: epoch.audited.context.epoch,
            check: await checkAudit(
              sources.networkId,
              context,
              epoch.audited,
              sources.verify,
              sources.recompute,
            ),
          },
  }
}

const decidedWord = (decided: VerdictCode | null): string =>
  decided === null ? 'undecided' : decided === Verdict.valid ? 'valid' : outcomeNames[decided]!

/** Its own evidence, entry by entry; none where there is none to trust. */
const ownEntries = (epoch: SeatEpoch, seat: Seat): readonly EvidenceEntry[] => {
  const held = epoch.held.get(seat)
  const found = epoch.evidence.get(seat)
  const attestation = held === undefined ? null : decodeAttestation(held.signed.payload)
  if (attestation === null || found?.is !== 'found') return []
  const read = readEvidence(attestation, found.block)
  return read.is === 'accept' ? read.value.entries : []
}
