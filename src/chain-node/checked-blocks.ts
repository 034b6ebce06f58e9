import { equalBytes, type Height } from '../../protocol/index.ts'
import { fetchAhead } from '../async/ahead.ts'
import { hasValidMerkleRoot, parseBlock } from '../chain/formats/block.ts'
import { ChainFormatError } from '../chain/formats/reader.ts'
import type { Block, ChainFamily } from '../chain/formats/types.ts'
import { NodeLiesError } from './node-faults.ts'
import type { RpcCallOptions, RpcClient } from './rpc/client.ts'
import { getBlockHash, getBlockHashes, getRawBlock, getRawBlockByHash } from './rpc/methods.ts'

/** A block with the length of what was parsed. */
export interface CheckedBlock {
  block: Block
  height: Height
  byteLength: number
}

/**
 * Reads a chain node's blocks and checks each (R-CHAIN-1): it is the one with the hash that was asked for, and its
 * transactions are those of its header. (From version 5 on a txid leaves signatures and proofs out, ZIP 244: these bytes
 * remain the node's word.) Errors: CHAIN_NODE_LIES, and those of the RPC client.
 */
export interface CheckedBlocks {
  /** Null if the node does not have it. */
  byHash(hash: Uint8Array, height: Height, call?: RpcCallOptions): Promise<CheckedBlock | null>
  /** The block on the node's best chain, whose header must name `parent` if that is given; null above the tip. */
  at(height: Height, call?: RpcCallOptions, parent?: Uint8Array): Promise<CheckedBlock | null>
  /**
   * Consecutive blocks, each the parent of the next, the first a child of `parent` if that is given. It ends before `count`
   * blocks where the node's chain changed meanwhile: CHAIN_NODE_LIES is thrown only if it did not.
   */
  range(first: Height, count: number, options: RangeOptions): AsyncGenerator<CheckedBlock, void, undefined>
}

export interface RangeOptions {
  parent?: Uint8Array | undefined
  /** Blocks fetched at once. */
  maxAhead: number
  signal: AbortSignal
}

/** Hashes asked for at once. */
const windowBlocks = 500

export const createCheckedBlocks = (rpc: RpcClient, family: ChainFamily): CheckedBlocks => {
  /** The block at a height, which must have this hash. */
  const fetchAt = async (
    height: Height,
    hash: Uint8Array,
    call?: RpcCallOptions,
  ): Promise<CheckedBlock | null> => {
    const bytes = await getRawBlock(rpc, height, call)
    return bytes === null ? null : checkBlock(bytes, family, height, hash)
  }

  /**
   * A block did not fit hashes that were asked for before it: the node reorganised in between, or it lies. So the block is
   * fetched once more, with the hashes asked for on both sides of it. Null if the chain changed.
   */
  const lookAgain = async (
    height: Height,
    parent: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<CheckedBlock | null> => {
    const hashesAround = async () =>
      Promise.all([
        parent === undefined ? null : getBlockHash(rpc, height - 1, { signal }),
        getBlockHash(rpc, height, { signal }),
      ])
    const [below, hash] = await hashesAround()
    if (hash === null || !isEqual(below, parent ?? null)) return null
    try {
      const fetched = await fetchAt(height, hash, { signal })
      if (fetched !== null) assertLinked(fetched, parent)
      return fetched
    } catch (error) {
      if (!mayBeRace(error)) throw error
      const [belowNow, hashNow] = await hashesAround()
      if (isEqual(below, belowNow) && isEqual(hash, hashNow)) throw error
      return null
    }
  }

  /** Up to `windowBlocks` of a range; fewer if the chain changed. */
  async function* window(
    first: Height,
    count: number,
    { parent, maxAhead, signal }: RangeOptions,
  ): AsyncGenerator<CheckedBlock, void, undefined> {
    const hashes = await getBlockHashes(rpc, first, count, { signal })
    const fetches = fetchAhead(count, maxAhead, signal, (i, fetchSignal) =>
      fetchAt(first + i, hashes[i]!, { signal: fetchSignal }),
    )
    for await (const fetched of fetches) {
      if (fetched === null) return
      assertLinked(fetched, parent)
      parent = fetched.block.header.hash
      yield fetched
    }
  }

  return {
    async byHash(hash, height, call) {
      const bytes = await getRawBlockByHash(rpc, hash, call)
      return bytes === null ? null : checkBlock(bytes, family, height, hash)
    },
    async at(height, call, parent) {
      const hash = await getBlockHash(rpc, height, call)
      const fetched = hash === null ? null : await fetchAt(height, hash, call)
      if (fetched !== null) assertLinked(fetched, parent)
      return fetched
    },
    async *range(first, count, { parent, maxAhead, signal }) {
      const end = first + count
      let next = first
      while (next < end) {
        const from = next
        try {
          const wanted = Math.min(windowBlocks, end - next)
          for await (const checked of window(next, wanted, { parent, maxAhead, signal })) {
            next++
            parent = checked.block.header.hash
            yield checked
          }
          if (next < from + wanted) return
        } catch (error) {
          if (!mayBeRace(error)) throw error
          const again = await lookAgain(next, parent, signal)
          if (again === null) return
          next++
          parent = again.block.header.hash
          yield again
        }
      }
    },
  }
}

/** Throws NodeLiesError. */
const checkBlock = (
  bytes: Uint8Array,
  family: ChainFamily,
  height: Height,
  hash: Uint8Array,
): CheckedBlock => {
  let block: Block
  try {
    block = parseBlock(bytes, family)
  } catch (error) {
    if (error instanceof ChainFormatError) throw new NodeLiesError('unreadable-block', height, error)
    throw error
  }
  if (!equalBytes(block.header.hash, hash)) throw new NodeLiesError('other-block', height)
  if (!hasValidMerkleRoot(block)) throw new NodeLiesError('wrong-merkle-root', height)
  return { block, height, byteLength: bytes.length }
}

const assertLinked = ({ block, height }: CheckedBlock, parent: Uint8Array | undefined): void => {
  if (parent !== undefined && !equalBytes(block.header.previousHash, parent)) {
    throw new NodeLiesError('broken-link', height)
  }
}

const mayBeRace = (error: unknown): boolean =>
  error instanceof NodeLiesError && (error.lie === 'broken-link' || error.lie === 'other-block')

const isEqual = (a: Uint8Array | null, b: Uint8Array | null): boolean =>
  a === null || b === null ? a === b : equalBytes(a, b)
