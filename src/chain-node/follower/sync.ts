import { equalBytes, type Height } from '../../../protocol/index.ts'
import type { HeaderRow } from '../../store/chain-index.ts'
import type { Network } from '../../chain/profiles.ts'
import { type CheckedBlock, createCheckedBlocks } from '../checked-blocks.ts'
import type { RpcClient } from '../rpc/client.ts'
import { getBlockCount, getBlockHash, getBlockHashes } from '../rpc/methods.ts'
import { hashText } from '../rpc/values.ts'
import type { ChainState } from './chain-state.ts'
import { otherChain } from '../node-faults.ts'
import type { FollowedBlock } from './events.ts'

export interface SyncOptions {
  network: Network
  rpc: RpcClient
  state: ChainState
  maxFetches: number
  maxBatchBlocks: number
  maxBatchBytes: number
  signal: AbortSignal
  /** Both are told after the store has it; the next step waits for them. */
  onConnected(blocks: readonly FollowedBlock[], target: Height): Promise<void>
  /** From the highest block down. */
  onDisconnected(rows: readonly HeaderRow[]): Promise<void>
}

/** Where a round left the chain. `isBehind`: the node has not come as far as we are. */
export type Round = { is: 'more' } | { is: 'retry' } | { is: 'done'; tip: Height; isBehind: boolean }

/**
 * One look at the node, and what follows from it: blocks stored or taken back. `more` asks for the next round at
 * once, `retry` for one after a pause: the node was changing while it answered. Throws NodeLiesError,
 * CHAIN_OTHER_CHAIN, and what the RPC client and the store throw.
 */
export type RunRound = () => Promise<Round>

/** Hashes asked for in one round: the tip is looked at again after as many blocks. */
const roundBlocks = 500
/** Hashes compared at once on the way back to the fork of a reorganisation. */
const forkWindow = 100

export const createSync = (options: SyncOptions): RunRound => {
  const { network, rpc, state, signal } = options
  const { confirmations } = network.profile.genesis
  const blocks = createCheckedBlocks(rpc, network.facts.family)
  /** True once block 0 of the node was compared with the profile's. */
  let isChainChecked = network.genesisHash === null

  const runRound: RunRound = async () => {
    if (!isChainChecked) await checkChain()
    const tip = await getBlockCount(rpc, { signal })
    const { cursor } = state
    if (cursor !== undefined) {
      const shared = Math.min(tip, cursor.height)
      const theirs = await getBlockHash(rpc, shared, { signal })
      if (theirs === null) return { is: 'retry' }
      const ours = await state.index.headerAt(shared)
      if (ours !== undefined && !equalBytes(ours.hash, theirs)) return reorganise(shared)
      if (tip < cursor.height) return { is: 'done', tip, isBehind: true }
    }
    const target = tip - confirmations
    return target < nextHeight(state) ? { is: 'done', tip, isBehind: false } : catchUp(target)
  }

  const checkChain = async (): Promise<void> => {
    const hash = await getBlockHash(rpc, 0, { signal })
    if (hash === null || !equalBytes(hash, network.genesisHash!)) {
      throw otherChain(`its block 0 is ${hash === null ? 'missing' : hashText(hash)}`)
    }
    isChainChecked = true
  }

  /** Fetches, checks and stores blocks up to `target`, a bounded number of them. */
  const catchUp = async (target: Height): Promise<Round> => {
    const first = nextHeight(state)
    const count = Math.min(roundBlocks, target - first + 1)
    const batch = createBatch(options, async (full) => connect(full, target))
    const parent = state.cursor?.hash
    try {
      for await (const checked of blocks.range(first, count, {
        parent,
        maxAhead: options.maxFetches,
        signal,
      })) {
        await batch.add(checked)
      }
    } finally {
      // What came before a fault is in order and is kept.
      await batch.flush()
    }
    // Less than was asked for: the node's chain changed meanwhile.
    return { is: state.cursor?.height === first + count - 1 ? 'more' : 'retry' }
  }

  /** Our block at `height` is not the node's: back to where both agree. */
  const reorganise = async (height: Height): Promise<Round> => {
    const fork = await findFork(height)
    // Before anything is thrown away the node must show a real block in the place of ours.
    const replacement = await blocks.at(fork.height + 1, { signal }, fork.hash)
    if (replacement === null) return { is: 'retry' }
    for (;;) {
      const rows = await state.disconnect(fork.height, options.maxBatchBlocks)
      if (rows.length === 0) return { is: 'more' }
      await options.onDisconnected(rows)
    }
  }

  /** The highest block below `height` that the node has as well. */
  const findFork = async (height: Height): Promise<HeaderRow> => {
    for (let end = height; end > state.birthday;) {
      const start = Math.max(state.birthday, end - forkWindow)
      const theirs = await getBlockHashes(rpc, start, end - start, { signal })
      for await (const row of state.index.headers(start, end, 'falling')) {
        if (equalBytes(row.hash, theirs[row.height - start]!)) return row
      }
      end = start
    }
    throw otherChain(`it shares no block with ours from ${state.birthday} on`)
  }

  const connect = async (batch: readonly CheckedBlock[], target: Height): Promise<void> => {
    await options.onConnected(await state.connect(batch), target)
  }

  return runRound
}

export const nextHeight = (state: Pick<ChainState, 'cursor' | 'birthday'>): Height =>
  state.cursor === undefined ? state.birthday : state.cursor.height + 1

/** Gathers blocks for one batch of the store. */
const createBatch = (
  { maxBatchBlocks, maxBatchBytes }: Pick<SyncOptions, 'maxBatchBlocks' | 'maxBatchBytes'>,
  store: (blocks: readonly CheckedBlock[]) => Promise<void>,
) => {
  let blocks: CheckedBlock[] = []
  let bytes = 0
  const flush = async (): Promise<void> => {
    if (blocks.length === 0) return
    const full = blocks
    blocks = []
    bytes = 0
    await store(full)
  }
  return {
    flush,
    add: async (block: CheckedBlock): Promise<void> => {
      blocks.push(block)
      bytes += block.byteLength
      if (blocks.length >= maxBatchBlocks || bytes >= maxBatchBytes) await flush()
    },
  }
}
