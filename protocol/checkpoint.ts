import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { equalBytes } from './bytes.ts'
import { cidOf, type Decoded, decodeCanonical, encodeCanonical, PayloadCid } from './codec.ts'
import {
  bytesOf,
  type Epoch,
  EpochNumber,
  type Height,
  HeightNumber,
  NetworkId,
  SeatNumber,
  Week,
} from './ids.ts'
import { leafHash, merkleRootInSteps, merkleRootOfHashesInSteps } from './merkle.ts'
import { maxAmount } from './params.ts'
import type { SeatRecord, SnapshotRow } from './registry.ts'
import type { ListCommitment } from './seniors.ts'
import { finish, type Steps } from './steps.ts'
import { accept, reject, type Validation } from './validation.ts'
import { isWeek } from './week.ts'

/** The exact set of an epoch: what is not under the root is not in the week (R-CP-1). */
export interface ListedEpoch {
  epoch: Epoch
  /** 32 bytes. */
  beacon: Uint8Array
  /** Seats in its snapshot, and the root over them (32 bytes). */
  seats: number
  snapshotRoot: Uint8Array
  /** Attestations under the root. */
  count: number
  /** root(e), 32 bytes (R-SYNC-1). */
  root: Uint8Array
}

/** One of the weeks that a checkpoint covers. */
export interface ListedWeek {
  week: Week
  /** Hash of the parameters in force (R-NET-2), 32 bytes. */
  paramsHash: Uint8Array
  /** What came in, in base units, before `feeReserve` (R-TALLY-6). */
  income: bigint
  /** All of the week, in rising order. */
  epochs: readonly ListedEpoch[]
  /** Pages of the proofs against the week's equivocators, in their order (R-ATT-3). */
  proofPages: readonly CID[]
}

/** Which checkpoint an anchor fixed, and in which block (R-CP-1). */
export interface NamedAnchor {
  checkpoint: CID
  height: Height
  /** Of its block, internal order. */
  blockHash: Uint8Array
}

/** What a certificate is about (R-CP-1). Its id is the CID of its bytes. */
export interface Checkpoint {
  networkId: NetworkId
  week: Week
  /** Hash of block F, internal order. */
  freezeHash: Uint8Array
  /** The last anchor up to block F; null if there is none. */
  previous: NamedAnchor | null
  /** Over the seats after block F. */
  registryRoot: Uint8Array
  /** The list that it hands on (R-CP-2). */
  handsOn: ListCommitment
  /** In rising order; the last is `week`, the others are earlier ones without an anchor (R-CP-6). */
  weeks: readonly ListedWeek[]
}

/** Epochs in one checkpoint: four years of them, so a network may wait that long for its first seniors. */
export const maxCheckpointEpochs = 8_192
/** Pages of proofs in one checkpoint: 128 proofs each, three times the largest network there ever was. */
export const maxCheckpointPages = 1_024
/** 8,192 epochs of 118 bytes, 8,192 weeks of 55 at the worst and 1,024 pages of 41 fit. */
export const maxCheckpointBytes = 1_572_864

const Root = bytesOf(32)
const WeekName = Week.refine(isWeek)
/** Below 2^53, as all the money is: the decoder gives a number. */
const Income = z.int().min(0).max(Number(maxAmount))
const ListedEpochRow = z.tuple([EpochNumber, Root, SeatNumber, Root, SeatNumber, Root])
const ListedWeekRow = z.tuple([
  WeekName,
  Root,
  Income,
  z.array(ListedEpochRow).min(1).max(maxCheckpointEpochs),
  z.array(PayloadCid).max(maxCheckpointPages),
])
const CheckpointRow = z.tuple([
  z.literal('checkpoint'),
  z.literal(2),
  NetworkId,
  WeekName,
  Root,
  z.tuple([PayloadCid, HeightNumber, Root]).nullable(),
  Root,
  z.tuple([SeatNumber, Root]),
  z.array(ListedWeekRow).min(1).max(maxCheckpointEpochs),
])

/** R-CP-1: returns the canonical payload of a checkpoint. */
export const encodeCheckpoint = (checkpoint: Checkpoint): Uint8Array =>
  encodeCanonical([
    'checkpoint',
    2,
    checkpoint.networkId,
    checkpoint.week,
    checkpoint.freezeHash,
    previousRow(checkpoint.previous),
    checkpoint.registryRoot,
    [checkpoint.handsOn.count, checkpoint.handsOn.root],
    checkpoint.weeks.map(({ week, paramsHash, income, epochs, proofPages }) => [
      week,
      paramsHash,
      income,
      epochs.map(({ epoch, beacon, seats, snapshotRoot, count, root }) => [
        epoch,
        beacon,
        seats,
        snapshotRoot,
        count,
        root,
      ]),
      proofPages,
    ]),
  ])

/**
 * Reads a payload. Its form only: what the chain says of it is `checkFrame`'s matter. Returns `bad` with a code for
 * other bytes.
 */
export const decodeCheckpoint = (bytes: Uint8Array): Decoded<Checkpoint> => {
  const decoded = decodeCanonical(CheckpointRow, bytes, maxCheckpointBytes)
  if (decoded.is === 'bad') return decoded
  const [, , networkId, week, freezeHash, previousOf, registryRoot, [count, root], rows] = decoded.value
  const weeks = rows.map(([name, paramsHash, income, epochRows, proofPages]) => ({
    week: name,
    paramsHash,
    income: BigInt(income),
    epochs: epochRows.map(([epoch, beacon, seats, snapshotRoot, attested, contents]) => ({
      epoch,
      beacon,
      seats,
      snapshotRoot,
      count: attested,
      root: contents,
    })),
    proofPages,
  }))
  const previous = previousOf && {
    checkpoint: previousOf[0],
    height: previousOf[1],
    blockHash: previousOf[2],
  }
  const handsOn = { count, root }
  return { is: 'ok', value: { networkId, week, freezeHash, previous, registryRoot, handsOn, weeks } }
}

/** What the chain alone fixes of a checkpoint: everything but roots, counts and proofs. */
export interface CheckpointFrame {
  networkId: NetworkId
  week: Week
  freezeHash: Uint8Array
  previous: NamedAnchor | null
  registryRoot: Uint8Array
  handsOn: ListCommitment
  /** In rising order; the last is `week`. */
  weeks: readonly FramedWeek[]
}

export interface FramedWeek {
  week: Week
  paramsHash: Uint8Array
  /** Base units that came in, before `feeReserve`. */
  income: bigint
  epochs: readonly FramedEpoch[]
}

/** What the chain fixes of one epoch of a checkpoint. */
export interface FramedEpoch {
  epoch: Epoch
  beacon: Uint8Array
  /** Seats in its snapshot, and the root over them. */
  seats: number
  snapshotRoot: Uint8Array
}

/** The contents of an epoch: how many attestations, and their root. */
export interface EpochContents {
  count: number
  root: Uint8Array
}

/** Fills a frame: contents by epoch, pages of proofs by week. */
export const fillFrame = (
  frame: CheckpointFrame,
  contentsOf: (epoch: Epoch) => EpochContents,
  pagesOf: (week: Week) => readonly CID[],
): Checkpoint => ({
  ...frame,
  weeks: frame.weeks.map(({ epochs, ...week }) => ({
    ...week,
    epochs: epochs.map((framed) => ({ ...framed, ...contentsOf(framed.epoch) })),
    proofPages: pagesOf(week.week),
  })),
})

/**
 * R-CP-1: whether a payload says what the chain says, member by member: everything but the contents of epochs and the
 * pages of proofs, whose numbers alone are bounded here.
 */
export const checkFrame = (frame: CheckpointFrame, checkpoint: Checkpoint): Validation => {
  if (checkpoint.networkId !== frame.networkId) return reject('checkpoint-network')
  if (checkpoint.week !== frame.week) return reject('checkpoint-week')
  if (!equalBytes(checkpoint.freezeHash, frame.freezeHash)) return reject('checkpoint-freeze')
  if (!isSameAnchor(checkpoint.previous, frame.previous)) return reject('checkpoint-previous')
  if (!equalBytes(checkpoint.registryRoot, frame.registryRoot)) return reject('checkpoint-registry')
  const { count, root } = frame.handsOn
  if (checkpoint.handsOn.count !== count || !equalBytes(checkpoint.handsOn.root, root)) {
    return reject('checkpoint-list')
  }
  if (checkpoint.weeks.length !== frame.weeks.length) return reject('checkpoint-weeks')
  let pages = 0
  for (const [i, framed] of frame.weeks.entries()) {
    const listed = checkpoint.weeks[i]!
    if (listed.week !== framed.week) return reject('checkpoint-weeks')
    if (!equalBytes(listed.paramsHash, framed.paramsHash)) return reject('checkpoint-params')
    if (listed.income !== framed.income) return reject('checkpoint-income')
    if (listed.epochs.length !== framed.epochs.length) return reject('checkpoint-epochs')
    for (const [j, { epoch, beacon, seats, snapshotRoot }] of framed.epochs.entries()) {
      const row = listed.epochs[j]!
      if (row.epoch !== epoch || !equalBytes(row.beacon, beacon)) return reject('checkpoint-epochs')
      if (row.seats !== seats || !equalBytes(row.snapshotRoot, snapshotRoot)) {
        return reject('checkpoint-snapshot')
      }
      if (row.count > seats) return reject('checkpoint-count')
    }
    pages += listed.proofPages.length
  }
  return pages > maxCheckpointPages ? reject('checkpoint-pages') : accept(undefined)
}

const isSameAnchor = (a: NamedAnchor | null, b: NamedAnchor | null): boolean =>
  a === null || b === null
    ? a === b
    : a.checkpoint.equals(b.checkpoint) && a.height === b.height && equalBytes(a.blockHash, b.blockHash)

const previousRow = (previous: NamedAnchor | null) =>
  previous && ([previous.checkpoint, previous.height, previous.blockHash] as const)

/** What a checkpoint says of a seat in a snapshot (R-CP-1). */
export type SnapshotLeaf = Pick<SnapshotRow, 'seat' | 'stake' | 'peer' | 'host'>

/** R-CP-1: root over a snapshot, in rising order of seat: 32 bytes. */
export const snapshotRootOf = (snapshot: readonly SnapshotLeaf[]): Uint8Array =>
  finish(snapshotRootInSteps(snapshot))

/** Hashes of leaves that are known: whoever computes the roots of many snapshots keeps those of the rows that they share. */
export type LeafHashes = Pick<WeakMap<SnapshotLeaf, Uint8Array>, 'get' | 'set'>

/**
 * R-CP-1: returns the 32-byte root over the rows of a snapshot, in steps. `known` keeps hashes of rows from call to
 * call.
 */
export const snapshotRootInSteps = (
  snapshot: readonly SnapshotLeaf[],
  known: LeafHashes = new WeakMap(),
): Steps<Uint8Array> => merkleRootOfHashesInSteps(snapshotHashes(snapshot, known))

const snapshotHashes = function* (
  snapshot: readonly SnapshotLeaf[],
  known: LeafHashes,
): Generator<Uint8Array> {
  for (const row of snapshot) {
    let hash = known.get(row)
    if (hash === undefined) known.set(row, (hash = leafHash(snapshotLeaf(row))))
    yield hash
  }
}

/** R-CP-1: the leaf of a seat under a snapshot root. */
export const snapshotLeaf = ({ seat, stake, peer, host }: SnapshotLeaf): Uint8Array =>
  encodeCanonical([seat, stake, peer, host])

/** What a checkpoint fixes of a seat (R-CP-1). */
export type RegistryRow = Pick<
  SeatRecord,
  'seat' | 'stake' | 'peer' | 'host' | 'p2p' | 'tls' | 'bls' | 'at' | 'activeSince'
>

/** R-CP-1: root over all seats, in their order, as they stand after block F: 32 bytes. */
export const registryRootOf = (seats: readonly RegistryRow[]): Uint8Array =>
  finish(registryRootInSteps(seats))

/** R-CP-1: returns the 32-byte root over the registry, in steps. `seats` in rising order. */
export const registryRootInSteps = (seats: readonly RegistryRow[]): Steps<Uint8Array> =>
  merkleRootInSteps(leavesOf(seats))

const leavesOf = function* (seats: readonly RegistryRow[]): Generator<Uint8Array> {
  for (const seat of seats) yield seatLeaf(seat)
}

const seatLeaf = (record: RegistryRow): Uint8Array =>
  encodeCanonical([
    record.seat,
    record.stake,
    record.peer,
    record.host,
    record.p2p,
    record.tls,
    record.bls,
    record.at,
    record.activeSince,
  ])

/** The id under which a checkpoint is voted for, anchored and asked for. */
export const checkpointCid = (checkpoint: Checkpoint): CID => cidOf(encodeCheckpoint(checkpoint))
