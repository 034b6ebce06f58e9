import { z } from 'zod'
import { bytesUpTo, decodeCanonical, encodeCanonical, type Height } from '../../protocol/index.ts'
import { storeDamaged } from './errors.ts'
import { keyOf, prefixes, u32 } from './keys.ts'
import { del, put, type Store, type StoreOperation } from './store.ts'

/** A transparent output of a coinbase. */
export interface CoinbaseOutput {
  /** Base units. */
  value: bigint
  script: Uint8Array
}

/** Keeps what a block's coinbase pays: years later nobody needs the block itself to know what came in (R-CP-1). */
export const putCoinbase = (height: Height, outputs: readonly CoinbaseOutput[]): StoreOperation =>
  put(coinbaseKey(height), encodeCanonical(outputs.map(({ value, script }) => [value, script])))

export const deleteCoinbase = (height: Height): StoreOperation => del(coinbaseKey(height))

/** Of the blocks [from, to), in their order; undefined for a block of which none was kept. */
export const coinbasesOf = async (
  store: Store,
  from: Height,
  to: Height,
): Promise<(CoinbaseOutput[] | undefined)[]> => {
  const keys = Array.from({ length: to - from }, (_, i) => coinbaseKey(from + i))
  return (await store.getMany(keys)).map((row) => (row === undefined ? undefined : decodeCoinbase(row)))
}

const coinbaseKey = (height: Height): Uint8Array => keyOf(prefixes.coinbase, u32(height))

/** No transaction is larger than a block. */
const maxRowBytes = 8 * 1024 * 1024
/** Below 2^53, as all the money is: the decoder gives a number. */
const CoinbaseRow = z.array(z.tuple([z.int().min(0), bytesUpTo(maxRowBytes)]))

const decodeCoinbase = (row: Uint8Array): CoinbaseOutput[] => {
  const decoded = decodeCanonical(CoinbaseRow, row, maxRowBytes)
  if (decoded.is === 'bad') throw storeDamaged('the data directory', 'a row of kind "coinbase" does not fit')
  return decoded.value.map(([value, script]) => ({ value: BigInt(value), script }))
}
