import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { maxAttestationBytes } from './attestation.ts'
import { maxCertificateBytes } from './certificate.ts'
import { maxReceiptBytes } from './challenge.ts'
import { type Canonical, decodeCanonical, type Decoded, encodeCanonical, PayloadCid } from './codec.ts'
import { maxProofBytes } from './equivocation.ts'
import { maxEvidenceBytes } from './evidence.ts'
import { bytesOf, bytesUpTo, EpochNumber, type NetworkId, SeatNumber } from './ids.ts'
import { maxQuestionBytes } from './question.ts'

/** R-MSG-1: on the wire `/secnode/<networkId>/<name>`, so that networks with other rules never meet. */
export const protocols = {
  challenge: 'challenge/1',
  evidence: 'evidence/1',
  sync: 'sync/1',
  propose: 'propose/1',
  checkpoint: 'checkpoint/1',
  dialBack: 'dialback/1',
} as const

/** R-MSG-1: topics of gossip, with the largest message on each. */
export const topicsOf = (networkId: NetworkId) =>
  ({
    attestations: { name: `/secnode/${networkId}/attestations/1`, maxMessageBytes: maxAttestationBytes + 80 },
    equivocations: { name: `/secnode/${networkId}/equivocations/1`, maxMessageBytes: maxProofBytes },
    certificates: { name: `/secnode/${networkId}/certificates/1`, maxMessageBytes: maxCertificateBytes },
  }) as const

/** Bytes of a message and how to read it: every message of R-MSG-1 is one DAG-CBOR array that begins with its name. */
export interface MessageCodec<T extends readonly Canonical[]> {
  maxBytes: number
  encode(message: T): Uint8Array
  decode(bytes: Uint8Array): Decoded<T>
}

/** The strict codec of one message. */
export const codecOf = <T extends readonly Canonical[]>(
  schema: z.ZodType<T>,
  maxBytes: number,
): MessageCodec<T> => ({
  maxBytes,
  encode: (message) => encodeCanonical(message),
  decode: (bytes) => decodeCanonical(schema, bytes, maxBytes),
})

/** Why something is refused or put off. */
export const MessageCode = z.string().regex(/^[a-z0-9-]{1,48}$/)
const SignedRow = (maxBytes: number) => z.tuple([bytesUpTo(maxBytes), bytesOf(64)])

/** ["challenge", question, signature] (R-CHAL-1) */
export const ChallengeRequest = z.tuple([z.literal('challenge'), bytesUpTo(maxQuestionBytes), bytesOf(64)])
export type ChallengeRequest = z.infer<typeof ChallengeRequest>

/** Answers that mean "ask later" (R-CHAL-1). */
export const LaterCode = z.enum(['not-yet', 'behind', 'busy'])
export type LaterCode = z.infer<typeof LaterCode>

/** Answers to a `ChallengeRequest` (R-CHAL-2). */
export const ChallengeAnswer = z.union([
  z.tuple([z.literal('receipt'), bytesUpTo(maxReceiptBytes), bytesOf(64)]),
  z.tuple([z.literal('later'), LaterCode]),
  z.tuple([z.literal('refused'), MessageCode]),
  /** With the other question of this challenger that was answered, and its signature. */
  z.tuple([z.literal('refused'), z.literal('second-nonce'), bytesUpTo(maxQuestionBytes), bytesOf(64)]),
])
export type ChallengeAnswer = z.infer<typeof ChallengeAnswer>

/** Reads and writes `ChallengeRequest`. */
export const challengeRequestCodec = codecOf<ChallengeRequest>(ChallengeRequest, 256)
/** Reads and writes `ChallengeAnswer`. */
export const challengeAnswerCodec = codecOf<ChallengeAnswer>(ChallengeAnswer, 1_024)

/** ["evidence", CID]: whoever holds the block serves it (R-EVID-1). */
export const EvidenceRequest = z.tuple([z.literal('evidence'), PayloadCid])
export type EvidenceRequest = readonly ['evidence', CID]
/** Answers to a request for an evidence block. */
export const EvidenceAnswer = z.union([
  z.tuple([z.literal('evidence'), bytesUpTo(maxEvidenceBytes)]),
  z.tuple([z.literal('unknown')]),
  z.tuple([z.literal('refused'), MessageCode]),
])
export type EvidenceAnswer = z.infer<typeof EvidenceAnswer>
/** Reads and writes requests for an evidence block. */
export const evidenceRequestCodec = codecOf<EvidenceRequest>(
  EvidenceRequest as unknown as z.ZodType<EvidenceRequest>,
  64,
)
/** Reads and writes `EvidenceAnswer`. */
export const evidenceAnswerCodec = codecOf<EvidenceAnswer>(EvidenceAnswer, maxEvidenceBytes + 64)

/** Attestations in one answer of sync: 256 of them are some 80 kB. */
export const maxSyncAttestations = 256
/** Epochs in one question for roots: a week and a half of four-hour epochs. */
export const maxSyncEpochs = 64
/** Proofs in one answer of sync. */
export const maxSyncProofs = 64
/** Seats of a bitfield: ten times the largest network there ever was would still fit. */
const maxBitfieldBytes = 65_536

/** What a peer asks of another's store (R-SYNC-1). */
export const SyncRequest = z.union([
  /** ["roots", first epoch, how many] */
  z.tuple([z.literal('roots'), EpochNumber, z.int().min(1).max(maxSyncEpochs)]),
  /** ["held", epoch, beacon]: a bit for each seat of the snapshot */
  z.tuple([z.literal('held'), EpochNumber, bytesOf(32)]),
  /** ["fetch", epoch, beacon, seats] */
  z.tuple([
    z.literal('fetch'),
    EpochNumber,
    bytesOf(32),
    z.array(SeatNumber).min(1).max(maxSyncAttestations),
  ]),
  /** ["of-seat", seat, first epoch, how many]: whatever is held of one seat, under any beacon (R-ATT-5) */
  z.tuple([z.literal('of-seat'), SeatNumber, EpochNumber, z.int().min(1).max(maxSyncEpochs)]),
  /** ["proofs", first epoch, how many] */
  z.tuple([z.literal('proofs'), EpochNumber, z.int().min(1).max(maxSyncEpochs)]),
])
export type SyncRequest = z.infer<typeof SyncRequest>

/** Answers to a `SyncRequest` (R-SYNC). */
export const SyncAnswer = z.union([
  /** [epoch, beacon, number held, root] of each epoch that the peer knows the beacon of */
  z.tuple([
    z.literal('roots'),
    z.array(z.tuple([EpochNumber, bytesOf(32), SeatNumber, bytesOf(32)])).max(maxSyncEpochs),
  ]),
  z.tuple([z.literal('held'), bytesUpTo(maxBitfieldBytes)]),
  z.tuple([z.literal('attestations'), z.array(SignedRow(maxAttestationBytes)).max(maxSyncAttestations)]),
  z.tuple([z.literal('proofs'), z.array(bytesUpTo(maxProofBytes)).max(maxSyncProofs)]),
  z.tuple([z.literal('refused'), MessageCode]),
])
export type SyncAnswer = z.infer<typeof SyncAnswer>

/** Reads and writes `SyncRequest`. */
export const syncRequestCodec = codecOf<SyncRequest>(SyncRequest, 4_096)
/** Reads and writes `SyncAnswer`. */
export const syncAnswerCodec = codecOf<SyncAnswer>(SyncAnswer, 400_000)
