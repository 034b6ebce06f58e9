import { z } from 'zod'
import { EpochNumber, HeightNumber, type Outcome, SeatNumber, Week } from '../../../protocol/index.ts'
import type { TestedTarget } from '../../service/alerts/alerter.ts'
import type { FleetReport } from '../../service/fleet.ts'
import type { HistorySummary } from '../../service/history.ts'
import type { NodeStatus, PeerStatus } from '../../service/status.ts'
import type { HopStatus } from '../../relay/hop.ts'
import { TwinSighting } from '../../store/signing.ts'
import type { EpochReport } from '../../week/answers.ts'
import type { VerifiedCase } from '../../week/explain/verified-case.ts'
import type { ImportAnswer } from '../../week-io/import-bundle.ts'
import { Count } from '../api/schemas.ts'
import { Finding } from '../resources/server/schemas.ts'

/** Answers of the control socket: the daemon gives nothing else, and the command line takes nothing else. */
type Schema<T> = z.ZodType<T>

const WatchedShape = {
  seat: SeatNumber.nullable(),
  silentEpoch: EpochNumber.nullable(),
  takeover: z
    .discriminatedUnion('is', [
      z.strictObject({ is: z.literal('waiting'), saidIn: EpochNumber, why: z.string() }),
      z.strictObject({ is: z.literal('given-up'), why: z.string() }),
    ])
    .nullable(),
}

const StakeState = z.enum(['active', 'retired', 'not announced'])
const TargetKind = z.enum(['webhook', 'command'])

const Contact = z.strictObject({
  isAlone: z.boolean(),
  neighbours: Count.nullable(),
  isWithoutNeighbour: z.boolean(),
  hearing: z.strictObject({ epoch: EpochNumber, heard: Count, others: Count, inARow: Count }).nullable(),
  branch: z
    .strictObject({ epoch: EpochNumber, is: z.enum(['ours', 'other']), other: Count, seats: Count })
    .nullable(),
  streams: z.strictObject({ purpose: z.string(), unread: Count, bound: Count, isRaised: z.boolean() }),
})

const Said = z.strictObject({
  epoch: EpochNumber,
  k: Count,
  valid: Count,
  invalid: Count,
  abstain: Count,
  silent: Count,
  is: z.enum(['valid', 'invalid', 'undecided', 'open']),
})

export const StatusAnswer: Schema<NodeStatus> = z.strictObject({
  network: z.string(),
  version: z.string(),
  peer: z.string(),
  host: z.string(),
  seat: SeatNumber.nullable(),
  stake: StakeState,
  signing: z.discriminatedUnion('is', [
    z.strictObject({ is: z.literal('on') }),
    z.strictObject({ is: z.literal('stopped'), ...TwinSighting.shape, ...WatchedShape }),
    z.strictObject({ is: z.literal('standby'), ...WatchedShape }),
    z.strictObject({ is: z.literal('moved'), seat: SeatNumber, peer: z.string(), from: EpochNumber }),
    z.strictObject({ is: z.literal('outdated'), ruleset: Count, from: Week, isInForce: z.boolean() }),
  ]),
  chain: z.strictObject({
    status: z.string(),
    /** −1 before the first block. */
    confirmedHeight: z.int().min(-1),
    tip: HeightNumber.nullable(),
    detail: z.string().nullable(),
  }),
  epoch: EpochNumber.nullable(),
  week: Week.nullable(),
  work: z
    .strictObject({
      stage: z.string(),
      targets: z.array(z.strictObject({ seat: SeatNumber, host: z.string(), state: z.string() })),
    })
    .nullable(),
  said: z.array(Said),
  attestations: z.array(z.strictObject({ epoch: EpochNumber, held: Count, seats: Count })),
  rulesets: z.array(z.strictObject({ ruleset: Count, ready: Count, probed: Count })),
  peers: z.strictObject({ total: Count, registered: Count }),
  contact: Contact,
  certificateUntil: z.iso.datetime().nullable(),
  diskFreeBytes: z.number().min(0).nullable(),
  findings: z.array(Finding),
  unknown: z.array(z.string()),
  alerts: z.array(
    z.strictObject({
      kind: TargetKind,
      name: z.string(),
      waiting: Count,
      lastError: z.string().nullable(),
    }),
  ),
})

export const PeersAnswer: Schema<PeerStatus[]> = z.array(
  z.strictObject({
    peer: z.string(),
    seat: SeatNumber.nullable(),
    host: z.string().nullable(),
    address: z.string().nullable(),
    direction: z.enum(['inbound', 'outbound']),
    connections: Count,
    isRegistered: z.boolean(),
    score: z.number(),
  }),
)

export const FleetAnswer: Schema<FleetReport> = z.strictObject({
  network: z.string(),
  week: Week,
  epoch: EpochNumber,
  height: z.int(),
  nodes: z.array(
    z.strictObject({
      stake: z.string(),
      state: StakeState,
      seat: SeatNumber.nullable(),
      host: z.string().nullable(),
      score: Count,
      epochs: Count,
      expected: z
        .string()
        .regex(/^[0-9]+$/)
        .nullable(),
      outcomes: z.array(
        z.strictObject({
          epoch: EpochNumber,
          outcome: z.custom<Outcome>((value) => typeof value === 'string').nullable(),
          isOpen: z.boolean(),
          failedBy: z.array(z.strictObject({ seat: SeatNumber, host: z.string(), word: z.string() })),
        }),
      ),
    }),
  ),
})

export const AlertTestAnswer: Schema<TestedTarget[]> = z.array(
  z.strictObject({ kind: TargetKind, name: z.string(), error: z.string().nullable() }),
)

export const RelayAnswer: Schema<HopStatus> = z.strictObject({
  circuits: z.strictObject({ strangers: Count, registered: Count, sinceStart: Count }),
  cells: z.strictObject({ received: Count, sent: Count }),
  refusals: z.record(z.string(), Count),
  transactionsSent: Count,
  effort: Count,
  waiting: Count,
})

export const EpochAnswer: Schema<EpochReport> = z.strictObject({
  epoch: EpochNumber,
  week: Week,
  seats: z.array(
    z.strictObject({
      seat: SeatNumber,
      host: z.string(),
      outcome: z.string(),
      challengers: Count,
      said: z.record(z.string(), Count),
    }),
  ),
})

export const CaseAnswer: Schema<VerifiedCase> = z.strictObject({
  result: z.enum(['holds', 'follows', 'fails', 'incomplete']),
  lines: z.array(
    z.strictObject({
      is: z.enum(['holds', 'fails', 'missing', 'unchecked', 'assumed']),
      epoch: EpochNumber.nullable(),
      subject: z.string(),
      detail: z.string(),
    }),
  ),
})

/** The certificate that waits for its anchor. */
export const AnchorAnswer = z.strictObject({ week: Week, memo: z.string() })

export const PageAnswer = z.strictObject({ url: z.string() })

export const ImportedAnswer: Schema<ImportAnswer> = z.strictObject({
  checkpoint: z.string(),
  weeks: z.array(Week),
  anchor: HeightNumber,
  blocks: Count,
  attestations: Count,
  evidence: Count,
})

export const HistoryAnswer = z.strictObject({ text: z.string() })

const Summary: Schema<HistorySummary> = z.strictObject({
  attestations: Count,
  lastEpoch: EpochNumber.nullable(),
  votes: Count,
  receipts: Count,
  payouts: Count,
})

export const TakeoverAnswer = z.strictObject({
  seat: SeatNumber,
  /** Null if the other daemon's history is lost. */
  history: Summary.nullable(),
  /** Nothing of an earlier epoch is signed. */
  fromEpoch: EpochNumber,
})
export type TakeoverAnswer = z.infer<typeof TakeoverAnswer>

/** What a refusal looks like: the parts of a SecnodeError. */
export const ControlError = z.strictObject({
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  exitCode: z.union([z.literal(1), z.literal(2), z.literal(3)]),
})
export type ControlError = z.infer<typeof ControlError>
