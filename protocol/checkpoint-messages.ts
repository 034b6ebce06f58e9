import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { maxCertificateBytes, maxView } from './certificate.ts'
import { maxCheckpointBytes, type RegistryRow } from './checkpoint.ts'
import { PayloadCid } from './codec.ts'
import {
  bytesOf,
  bytesUpTo,
  type Epoch,
  EpochNumber,
  HeightNumber,
  type Seat,
  SeatNumber,
  Week,
} from './ids.ts'
import { codecOf, MessageCode, type MessageCodec } from './messages.ts'
import { maxPageBytes } from './proof-page.ts'
import { isWeek } from './week.ts'

/** Rows in each list of an answer. Whoever misses more than that is not in sync and says so in parts. */
export const maxWants = 1_024
/** Leaves in one answer: 1,024 of 40 bytes. */
export const maxLeaves = 1_024

/**
 * ["propose", view, seat, payload]: the stream must end at the key of the seat (R-CP-3). Named, because a key does not
 * tell the seat: anybody may announce another's peer id (R-REG-4).
 */
export const ProposalRequest = z.tuple([
  z.literal('propose'),
  z.int().min(0).max(maxView),
  SeatNumber,
  bytesUpTo(maxCheckpointBytes),
])
export type ProposalRequest = z.infer<typeof ProposalRequest>

const Item = z.tuple([EpochNumber, SeatNumber])
const Items = z.array(Item).max(maxWants)
const MissingItems = z.array(z.tuple([EpochNumber, SeatNumber, bytesOf(32)])).max(maxWants)

/** What a certifier answers a proposal (R-CP-3). */
export const ProposalAnswer = z.union([
  /** ["vote", signature] */
  z.tuple([z.literal('vote'), bytesOf(96)]),
  /** ["wants", missing attestations, attestations that came too late, missing proofs] */
  z.tuple([z.literal('wants'), MissingItems, Items, Items]),
  /** ["certified", certificate]: too late, there is one. */
  z.tuple([z.literal('certified'), bytesUpTo(maxCertificateBytes)]),
  /** Ask again at the next block. */
  z.tuple([z.literal('later'), MessageCode]),
  z.tuple([z.literal('refused'), MessageCode]),
])
export type ProposalAnswer = z.infer<typeof ProposalAnswer>

/** Reads and writes `ProposalRequest`. */
export const proposalRequestCodec = codecOf<ProposalRequest>(ProposalRequest, maxCheckpointBytes + 32)
/** Reads and writes `ProposalAnswer`. */
export const proposalAnswerCodec = codecOf<ProposalAnswer>(ProposalAnswer, 98_304)

/** What a certifier lacks in a proposal: lists of `maxWants` rows at most. */
export interface Wants {
  missing: readonly { epoch: Epoch; seat: Seat; digest: Uint8Array }[]
  late: readonly { epoch: Epoch; seat: Seat }[]
  /** Seats whose proof of that epoch is not listed. */
  proofs: readonly { epoch: Epoch; seat: Seat }[]
}

/** Returns the answer to a proposal that names what a certifier lacks. */
export const wantsAnswer = ({ missing, late, proofs }: Wants): ProposalAnswer => [
  'wants',
  missing.map(({ epoch, seat, digest }) => [epoch, seat, digest] as [number, number, Uint8Array]),
  late.map(({ epoch, seat }) => [epoch, seat] as [number, number]),
  proofs.map(({ epoch, seat }) => [epoch, seat] as [number, number]),
]

export const readWants = ([, missing, late, proofs]: Extract<
  ProposalAnswer,
  ['wants', ...unknown[]]
>): Wants => ({
  missing: missing.map(([epoch, seat, digest]) => ({ epoch, seat, digest })),
  late: late.map(([epoch, seat]) => ({ epoch, seat })),
  proofs: proofs.map(([epoch, seat]) => ({ epoch, seat })),
})

/** Seats of the registry in one answer: 1,024 of at most 260 bytes. */
export const maxRegistryRows = 1_024

/** A seat as it stands under a registry root (R-CP-1): seat, stake, peer, host, p2p, tls, bls, at, active since. */
const RegistryTuple = z.tuple([
  SeatNumber,
  bytesOf(20),
  bytesOf(32),
  z.string().max(71),
  z.int().min(1).max(65_535),
  z.int().min(1).max(65_535),
  bytesOf(48),
  HeightNumber,
  HeightNumber.nullable(),
])
export type RegistryTuple = z.infer<typeof RegistryTuple>

/** Returns a row of the registry as it goes over the wire. */
export const registryTupleOf = (row: RegistryRow): RegistryTuple => [
  row.seat,
  row.stake,
  row.peer,
  row.host,
  row.p2p,
  row.tls,
  row.bls,
  row.at,
  row.activeSince,
]

/** Returns the row that a tuple from the wire stands for. */
export const registryRowOf = (tuple: RegistryTuple): RegistryRow => {
  const [seat, stake, peer, host, p2p, tls, bls, at, activeSince] = tuple
  return { seat, stake, peer, host, p2p, tls, bls, at, activeSince }
}

/** What is asked about a checkpoint, by certifiers of a proposal and later by anyone of an anchored one. */
export type CheckpointRequest =
  /** ["checkpoint", CID]: its payload. */
  | readonly ['checkpoint', CID]
  /** ["page", CID]: a page of its proofs. */
  | readonly ['page', CID]
  /** ["bits", CID of the checkpoint, epoch]: a bit for each seat of the snapshot that has an attestation in it. */
  | readonly ['bits', CID, number]
  /** ["leaves", CID of the checkpoint, epoch, first index, how many] */
  | readonly ['leaves', CID, number, number, number]
  /** ["registry", CID of the checkpoint, first seat, how many]: seats as they stood after block F. */
  | readonly ['registry', CID, number, number]
  /** ["certificate", week] */
  | readonly ['certificate', string]

/** The schema of `CheckpointRequest`. */
export const CheckpointRequest = z.union([
  z.tuple([z.literal('checkpoint'), PayloadCid]),
  z.tuple([z.literal('page'), PayloadCid]),
  z.tuple([z.literal('bits'), PayloadCid, EpochNumber]),
  z.tuple([z.literal('leaves'), PayloadCid, EpochNumber, SeatNumber, z.int().min(1).max(maxLeaves)]),
  z.tuple([z.literal('registry'), PayloadCid, SeatNumber, z.int().min(1).max(maxRegistryRows)]),
  z.tuple([z.literal('certificate'), Week.refine(isWeek)]),
])

/** Answers to a `CheckpointRequest`: what was asked for, or that it is not there. */
export const CheckpointAnswer = z.union([
  z.tuple([z.literal('checkpoint'), bytesUpTo(maxCheckpointBytes)]),
  z.tuple([z.literal('page'), bytesUpTo(maxPageBytes)]),
  z.tuple([z.literal('bits'), bytesUpTo(65_536)]),
  z.tuple([z.literal('leaves'), z.array(z.tuple([SeatNumber, bytesOf(32)])).max(maxLeaves)]),
  /** ["registry", seats in all, some of them] */
  z.tuple([z.literal('registry'), SeatNumber, z.array(RegistryTuple).max(maxRegistryRows)]),
  z.tuple([z.literal('certificate'), bytesUpTo(maxCertificateBytes)]),
  z.tuple([z.literal('unknown')]),
  z.tuple([z.literal('refused'), MessageCode]),
])
export type CheckpointAnswer = z.infer<typeof CheckpointAnswer>

/** Reads and writes `CheckpointRequest`. */
export const checkpointRequestCodec: MessageCodec<CheckpointRequest> = codecOf<CheckpointRequest>(
  CheckpointRequest as unknown as z.ZodType<CheckpointRequest>,
  128,
)
/** Reads and writes `CheckpointAnswer`. */
export const checkpointAnswerCodec = codecOf<CheckpointAnswer>(CheckpointAnswer, maxCheckpointBytes + 32)
