import { z } from 'zod'
import {
  bytesOf,
  bytesToHex,
  type Canonical,
  compareBytes,
  concatBytes,
  decodeCanonical,
  encodeCanonical,
  type Epoch,
  EpochNumber,
  type Height,
  HeightNumber,
  hexToBytes,
  outpointKey,
  type OutpointKey,
  type RegistryChange,
  type Seat,
  SeatNumber,
  type SeatRecord,
  type StakeOutput,
} from '../../protocol/index.ts'
import { storeDamaged } from './errors.ts'
import { keyOf, prefixes, readU32, u32 } from './keys.ts'
import { del, put, type StoreOperation, type StoreRange } from './store.ts'

/** Keys and values of the rows of the registry: see `registry-rows.ts`. */

/** Everything of a seat but its activity. */
export type SeatIdentity = Omit<SeatRecord, 'activeSince'>

export interface SeatVersion {
  seat: Seat
  version: number
}

export const isAnnounced = (before: SeatRecord | null, after: SeatRecord): boolean =>
  before === null ||
  before.announced.height !== after.announced.height ||
  before.announced.index !== after.announced.index

export const seatKey = (seat: Seat): Uint8Array => keyOf(prefixes.seat, u32(seat))
export const identityKey = (seat: Seat, version: number): Uint8Array =>
  keyOf(prefixes.identity, u32(seat), u32(version))
export const undoKey = (height: Height): Uint8Array => keyOf(prefixes.undo, u32(height))
export const snapshotKey = (epoch: Epoch): Uint8Array => keyOf(prefixes.snapshot, u32(epoch))
export const snapshotRootKey = (epoch: Epoch): Uint8Array => keyOf(prefixes.snapshotRoot, u32(epoch))
export const outputKey = (outpoint: OutpointKey): Uint8Array => {
  const { txid, index } = partsOfOutpoint(outpoint)
  return keyOf(prefixes.stakeOutput, txid, u32(index))
}

/** Of all outputs of a seat. */
export const rangeOfSeatOutputs = (seat: Seat): StoreRange => ({
  gte: keyOf(prefixes.seatOutput, u32(seat)),
  lt: keyOf(prefixes.seatOutput, u32(seat + 1)),
})

export const outpointOfSeatOutput = (key: Uint8Array): OutpointKey =>
  outpointKey(key.subarray(5, 37), readU32(key, 37))

const seatOutputKey = ({ outpoint, seat }: StakeOutput): Uint8Array => {
  const { txid, index } = partsOfOutpoint(outpoint)
  return keyOf(prefixes.seatOutput, u32(seat), txid, u32(index))
}

export const putOutput = (output: StakeOutput): StoreOperation[] => [
  put(outputKey(output.outpoint), encodeCanonical([output.seat, output.value])),
  put(seatOutputKey(output), new Uint8Array()),
]

export const deleteOutput = (output: StakeOutput): StoreOperation[] => [
  del(outputKey(output.outpoint)),
  del(seatOutputKey(output)),
]

const partsOfOutpoint = (outpoint: OutpointKey): { txid: Uint8Array; index: number } => ({
  txid: hexToBytes(outpoint.slice(0, 64)),
  index: Number(outpoint.slice(65)),
})

export const rangeOf = (prefix: number) => ({ gte: keyOf(prefix), lt: keyOf(prefix + 1) })

export const damaged = (what: string): Error =>
  storeDamaged('the data directory', `a row of kind "${what}" does not fit`)

const decode = <T>(schema: z.ZodType<T>, row: Uint8Array, what: string): T => {
  const decoded = decodeCanonical(schema, row, maxRowBytes)
  if (decoded.is === 'bad') throw damaged(what)
  return decoded.value
}

/** The largest row is the undo of a block full of payouts: 60,000 outputs of 50 bytes. */
const maxRowBytes = 64 * 1024 * 1024

/** Below 2^53, as all the money is: the decoder gives a number. */
const Value = z.int().min(0)
/** Version of the identity in force, active since, balance. */
const SeatRow = z.tuple([z.int().min(0), HeightNumber.nullable(), Value])
const StakeOutputRow = z.tuple([SeatNumber, Value])

const IdentityRow = z.tuple([
  bytesOf(20),
  bytesOf(32),
  z.string(),
  z.int().min(1).max(65_535),
  z.int().min(1).max(65_535),
  bytesOf(48),
  HeightNumber,
  HeightNumber,
  HeightNumber,
  z.int().min(0),
])

export const encodeSeat = (version: number, activeSince: Height | null, balance: bigint): Uint8Array =>
  encodeCanonical([version, activeSince, balance])

export const decodeSeat = (
  row: Uint8Array,
): { version: number; activeSince: Height | null; balance: bigint } => {
  const [version, activeSince, balance] = decode(SeatRow, row, 'seat')
  return { version, activeSince, balance: BigInt(balance) }
}

export const decodeOutput = (outpoint: OutpointKey, row: Uint8Array): StakeOutput => {
  const [seat, value] = decode(StakeOutputRow, row, 'stake output')
  return { outpoint, seat, value: BigInt(value) }
}

export const encodeIdentity = (record: SeatIdentity): Uint8Array =>
  encodeCanonical([
    record.stake,
    record.peer,
    record.host,
    record.p2p,
    record.tls,
    record.bls,
    record.blsSince,
    record.at,
    record.announced.height,
    record.announced.index,
  ])

export const decodeIdentity = (seat: Seat, row: Uint8Array): SeatIdentity => {
  const [stake, peer, host, p2p, tls, bls, blsSince, at, height, index] = decode(IdentityRow, row, 'identity')
  return { seat, stake, peer, host, p2p, tls, bls, blsSince, at, announced: { height, index } }
}

const UndoOutput = z.tuple([bytesOf(32), z.int().min(0), SeatNumber, Value])
const UndoRow = z.tuple([
  z.array(z.tuple([SeatNumber, z.boolean(), HeightNumber.nullable()])),
  z.array(UndoOutput),
  z.array(UndoOutput),
])

interface SeatUndo {
  seat: Seat
  isAnnounced: boolean
  /** As it was before the block. */
  activeSince: Height | null
}

/** Sorted throughout: two stores of one chain hold the same bytes, whatever reorganisations they went through. */
export const encodeUndo = (change: RegistryChange): Uint8Array => {
  const outputs = (list: readonly StakeOutput[]): Canonical[] =>
    list
      .map(({ outpoint, seat, value }) => ({ ...partsOfOutpoint(outpoint), seat, value }))
      .sort((a, b) => compareBytes(a.txid, b.txid) || a.index - b.index)
      .map(({ txid, index, seat, value }) => [txid, index, seat, value])
  return encodeCanonical([
    change.seats
      .map(({ before, after }) => ({ before, after }))
      .sort((a, b) => a.after.seat - b.after.seat)
      .map(({ before, after }) => [after.seat, isAnnounced(before, after), before?.activeSince ?? null]),
    outputs(change.created),
    outputs(change.removed),
  ])
}

export const decodeUndo = (row: Uint8Array): [SeatUndo[], StakeOutput[], StakeOutput[]] => {
  const [seats, created, removed] = decode(UndoRow, row, 'undo')
  const outputs = (list: typeof created): StakeOutput[] =>
    list.map(([txid, index, seat, value]) => ({
      outpoint: `${bytesToHex(txid)}:${index}`,
      seat,
      value: BigInt(value),
    }))
  return [
    seats.map(([seat, isAnnounced, activeSince]) => ({ seat, isAnnounced, activeSince })),
    outputs(created),
    outputs(removed),
  ]
}

/** What a checkpoint says of a snapshot (R-CP-1): how many seats, and the root over them. */
export interface SnapshotSummary {
  seats: number
  root: Uint8Array
}

export const encodeSnapshotSummary = ({ seats, root }: SnapshotSummary): Uint8Array =>
  concatBytes(u32(seats), root)

export const decodeSnapshotSummary = (row: Uint8Array): SnapshotSummary => {
  if (row.length !== 36) throw damaged('snapshot root')
  return { seats: readU32(row), root: row.subarray(4) }
}

const SnapshotList = z.array(EpochNumber)

/**
 * A flat list of pairs: seats skipped since the last one, version of the identity. Nearly always 0 and 0 of one byte
 * each, so 40,000 seats are 80 kB and LevelDB's compression makes little of that.
 */
export const encodeSnapshot = (rows: readonly SeatVersion[]): Uint8Array => {
  let next = 0
  return encodeCanonical(
    rows.flatMap(({ seat, version }) => {
      const skipped = seat - next
      next = seat + 1
      return [skipped, version]
    }),
  )
}

export const decodeSnapshot = (row: Uint8Array): SeatVersion[] => {
  const list = decode(SnapshotList, row, 'snapshot')
  const rows: SeatVersion[] = []
  let next = 0
  for (let i = 0; i + 1 < list.length; i += 2) {
    const seat = next + list[i]!
    rows.push({ seat, version: list[i + 1]! })
    next = seat + 1
  }
  return rows
}
