import { LRUCache } from 'lru-cache'
import type { Height } from '../../protocol/index.ts'
import { unlessAborted } from '../async/abort.ts'
import { SecnodeError } from '../errors.ts'
import type { ChainFamily } from '../chain/formats/types.ts'
import { type CheckedBlocks, createCheckedBlocks } from './checked-blocks.ts'
import type { RpcClient } from './rpc/client.ts'
import { getBlockHash } from './rpc/methods.ts'

/** Raw transactions by place, for the digests of challenges (R-CHAL-2, R-CHAL-3). */
export interface TransactionReader {
  transactionCountAt(height: Height): Promise<number>
  /** The transaction as serialised. Errors: CHAIN_NO_TRANSACTION, and those of the count. */
  readTransaction(height: Height, index: number, signal: AbortSignal): Promise<Uint8Array>
}

export interface TransactionReaderOptions {
  blocks: CheckedBlocks
  /** Of the block that is meant: the reader asks the node for it by this hash. */
  hashAt(height: Height): Promise<Uint8Array>
  /** Of the blocks kept; a single larger block is read, but not kept. */
  maxCacheBytes: number
  /** Ends reads that several callers share. */
  signal: AbortSignal
}

interface CachedBlock {
  transactions: readonly Uint8Array[]
  byteLength: number
}

/** Errors besides those of `hashAt`: CHAIN_BLOCK_MISSING, CHAIN_NODE_LIES, or those of the RPC client. */
export const createTransactionReader = (options: TransactionReaderOptions): TransactionReader => {
  const { blocks, maxCacheBytes } = options
  const cache = new LRUCache<string, CachedBlock>({
    maxSize: maxCacheBytes,
    sizeCalculation: ({ byteLength }) => byteLength,
  })
  const reading = new Map<string, Promise<CachedBlock>>()

  const readBlock = async (key: string, hash: Uint8Array, height: Height): Promise<CachedBlock> => {
    const checked = await blocks.byHash(hash, height, { signal: options.signal })
    if (checked === null) throw blockMissing(height)
    const transactions = checked.block.transactions.map((transaction) => transaction.bytes)
    const block = { transactions, byteLength: checked.byteLength }
    cache.set(key, block)
    return block
  }

  const blockAt = async (height: Height, signal: AbortSignal): Promise<CachedBlock> => {
    const hash = await options.hashAt(height)
    const key = Buffer.from(hash).toString('latin1')
    const known = cache.get(key)
    if (known !== undefined) return known
    let pending = reading.get(key)
    if (pending === undefined) {
      pending = readBlock(key, hash, height).finally(() => reading.delete(key))
      reading.set(key, pending)
    }
    return await unlessAborted(pending, signal)
  }

  return {
    transactionCountAt: async (height) => (await blockAt(height, options.signal)).transactions.length,
    async readTransaction(height, index, signal) {
      const { transactions } = await blockAt(height, signal)
      const bytes = transactions[index]
      if (bytes === undefined) {
        throw new SecnodeError(
          'CHAIN_NO_TRANSACTION',
          `block ${height} has ${transactions.length} transactions, none at index ${index}`,
        )
      }
      return bytes
    },
  }
}

/** Of raw transactions that are kept: samples come from all over the chain, so few are asked for twice. */
const maxUnfollowedCacheBytes = 16 * 1024 * 1024

/**
 * The same where not all of the chain was followed: a block that was has the hash that was followed; that of another is the
 * node's word, and the block fits it.
 */
export const createNodeReader = ({
  rpc,
  family,
  followedHashAt,
  signal,
}: {
  rpc: RpcClient
  family: ChainFamily
  followedHashAt: (height: Height) => Promise<Uint8Array | undefined>
  signal: AbortSignal
}): TransactionReader =>
  createTransactionReader({
    blocks: createCheckedBlocks(rpc, family),
    async hashAt(height) {
      const hash = (await followedHashAt(height)) ?? (await getBlockHash(rpc, height, { signal }))
      if (hash === null) throw blockMissing(height)
      return hash
    },
    maxCacheBytes: maxUnfollowedCacheBytes,
    signal,
  })

const blockMissing = (height: Height): SecnodeError =>
  new SecnodeError('CHAIN_BLOCK_MISSING', `the chain node does not have block ${height}`, {
    hint: 'Digests sample the whole chain, so the chain node must keep all of it: run it without -prune, or name one that does.',
    exitCode: 3,
  })
