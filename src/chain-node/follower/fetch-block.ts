import { equalBytes } from '../../../protocol/index.ts'
import { hasValidMerkleRoot, parseBlock } from '../../chain/formats/block.ts'
import { ChainFormatError } from '../../chain/formats/reader.ts'
import type { Block, ChainFamily } from '../../chain/formats/types.ts'
import type { RpcClient } from '../rpc/client.ts'
import { getRawBlock } from '../rpc/methods.ts'
import { NodeLiesError } from './errors.ts'

/** A block with the length of what was parsed. */
export interface FetchedBlock {
  block: Block
  height: number
  byteLength: number
}

/**
 * The block at a height, checked (R-CHAIN-1): it is the one with this hash, and its transactions are those of its
 * header. (From version 5 on a txid leaves signatures and proofs out, ZIP 244: these bytes remain the node's word.)
 * Null if the node has none at that height by now. Throws NodeLiesError, or what the RPC client throws.
 */
export const fetchBlock = async (
  rpc: RpcClient,
  family: ChainFamily,
  height: number,
  hash: Uint8Array,
  signal: AbortSignal,
): Promise<FetchedBlock | null> => {
  const bytes = await getRawBlock(rpc, height, { signal })
  return bytes === null
    ? null
    : { block: checkBlock(bytes, family, height, hash), height, byteLength: bytes.length }
}

/** Parses a block that must have this hash. Throws NodeLiesError. */
export const checkBlock = (
  bytes: Uint8Array,
  family: ChainFamily,
  height: number,
  hash: Uint8Array,
): Block => {
  let block: Block
  try {
    block = parseBlock(bytes, family)
  } catch (error) {
    if (error instanceof ChainFormatError) throw new NodeLiesError('unreadable-block', height, error)
    throw error
  }
  if (!equalBytes(block.header.hash, hash)) throw new NodeLiesError('other-block', height)
  if (!hasValidMerkleRoot(block)) throw new NodeLiesError('wrong-merkle-root', height)
  return block
}

/**
 * Results of `fetch(0)`, …, `fetch(count − 1)` in order, with at most `maxAhead` under way or waiting to be taken.
 * Leaving early aborts the rest and waits for it.
 */
export async function* fetchAhead<T>(
  count: number,
  maxAhead: number,
  signal: AbortSignal,
  fetch: (index: number, signal: AbortSignal) => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  const leaving = new AbortController()
  const both = AbortSignal.any([signal, leaving.signal])
  const ahead: Promise<T>[] = []
  let next = 0
  try {
    while (next < count || ahead.length > 0) {
      while (next < count && ahead.length < maxAhead) {
        const result = fetch(next++, both)
        // Whoever fails out of turn is heard when its turn comes.
        result.catch(() => undefined)
        ahead.push(result)
      }
      yield await ahead.shift()!
    }
  } finally {
    leaving.abort(new Error('no longer wanted'))
    await Promise.allSettled(ahead)
  }
}
