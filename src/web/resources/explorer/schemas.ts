import { z } from 'zod'
import { EpochNumber, HeightNumber, SeatNumber, Week } from '../../../../protocol/index.ts'
import {
  named,
  Count,
  Time,
  Hex32,
  Base64,
  CidText,
  Text,
  SignedText,
  pageSchema,
} from '../../api/schemas.ts'

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
export const AttestationPage = pageSchema('AttestationPage', AttestationRow)

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
export const BlockPage = pageSchema('BlockPage', BlockRow)

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
export const AnnouncementPage = pageSchema('AnnouncementPage', Announcement)

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
