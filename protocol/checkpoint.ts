import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { equalBytes } from './bytes.ts'
import { cidOf, type Decoded, decodeCanonical, encodeCanonical, PayloadCid } from './codec.ts'
import { bytesOf, type Epoch, EpochNumber, NetworkId, SeatNumber, Week } from './ids.ts'
import { merkleRootInSteps } from './merkle.ts'
import type { SeatRecord } from './registry.ts'
import { finish, type Steps } from './steps.ts'
import { accept, reject, type Validation } from './validation.ts'
import { isWeek } from './week.ts'

/** The exact set of an epoch: what is not under the root is not in the week (R-CP-1). */
export interface ListedEpoch {
  epoch: Epoch
  /** 32 bytes. */
  beacon: Uint8Array
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
  /** All of the week, in rising order. */
  epochs: readonly ListedEpoch[]
  /** Pages of the proofs against the week's equivocators, in their order (R-ATT-3). */
  proofPages: readonly CID[]
}

/** What a certificate is about (R-CP-1). Its id is the CID of its bytes. */
export interface Checkpoint {
  networkId: NetworkId
  week: Week
  /** Hash of block F, internal order. */
  freezeHash: Uint8Array
  /** Over the seats after block F. */
  registryRoot: Uint8Array
  /** In rising order; the last is `week`, the others are earlier ones without an anchor (R-CP-6). */
  weeks: readonly ListedWeek[]
}

/** Epochs in one checkpoint: four years of them, so a network may wait that long for its first seniors. */
export const maxCheckpointEpochs = 8_192
/** Pages of proofs in one checkpoint: 128 proofs each, three times the largest network there ever was. */
export const maxCheckpointPages = 1_024
/** 8,192 epochs of 79 bytes, 8,192 weeks of 60 at the worst and 1,024 pages of 41 fit. */
export const maxCheckpointBytes = 1_572_864

const Root = bytesOf(32)
const WeekName = Week.refine(isWeek)
const ListedEpochRow = z.tuple([EpochNumber, Root, SeatNumber, Root])
const ListedWeekRow = z.tuple([
  WeekName,
  Root,
  z.array(ListedEpochRow).min(1).max(maxCheckpointEpochs),
  z.array(PayloadCid).max(maxCheckpointPages),
])
const CheckpointRow = z.tuple([
  z.literal('checkpoint'),
  z.literal(1),
  NetworkId,
  WeekName,
  Root,
  Root,
  z.array(ListedWeekRow).min(1).max(maxCheckpointEpochs),
])

export const encodeCheckpoint = (checkpoint: Checkpoint): Uint8Array =>
  encodeCanonical([
    'checkpoint',
    1,
    checkpoint.networkId,
    checkpoint.week,
    checkpoint.freezeHash,
    checkpoint.registryRoot,
    checkpoint.weeks.map(({ week, paramsHash, epochs, proofPages }) => [
      week,
      paramsHash,
      epochs.map(({ epoch, beacon, count, root }) => [epoch, beacon, count, root]),
      proofPages,
    ]),
  ])

/** Reads a payload. Its form only: what the chain says of it is `checkFrame`'s matter. */
export const decodeCheckpoint = (bytes: Uint8Array): Decoded<Checkpoint> => {
  const decoded = decodeCanonical(CheckpointRow, bytes, maxCheckpointBytes)
  if (decoded.is === 'bad') return decoded
  const [, , networkId, week, freezeHash, registryRoot, rows] = decoded.value
  const weeks = rows.map(([week, paramsHash, epochRows, proofPages]) => ({
    week,
    paramsHash,
    epochs: epochRows.map(([epoch, beacon, count, root]) => ({ epoch, beacon, count, root })),
    proofPages,
  }))
  return { is: 'ok', value: { networkId, week, freezeHash, registryRoot, weeks } }
}

/** What the chain alone fixes of a checkpoint: everything but roots, counts and proofs. */
export interface CheckpointFrame {
  networkId: NetworkId
  week: Week
  freezeHash: Uint8Array
  registryRoot: Uint8Array
  /** In rising order; the last is `week`. */
  weeks: readonly FramedWeek[]
}

export interface FramedWeek {
  week: Week
  paramsHash: Uint8Array
  epochs: readonly FramedEpoch[]
}

export interface FramedEpoch {
  epoch: Epoch
  beacon: Uint8Array
  /** Seats in its snapshot. */
  seats: number
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
  weeks: frame.weeks.map(({ week, paramsHash, epochs }) => ({
    week,
    paramsHash,
    epochs: epochs.map(({ epoch, beacon }) => ({ epoch, beacon, ...contentsOf(epoch) })),
    proofPages: pagesOf(week),
  })),
})

/** R-CP-1: whether a payload is about what the chain says: exactly these weeks, epochs, block and registry. */
export const checkFrame = (frame: CheckpointFrame, checkpoint: Checkpoint): Validation => {
  if (checkpoint.networkId !== frame.networkId) return reject('checkpoint-network')
  if (checkpoint.week !== frame.week) return reject('checkpoint-week')
  if (!equalBytes(checkpoint.freezeHash, frame.freezeHash)) return reject('checkpoint-freeze')
  if (!equalBytes(checkpoint.registryRoot, frame.registryRoot)) return reject('checkpoint-registry')
  if (checkpoint.weeks.length !== frame.weeks.length) return reject('checkpoint-weeks')
  let pages = 0
  for (const [i, framed] of frame.weeks.entries()) {
    const listed = checkpoint.weeks[i]!
    if (listed.week !== framed.week) return reject('checkpoint-weeks')
    if (!equalBytes(listed.paramsHash, framed.paramsHash)) return reject('checkpoint-params')
    if (listed.epochs.length !== framed.epochs.length) return reject('checkpoint-epochs')
    for (const [j, { epoch, beacon, seats }] of framed.epochs.entries()) {
      const row = listed.epochs[j]!
      if (row.epoch !== epoch || !equalBytes(row.beacon, beacon)) return reject('checkpoint-epochs')
      if (row.count > seats) return reject('checkpoint-count')
    }
    pages += listed.proofPages.length
  }
  return pages > maxCheckpointPages ? reject('checkpoint-pages') : accept(undefined)
}

/** What a checkpoint fixes of a seat (R-CP-1). */
export type RegistryRow = Pick<
  SeatRecord,
  'seat' | 'stake' | 'peer' | 'host' | 'p2p' | 'tls' | 'bls' | 'at' | 'activeSince'
>

/** R-CP-1: root over all seats, in their order, as they stand after block F: 32 bytes. */
export const registryRootOf = (seats: readonly RegistryRow[]): Uint8Array =>
  finish(registryRootInSteps(seats))

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
