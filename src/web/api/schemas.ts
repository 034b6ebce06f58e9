import { z } from 'zod'
import { EpochNumber, HeightNumber, SeatNumber, Week } from '../../../protocol/index.ts'

/** Schemas with a name of their own in the OpenAPI document. */
export const components = z.registry<{ id: string }>()

const named = <T extends z.ZodType>(id: string, schema: T): T => {
  components.add(schema, { id })
  return schema
}

const Count = z.int().min(0)
/** Base units in decimal: JSON's own numbers would lose the last digits. */
const Amount = z.string().regex(/^(0|[1-9][0-9]{0,18})$/)
const SignedAmount = z.string().regex(/^-?(0|[1-9][0-9]{0,18})$/)
const Time = z.iso.datetime()
const Hex32 = z.string().regex(/^[0-9a-f]{64}$/)
const Base64 = z.base64()
const CidText = z.string().regex(/^b[a-z2-7]{20,128}$/)
const WeekState = z.enum(['open', 'frozen', 'certified', 'anchored', 'pending'])
const StandingWord = z.enum(['credited', 'valid', 'undecided', 'invalid'])
const Text = z.string().max(4_096)

/** One page of a list. */
const pageOf = <T extends z.ZodType>(id: string, item: T) =>
  named(
    id,
    z.strictObject({
      items: z.array(item),
      page: z.int().min(1),
      limit: z.int().min(1),
      /** Of the whole list. */
      total: Count,
    }),
  )

export const ErrorAnswer = named(
  'Error',
  z.strictObject({
    error: z.strictObject({
      code: z.string().regex(/^[A-Z_]+$/),
      message: Text,
      hint: Text.optional(),
    }),
  }),
)
export type ErrorAnswer = z.infer<typeof ErrorAnswer>

/** A moment of the chain: the first block of an epoch, and its median time past. */
export const Moment = named(
  'Moment',
  z.strictObject({ epoch: EpochNumber, height: HeightNumber, time: Time.nullable() }),
)
export type Moment = z.infer<typeof Moment>

export const Standings = named(
  'Standings',
  z.strictObject({ credited: Count, valid: Count, undecided: Count, invalid: Count }),
)

export const NodeRow = named(
  'Node',
  z.strictObject({
    seat: SeatNumber,
    host: z.string(),
    stake: z.string(),
    peer: z.string(),
    /** `active`: in the snapshot of the present epoch. `waiting`: staked, counts from an epoch to come. */
    state: z.enum(['active', 'waiting', 'retired']),
    /** What the last epoch that is over gave it; null where it was not in its snapshot. */
    outcome: z.string().nullable(),
    standing: StandingWord.nullable(),
    /** Of that epoch. */
    epoch: EpochNumber.nullable(),
    /** Where most challengers saw it. */
    address: z.string().nullable(),
    /** As its endpoint told this node, which probes some nodes only. */
    version: z.string().nullable(),
  }),
)
export type NodeRow = z.infer<typeof NodeRow>
export const NodePage = pageOf('NodePage', NodeRow)

/** One word of one challenger. */
export const Challenge = named(
  'Challenge',
  z.strictObject({
    epoch: EpochNumber,
    seat: SeatNumber,
    challenger: SeatNumber,
    /** Code of R-VERD-1; null where the challenger said nothing that counts. */
    verdict: z.int().min(0).max(255).nullable(),
    said: z.string(),
    /** When the epoch began; null where that is not known any more. */
    time: Time.nullable(),
  }),
)
export type Challenge = z.infer<typeof Challenge>
export const ChallengePage = pageOf('ChallengePage', Challenge)

export const SeatEpoch = named(
  'SeatEpoch',
  z.strictObject({
    epoch: EpochNumber,
    week: Week,
    /** Null where the seat was not in the snapshot. */
    outcome: z.string().nullable(),
    standing: StandingWord.nullable(),
    isOpen: z.boolean(),
    start: Moment,
    /** In ring order. */
    words: z.array(z.strictObject({ challenger: SeatNumber, verdict: z.int().nullable(), said: z.string() })),
  }),
)
export type SeatEpoch = z.infer<typeof SeatEpoch>

export const Downtime = named(
  'Downtime',
  z.strictObject({
    seat: SeatNumber,
    host: z.string(),
    reason: z.string(),
    epochs: z.int().min(1),
    start: Moment,
    /** The first epoch in which it was not so any more; null while it lasts. */
    end: Moment.nullable(),
    /** It began before the list's first epoch, where `start` stands: ask for the week before. */
    isCutAtStart: z.boolean(),
    /** It went on after the list's last epoch, where `end` stands: ask for the week after. */
    isCutAtEnd: z.boolean(),
  }),
)
export type Downtime = z.infer<typeof Downtime>
export const DowntimePage = pageOf('DowntimePage', Downtime)

export const Exception = named(
  'Exception',
  z.strictObject({
    /**
     * `verdict`: a challenger found the seat wanting. `chain`: the answer was of another chain, or of part of one.
     * `silent`: the seat attested nothing. `abstained`: it could not judge more than half of its targets, so its own
     * chain node or network was down. `equivocation`: it signed two attestations of one epoch.
     */
    kind: z.enum(['verdict', 'chain', 'silent', 'abstained', 'equivocation']),
    epoch: EpochNumber.nullable(),
    week: Week,
    seat: SeatNumber,
    challenger: SeatNumber.nullable(),
    said: z.string(),
    /** When the epoch began; null for an equivocation, which is of a week. */
    time: Time.nullable(),
  }),
)
export type Exception = z.infer<typeof Exception>
export const ExceptionPage = pageOf('ExceptionPage', Exception)

export const Earning = named(
  'Earning',
  z.strictObject({
    seat: SeatNumber,
    stake: z.string(),
    week: Week,
    state: WeekState,
    /** Credits that count, of the epochs in whose snapshot the seat was. */
    score: Count,
    epochs: Count,
    /** What the tally gives; of a week without an anchor as it stands now. Null while the fund is not known. */
    amount: Amount.nullable(),
    /** What the chain shows; null where it was not checked. */
    paid: Amount.nullable(),
    payment: z.string(),
    /** Transactions that paid it. */
    txids: z.array(Hex32),
  }),
)
export type Earning = z.infer<typeof Earning>
export const EarningPage = pageOf('EarningPage', Earning)

export const Payment = named(
  'Payment',
  z.strictObject({
    week: Week,
    seat: SeatNumber,
    stake: z.string(),
    due: Amount,
    paid: Amount,
    state: z.enum(['exact', 'short', 'over', 'missing', 'duplicated']),
    /** Transactions that paid it. */
    txids: z.array(Hex32),
  }),
)
export type Payment = z.infer<typeof Payment>
export const PaymentPage = pageOf('PaymentPage', Payment)

export const Payout = named(
  'Payout',
  z.strictObject({
    state: z.enum(['not due', 'no thread', 'waiting', 'unpaid', 'paid', 'differs', 'unknown']),
    detail: Text.nullable(),
    due: Amount.nullable(),
    paid: Amount.nullable(),
    difference: SignedAmount.nullable(),
    txids: z.array(Hex32),
    faults: z.array(Text),
    checkedAt: HeightNumber.nullable(),
  }),
)

/** State of a node's TLS certificate, as its challengers found it (R-PROBE-1). */
export const TlsState = named(
  'TlsState',
  z.strictObject({
    seat: SeatNumber,
    host: z.string(),
    /** `unknown`: its challengers did not come as far as the certificate, or nothing was decided. */
    state: z.enum(['valid', 'unreachable', 'invalid', 'unbound', 'unknown']),
    epoch: EpochNumber,
    /** Challengers that say so. */
    challengers: Count,
  }),
)
export type TlsState = z.infer<typeof TlsState>
export const TlsPage = pageOf('TlsPage', TlsState)

export const EpochRow = named(
  'Epoch',
  z.strictObject({
    epoch: EpochNumber,
    week: Week,
    start: Moment,
    beacon: Hex32,
    seats: Count,
    attested: Count,
    isOpen: z.boolean(),
    isFixed: z.boolean(),
    standings: Standings,
  }),
)
export type EpochRow = z.infer<typeof EpochRow>
export const EpochPage = pageOf('EpochPage', EpochRow)

export const WeekRow = named(
  'WeekRow',
  z.strictObject({
    week: Week,
    state: WeekState,
    first: EpochNumber,
    last: EpochNumber.nullable(),
    /** Height at which it freezes (R-CP-1); null while it runs. */
    freeze: HeightNumber.nullable(),
    anchor: z
      .strictObject({
        height: HeightNumber,
        hash: Hex32,
        index: Count,
        week: Week,
        view: Count,
        checkpoint: CidText,
      })
      .nullable(),
  }),
)
export type WeekRow = z.infer<typeof WeekRow>
export const WeekPage = pageOf('WeekPage', WeekRow)

export const WeekDetail = named(
  'Week',
  z.strictObject({
    ...WeekRow.shape,
    /** R-CP-4; null where this node knows of none. */
    certificate: z
      .strictObject({ view: Count, checkpoint: CidText, votes: Count, certifiers: Count.nullable() })
      .nullable(),
    /** SHA-256 of the canonical document; null until the anchored set is complete here. */
    digest: Hex32.nullable(),
    totals: z.strictObject({
      fund: Amount.nullable(),
      paid: Amount.nullable(),
      undistributed: Amount.nullable(),
      seats: Count,
      paidSeats: Count,
      score: Count,
    }),
    fundMissing: Text.nullable(),
    equivocators: z.array(SeatNumber),
    epochs: z.array(EpochRow),
    payout: Payout,
  }),
)
export type WeekDetail = z.infer<typeof WeekDetail>

export const WeekSeat = named(
  'WeekSeat',
  z.strictObject({
    seat: SeatNumber,
    host: z.string(),
    stake: z.string(),
    score: Count,
    epochs: Count,
    equivocator: z.boolean(),
    amount: Amount.nullable(),
    paid: Amount.nullable(),
    payment: z.string(),
    /** What took credits, the most frequent first. */
    reasons: z.array(z.strictObject({ outcome: z.string(), epochs: Count })),
  }),
)
export type WeekSeat = z.infer<typeof WeekSeat>
export const WeekSeatPage = pageOf('WeekSeatPage', WeekSeat)

export const NodeDetail = named(
  'NodeDetail',
  z.strictObject({
    ...NodeRow.shape,
    isOwn: z.boolean(),
    p2p: z.int(),
    tls: z.int(),
    /** Where its announcement in force stands in the chain. */
    announced: z.strictObject({ height: HeightNumber, index: Count, at: HeightNumber }),
    activeSince: HeightNumber.nullable(),
    blsKey: z.string().regex(/^[0-9a-f]{96}$/),
    week: z.strictObject({ week: Week, score: Count, epochs: Count, amount: Amount.nullable() }).nullable(),
    certificate: TlsState.nullable(),
  }),
)
export type NodeDetail = z.infer<typeof NodeDetail>

export const Status = named(
  'Status',
  z.strictObject({
    network: z.string(),
    networkName: z.string(),
    version: z.string(),
    chain: z.strictObject({
      state: z.string(),
      confirmedHeight: z.int(),
      /** Of the chain node, where it is known. */
      tip: HeightNumber.nullable(),
      confirmations: Count,
    }),
    epoch: EpochNumber.nullable(),
    week: Week.nullable(),
    /** Confirmed blocks until the next epoch. */
    epochEnds: Count.nullable(),
    own: z.strictObject({
      /** Of a standby it is null, though the stake has one. */
      seat: SeatNumber.nullable(),
      isStandby: z.boolean(),
      stake: z.string(),
      host: z.string().nullable(),
      peer: z.string(),
      /** End of the TLS certificate that it serves now. */
      certificateUntil: Time.nullable(),
    }),
    seats: z.strictObject({ active: Count, waiting: Count, retired: Count }),
    peers: z.strictObject({ total: Count, registered: Count }),
    /** Of this node's own challenges in the present epoch. */
    work: z.strictObject({ stage: z.string(), targets: Count, done: Count }).nullable(),
  }),
)
export type Status = z.infer<typeof Status>

export const SignedText = named(
  'Signed',
  z.strictObject({ cid: CidText, payload: Base64, signature: Base64 }),
)

/** What this daemon found to be wrong with itself, with what to do about it. */
export const Finding = named(
  'Finding',
  z.strictObject({
    code: z.string(),
    subject: z.string(),
    severity: z.enum(['info', 'warning', 'critical']),
    title: Text,
    detail: Text,
    remedy: Text,
    evidence: z.array(
      z.discriminatedUnion('is', [
        z.strictObject({
          is: z.literal('verdict'),
          epoch: EpochNumber,
          seat: SeatNumber,
          host: z.string(),
          verdict: z.int().min(0).max(255),
          word: z.string(),
          saw: Text.nullable(),
          attestation: SignedText,
          evidence: CidText,
        }),
        z.strictObject({
          is: z.literal('view'),
          seat: SeatNumber,
          host: z.string(),
          port: z.enum(['p2p', 'tls']),
          verdict: z.int().min(0).max(255),
          word: z.string(),
          saw: Text,
        }),
      ]),
    ),
  }),
)
export type Finding = z.infer<typeof Finding>
export const FindingPage = pageOf('FindingPage', Finding)

export const Concentration = named(
  'Concentration',
  z.strictObject({
    epoch: EpochNumber.nullable(),
    /** Seats whose address most of their challengers name alike. */
    seats: Count,
    prefixes: z.array(
      z.strictObject({
        /** `/24` and `/16` of IPv4, `/48` and `/32` of IPv6. */
        length: z.enum(['/24', '/16', '/48', '/32']),
        distinct: Count,
        /** The largest ones. */
        top: z.array(z.strictObject({ prefix: z.string(), seats: Count })),
      }),
    ),
  }),
)
export type Concentration = z.infer<typeof Concentration>

export const Versions = named(
  'Versions',
  z.strictObject({
    /** Seats that this node has probed lately. */
    probed: Count,
    versions: z.array(z.strictObject({ version: z.string(), seats: Count })),
    /** Of these seats, how many know a ruleset: whether they are ready for it (R-PROBE-1). */
    rulesets: z.array(z.strictObject({ ruleset: Count, seats: Count })),
  }),
)
export type Versions = z.infer<typeof Versions>

export const NetworkDetail = named(
  'Network',
  z.strictObject({
    id: z.string(),
    name: z.string(),
    chain: z.string(),
    status: Status,
    epochs: z.array(EpochRow),
    concentration: Concentration,
    versions: Versions,
  }),
)
export type NetworkDetail = z.infer<typeof NetworkDetail>

export const Check = named(
  'Check',
  z.strictObject({
    about: z.enum(['signature', 'evidence', 'receipts', 'answer', 'digest', 'audit']),
    is: z.enum(['holds', 'fails', 'missing', 'unchecked']),
    detail: Text,
  }),
)

/** One verdict with everything that stands behind it. */
export const VerdictDetail = named(
  'Verdict',
  z.strictObject({
    ...Challenge.shape,
    week: Week,
    host: z.string(),
    challengerHost: z.string(),
    /** What the challenger says that it saw. */
    saw: Text.nullable(),
    /** SHA-256 of the bad answer that it got. */
    answerHash: Hex32.nullable(),
    attestation: SignedText.nullable(),
    evidence: z
      .strictObject({
        cid: CidText,
        block: Base64.nullable(),
        from: z.enum(['store', 'network', 'file']).nullable(),
      })
      .nullable(),
    checks: z.array(Check),
    /** Whether this node gave that challenger a receipt in the epoch; null for other nodes. */
    gaveReceipt: z.boolean().nullable(),
  }),
)
export type VerdictDetail = z.infer<typeof VerdictDetail>

export const AttestationRow = named(
  'AttestationRow',
  z.strictObject({
    epoch: EpochNumber,
    seat: SeatNumber,
    host: z.string(),
    /** Words and how often, over its targets. */
    said: z.record(z.string(), Count),
  }),
)
export type AttestationRow = z.infer<typeof AttestationRow>
export const AttestationPage = pageOf('AttestationPage', AttestationRow)

export const AttestationDetail = named(
  'Attestation',
  z.strictObject({
    ...SignedText.shape,
    epoch: EpochNumber,
    week: Week,
    beacon: Hex32,
    seat: SeatNumber,
    host: z.string(),
    previous: CidText.nullable(),
    evidence: CidText,
    heldAt: HeightNumber,
    signatureHolds: z.boolean(),
    /** It stands under the anchored root of its epoch; null while the week has no anchor. */
    isAnchored: z.boolean().nullable(),
    verdicts: z.array(
      z.strictObject({
        seat: SeatNumber,
        host: z.string(),
        verdict: z.int().min(0).max(255),
        said: z.string(),
        address: z.string().nullable(),
      }),
    ),
  }),
)
export type AttestationDetail = z.infer<typeof AttestationDetail>

export const EvidenceDetail = named(
  'Evidence',
  z.strictObject({
    cid: CidText,
    block: Base64,
    bytes: Count,
    epoch: EpochNumber,
    seat: SeatNumber,
    entries: z.array(
      z.strictObject({
        seat: SeatNumber.nullable(),
        host: z.string().nullable(),
        verdict: z.int().min(0).max(255),
        said: z.string(),
        saw: Text,
      }),
    ),
  }),
)
export type EvidenceDetail = z.infer<typeof EvidenceDetail>

export const BlockRow = named(
  'Block',
  z.strictObject({
    height: HeightNumber,
    hash: Hex32,
    time: Time,
    medianTimePast: Time.nullable(),
    transactions: Count,
    epoch: EpochNumber.nullable(),
    isEpochStart: z.boolean(),
    announcements: z.array(SeatNumber),
    anchors: z.array(Week),
  }),
)
export type BlockRow = z.infer<typeof BlockRow>
export const BlockPage = pageOf('BlockPage', BlockRow)

export const Announcement = named(
  'Announcement',
  z.strictObject({
    seat: SeatNumber,
    host: z.string(),
    stake: z.string(),
    peer: z.string(),
    p2p: z.int(),
    tls: z.int(),
    height: HeightNumber,
    /** Of its transaction in the block. */
    index: Count,
    /** The height that it names. */
    at: HeightNumber,
  }),
)
export type Announcement = z.infer<typeof Announcement>
export const AnnouncementPage = pageOf('AnnouncementPage', Announcement)

export const Found = named(
  'Found',
  z.strictObject({
    kind: z.enum(['node', 'week', 'epoch', 'block', 'evidence']),
    /** What it is, for people. */
    title: z.string(),
    /** Of the page about it. */
    path: z.string(),
  }),
)
export type Found = z.infer<typeof Found>
export const FoundList = named('FoundList', z.strictObject({ query: z.string(), items: z.array(Found) }))
export type FoundList = z.infer<typeof FoundList>

export const ServerInfo = named(
  'Server',
  z.strictObject({
    /** Seconds since the page was started. */
    uptimeSeconds: Count,
    memoryBytes: Count,
    requests: Count,
    refused: Count,
    liveConnections: Count,
    maxLiveConnections: Count,
    peers: z.strictObject({ total: Count, registered: Count }),
    attestations: z.array(z.strictObject({ epoch: EpochNumber, held: Count, seats: Count })),
    /** Verdicts that this node attested since its start, by word. */
    verdicts: z.record(z.string(), Count),
    /** Answers that it gave to challengers since its start, by kind. */
    challengesAnswered: z.record(z.string(), Count),
  }),
)
export type ServerInfo = z.infer<typeof ServerInfo>
