import type { Height } from '../../../protocol/index.ts'
import { unlessAborted } from '../../async/abort.ts'
import { SecnodeError } from '../../errors.ts'
import type { HeaderRow } from '../../store/chain-index.ts'
import type { ChainFamily } from '../../chain/formats/types.ts'
import type { RpcClient } from '../rpc/client.ts'
import { getRawBlockByHash } from '../rpc/methods.ts'
import { checkBlock } from './fetch-block.ts'

/** Raw transactions by place, for the digests of challenges (R-CHAL-3). */
export interface TransactionReader {
  /**
   * The transaction as serialised. The node is asked for the block whose hash our own header row holds, and its
   * answer is checked against that. Errors: CHAIN_NOT_FOLLOWED, CHAIN_NO_TRANSACTION, CHAIN_BLOCK_MISSING,
   * CHAIN_NODE_LIES, or those of the RPC client.
   */
  read(height: Height, index: number, signal: AbortSignal): Promise<Uint8Array>
}

export interface TransactionReaderOptions {
  rpc: RpcClient
  family: ChainFamily
  headerAt(height: Height): Promise<HeaderRow | undefined>
  /** Of the blocks kept; a single larger block is read, but not kept. */
  maxCacheBytes: number
  /** Ends reads that several callers share. */
  signal: AbortSignal
}

interface CachedBlock {
  transactions: readonly Uint8Array[]
  byteLength: number
}

export const createTransactionReader = (options: TransactionReaderOptions): TransactionReader => {
  const { rpc, family, maxCacheBytes } = options
  /** By block hash, the one used last at the end. */
  const cache = new Map<string, CachedBlock>()
  const reading = new Map<string, Promise<CachedBlock>>()
  let cachedBytes = 0

  const readBlock = async (header: HeaderRow): Promise<CachedBlock> => {
    const bytes = await getRawBlockByHash(rpc, header.hash, { signal: options.signal })
    if (bytes === null) {
      throw new SecnodeError('CHAIN_BLOCK_MISSING', `the chain node no longer has block ${header.height}`, {
        hint: 'A pruned node cannot answer challenges: they sample the whole chain. Run it without -prune.',
      })
    }
    const block = checkBlock(bytes, family, header.height, header.hash)
    return {
      transactions: block.transactions.map((transaction) => transaction.bytes),
      byteLength: bytes.length,
    }
  }

  const keep = (key: string, block: CachedBlock): void => {
    if (block.byteLength > maxCacheBytes) return
    cache.set(key, block)
    cachedBytes += block.byteLength
    for (const [oldest, { byteLength }] of cache) {
      if (cachedBytes <= maxCacheBytes) break
      cache.delete(oldest)
      cachedBytes -= byteLength
    }
  }

  const blockOf = async (header: HeaderRow): Promise<CachedBlock> => {
    const key = Buffer.from(header.hash).toString('latin1')
    const known = cache.get(key)
    if (known !== undefined) {
      cache.delete(key)
      cache.set(key, known)
      return known
    }
    let pending = reading.get(key)
    if (pending === undefined) {
      pending = readBlock(header).finally(() => reading.delete(key))
      reading.set(key, pending)
      pending.then(
        (block) => keep(key, block),
        () => undefined,
      )
    }
    return pending
  }

  return {
    read: async (height, index, signal) => {
      const header = await options.headerAt(height)
      if (header === undefined) {
        throw new SecnodeError('CHAIN_NOT_FOLLOWED', `block ${height} was not followed`, {
          hint: 'Wait until the follower has caught up.',
        })
      }
      const { transactions } = await unlessAborted(blockOf(header), signal)
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
