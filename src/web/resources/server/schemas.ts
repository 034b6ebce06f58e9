import { z } from 'zod'
import { EpochNumber, HeightNumber, SeatNumber, Week } from '../../../../protocol/index.ts'
import { named, Count, Time, CidText, Text, SignedText, pageSchema } from '../../api/schemas.ts'

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
export const FindingPage = pageSchema('FindingPage', Finding)

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
