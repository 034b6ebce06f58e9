import type { Height } from '../../protocol/index.ts'
import type { ChainFamily } from '../chain/formats/types.ts'
import { checkBlock } from './follower/fetch-block.ts'
import type { RpcClient } from './rpc/client.ts'
import { getBlockHash, getRawBlockByHash } from './rpc/methods.ts'
import { SecnodeError } from '../errors.ts'

/** Of raw transactions that are kept: samples come from all over the chain, so few are asked for twice. */
const maxCacheBytes = 16 * 1024 * 1024

/** Raw transactions by place. */
export interface RpcBlocks {
  transactionCountAt(height: Height): Promise<number>
  readTransaction(height: Height, index: number, signal: AbortSignal): Promise<Uint8Array>
}

/**
 * What digests read of a chain (R-CHAL-2, R-CHAL-3), block by block from a node, with nothing followed but the blocks
 * from the activation on. A block above has the hash that was followed; below, the hash is the node's word, and the
 * block fits it.
 */
export const createRpcBlocks = (options: {
  rpc: RpcClient
  family: ChainFamily
  followedHashAt(height: Height): Promise<Uint8Array | undefined>
  signal: AbortSignal
}): RpcBlocks => {
  const { rpc, family, signal } = options
  const cache = new Map<Height, Promise<readonly Uint8Array[]>>()
  let cachedBytes = 0

  const read = async (height: Height): Promise<readonly Uint8Array[]> => {
    const hash = (await options.followedHashAt(height)) ?? (await getBlockHash(rpc, height, { signal }))
    const bytes = hash === null ? null : await getRawBlockByHash(rpc, hash, { signal })
    if (hash === null || bytes === null) {
      throw new SecnodeError('CHAIN_BLOCK_MISSING', `the chain node does not have block ${height}`, {
        hint: 'A digest samples the whole chain: name a node that keeps all of it.',
        exitCode: 3,
      })
    }
    cachedBytes += bytes.length
    return checkBlock(bytes, family, height, hash).transactions.map((transaction) => transaction.bytes)
  }

  const blockAt = (height: Height): Promise<readonly Uint8Array[]> => {
    const known = cache.get(height)
    if (known !== undefined) return known
    if (cachedBytes > maxCacheBytes) {
      cache.clear()
      cachedBytes = 0
    }
    const block = read(height)
    cache.set(height, block)
    block.catch(() => cache.delete(height))
    return block
  }

  return {
    transactionCountAt: async (height) => (await blockAt(height)).length,
    async readTransaction(height, index) {
      const transaction = (await blockAt(height))[index]
      if (transaction === undefined) throw new Error(`block ${height} has no transaction ${index}`)
      return transaction
    },
  }
}
