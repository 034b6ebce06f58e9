import { z } from 'zod'
import {
  bytesOf,
  type ChainWeeks,
  decodeCanonical,
  encodeCanonical,
  EpochNumber,
  type Height,
  HeightNumber,
  noWeeks,
  PayloadCid,
  SeatNumber,
  Week,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { keyOf, prefixes, readU32, u32 } from './keys.ts'
import { del, put, type Store, type StoreOperation } from './store.ts'

/** The weeks as they stood after the last block at or below `height` that changed them (R-CP-1…6). */
export const weeksAt = async (store: Store, height: Height): Promise<ChainWeeks> => {
  const range = {
    gte: keyOf(prefixes.weeks),
    lt: keyOf(prefixes.weeks, u32(height + 1)),
    reverse: true,
    limit: 1,
  }
  for await (const [, row] of store.range(range)) return decodeWeeks(row)
  return noWeeks
}

/** One row for each block that changed them: few in a week. */
export const putWeeks = (height: Height, weeks: ChainWeeks): StoreOperation =>
  put(keyOf(prefixes.weeks, u32(height)), encodeWeeks(weeks))

/** Takes back what blocks above `height` changed. */
export const deleteWeeksAbove = async (store: Store, height: Height): Promise<StoreOperation[]> => {
  const operations: StoreOperation[] = []
  const range = { gte: keyOf(prefixes.weeks, u32(height + 1)), lt: keyOf(prefixes.weeks + 1) }
  for await (const [key] of store.range(range)) operations.push(del(key))
  return operations
}

/** Heights at which the weeks changed, for tests and tools. */
export const weekRowHeights = async (store: Store): Promise<Height[]> => {
  const heights: Height[] = []
  for await (const [key] of store.range({ gte: keyOf(prefixes.weeks), lt: keyOf(prefixes.weeks + 1) })) {
    heights.push(readU32(key, 1))
  }
  return heights
}

const encodeWeeks = ({ records, fullFrom }: ChainWeeks): Uint8Array =>
  encodeCanonical([
    fullFrom,
    records.map(({ week, first, last, freeze, seniors, covers, anchor, isPending }) => [
      week,
      first,
      last,
      freeze === null ? null : [freeze.height, freeze.hash],
      seniors === null ? null : seniors.map(({ seat, bls }) => [seat, bls]),
      covers,
      anchor === null
        ? null
        : [anchor.height, anchor.blockHash, anchor.index, anchor.week, anchor.view, anchor.checkpoint],
      isPending,
    ]),
  ])

const Hash = bytesOf(32)
const WeeksRow = z.tuple([
  EpochNumber.nullable(),
  z.array(
    z.tuple([
      Week,
      EpochNumber,
      EpochNumber.nullable(),
      z.tuple([HeightNumber, Hash.nullable()]).nullable(),
      z.array(z.tuple([SeatNumber, bytesOf(48)])).nullable(),
      z.array(Week),
      z.tuple([HeightNumber, Hash, z.int(), Week, z.int(), PayloadCid]).nullable(),
      z.boolean(),
    ]),
  ),
])

/** Seniors of the largest network, and a century of weeks. */
const maxRowBytes = 64 * 1024 * 1024

const decodeWeeks = (row: Uint8Array): ChainWeeks => {
  const decoded = decodeCanonical(WeeksRow, row, maxRowBytes)
  if (decoded.is === 'bad') {
    throw new SecnodeError('STORE_DAMAGED', 'the weeks in the store cannot be read', {
      hint: 'Move the data directory away and let the node follow the chain anew.',
    })
  }
  const [fullFrom, records] = decoded.value
  return {
    fullFrom,
    records: records.map(([week, first, last, freeze, seniors, covers, anchor, isPending]) => ({
      week,
      first,
      last,
      freeze: freeze === null ? null : { height: freeze[0], hash: freeze[1] },
      seniors: seniors === null ? null : seniors.map(([seat, bls]) => ({ seat, bls })),
      covers,
      anchor:
        anchor === null
          ? null
          : {
              height: anchor[0],
              blockHash: anchor[1],
              index: anchor[2],
              week: anchor[3],
              view: anchor[4],
              checkpoint: anchor[5],
            },
      isPending,
    })),
  }
}
