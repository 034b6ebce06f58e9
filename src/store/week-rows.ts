import { z } from 'zod'
import {
  bytesOf,
  type ChainWeeks,
  decodeCanonical,
  encodeCanonical,
  EpochNumber,
  equalBytes,
  type Height,
  HeightNumber,
  type NamedAnchor,
  noWeeks,
  PayloadCid,
  SeatNumber,
  type SeniorList,
  type VoidedAnchor,
  VoidedAnchors,
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

/** Under which voided anchors the weeks were stepped (R-NET-4). */
export const voidedOfWeeks = async (store: Store): Promise<VoidedAnchor[]> => {
  const row = await store.get(keyOf(prefixes.voided))
  if (row === undefined) return []
  const parsed = VoidedAnchors.safeParse(JSON.parse(new TextDecoder().decode(row)))
  if (parsed.success) return parsed.data
  throw new SecnodeError('STORE_DAMAGED', 'the row of voided anchors in the store cannot be read', {
    hint: 'Move the data directory away and let the node follow the chain anew.',
    cause: parsed.error,
  })
}

export const putVoidedOfWeeks = (voided: readonly VoidedAnchor[]): StoreOperation =>
  put(keyOf(prefixes.voided), new TextEncoder().encode(JSON.stringify(voided)))

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

/** A list that several weeks share is written once: at 40,000 seats it has 2 MB. */
const encodeWeeks = ({ records, fullFrom, handedOn }: ChainWeeks): Uint8Array => {
  const lists: SeniorList[] = []
  const numberOf = (list: SeniorList | null): number | null => {
    if (list === null) return null
    const known = lists.findIndex(({ root }) => equalBytes(root, list.root))
    return known === -1 ? lists.push(list) - 1 : known
  }
  const rows = records.map(({ week, first, last, freeze, own, list, commits, covers, anchor, isPending }) => [
    week,
    first,
    last,
    freeze === null ? null : [freeze.height, freeze.hash],
    numberOf(own),
    numberOf(list),
    commits === null ? null : [namedRow(commits.previous), commits.handsOn.count, commits.handsOn.root],
    covers,
    anchor === null
      ? null
      : [anchor.height, anchor.blockHash, anchor.index, anchor.week, anchor.view, anchor.checkpoint],
    isPending,
  ])
  const last = handedOn === null ? null : [handedOn.week, namedRow(handedOn.anchor), numberOf(handedOn.list)]
  return encodeCanonical([
    fullFrom,
    lists.map(({ seniors, root }) => [root, seniors.map(({ seat, bls }) => [seat, bls])]),
    last,
    rows,
  ])
}

const namedRow = (anchor: NamedAnchor | null) =>
  anchor && ([anchor.checkpoint, anchor.height, anchor.blockHash] as const)

const Hash = bytesOf(32)
const NamedRow = z.tuple([PayloadCid, HeightNumber, Hash])
/** Where a list stands among those of its row. */
const ListNumber = z.int().min(0)
const WeeksRow = z.tuple([
  EpochNumber.nullable(),
  z.array(z.tuple([Hash, z.array(z.tuple([SeatNumber, bytesOf(48)]))])),
  z.tuple([Week, NamedRow, ListNumber]).nullable(),
  z.array(
    z.tuple([
      Week,
      EpochNumber,
      EpochNumber.nullable(),
      z.tuple([HeightNumber, Hash.nullable()]).nullable(),
      ListNumber.nullable(),
      ListNumber.nullable(),
      z.tuple([NamedRow.nullable(), SeatNumber, Hash]).nullable(),
      z.array(Week),
      z.tuple([HeightNumber, Hash, z.int(), Week, z.int(), PayloadCid]).nullable(),
      z.boolean(),
    ]),
  ),
])

/** Three lists of the largest network, and a century of weeks. */
const maxRowBytes = 64 * 1024 * 1024

const decodeWeeks = (row: Uint8Array): ChainWeeks => {
  const decoded = decodeCanonical(WeeksRow, row, maxRowBytes)
  if (decoded.is === 'bad') throw damaged()
  const [fullFrom, listRows, handedOn, records] = decoded.value
  const lists = listRows.map(([root, seniors]): SeniorList => ({
    root,
    seniors: seniors.map(([seat, bls]) => ({ seat, bls })),
  }))
  const listAt = (number: number): SeniorList => {
    const list = lists[number]
    if (list === undefined) throw damaged()
    return list
  }
  return {
    fullFrom,
    handedOn:
      handedOn === null
        ? null
        : { week: handedOn[0], anchor: namedOf(handedOn[1]), list: listAt(handedOn[2]) },
    records: records.map(([week, first, last, freeze, own, list, commits, covers, anchor, isPending]) => ({
      week,
      first,
      last,
      freeze: freeze === null ? null : { height: freeze[0], hash: freeze[1] },
      own: own === null ? null : listAt(own),
      list: list === null ? null : listAt(list),
      commits:
        commits === null
          ? null
          : {
              previous: commits[0] && namedOf(commits[0]),
              handsOn: { count: commits[1], root: commits[2] },
            },
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

const namedOf = ([checkpoint, height, blockHash]: z.infer<typeof NamedRow>): NamedAnchor => ({
  checkpoint,
  height,
  blockHash,
})

const damaged = (): SecnodeError =>
  new SecnodeError('STORE_DAMAGED', 'the weeks in the store cannot be read', {
    hint: 'Move the data directory away and let the node follow the chain anew.',
  })
