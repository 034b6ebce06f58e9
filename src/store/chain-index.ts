import type { Height } from '../../protocol/index.ts'
import { keyOf, prefixes, readU32, u32 } from './keys.ts'
import { del, put, type Store, type StoreOperation } from './store.ts'

/** What is kept of every block that was followed (R-CHAIN-3). */
export interface HeaderRow {
  height: Height
  /** 32 bytes, internal order. */
  hash: Uint8Array
  /** Seconds since 1970. */
  time: number
  /** Seconds; null in the first blocks after a start in the middle of the chain, where earlier times are not known. */
  medianTimePast: number | null
  transactionCount: number
}

/** Header rows have no gaps: from the birthday to the cursor, which is the last of them. */
export interface ChainIndex {
  /** The block that was followed last; undefined in an empty store. */
  cursor(): Promise<HeaderRow | undefined>
  /** The first block that was followed. */
  birthday(): Promise<HeaderRow | undefined>
  headerAt(height: Height): Promise<HeaderRow | undefined>
  /** In [from, to), rising or falling. */
  headers(from: Height, to: Height, order?: 'rising' | 'falling'): AsyncIterable<HeaderRow>
}

export const createChainIndex = (store: Store): ChainIndex => {
  const headers = async function* (from: Height, to: Height, order: 'rising' | 'falling' = 'rising') {
    const range = { gte: headerKey(from), lt: headerKey(to), reverse: order === 'falling' }
    for await (const [key, value] of store.range(range)) yield decodeHeader(readU32(key, 1), value)
  }
  const outermost = async (reverse: boolean): Promise<HeaderRow | undefined> => {
    const range = { gte: keyOf(prefixes.header), lt: keyOf(prefixes.header + 1), reverse, limit: 1 }
    for await (const [key, value] of store.range(range)) return decodeHeader(readU32(key, 1), value)
    return undefined
  }
  return {
    headers,
    cursor: async () => outermost(true),
    birthday: async () => outermost(false),
    headerAt: async (height) => {
      const value = await store.get(headerKey(height))
      return value && decodeHeader(height, value)
    },
  }
}

export const putHeader = (row: HeaderRow): StoreOperation => {
  const value = new Uint8Array(44)
  const view = new DataView(value.buffer)
  value.set(row.hash)
  view.setUint32(32, row.time)
  // No block has the time 0, so neither has a median.
  view.setUint32(36, row.medianTimePast ?? 0)
  view.setUint32(40, row.transactionCount)
  return put(headerKey(row.height), value)
}

export const deleteHeader = (height: Height): StoreOperation => del(headerKey(height))

const headerKey = (height: Height): Uint8Array => keyOf(prefixes.header, u32(height))

const decodeHeader = (height: Height, value: Uint8Array): HeaderRow => ({
  height,
  hash: value.subarray(0, 32),
  time: readU32(value, 32),
  medianTimePast: readU32(value, 36) || null,
  transactionCount: readU32(value, 40),
})
