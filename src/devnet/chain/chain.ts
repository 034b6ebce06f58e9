import { EventEmitter } from 'node:events'
import { bytesToHex } from '../../../protocol/index.ts'
import { SecnodeError } from '../../errors.ts'
import { ChainFormatError } from '../../chain/formats/reader.ts'
import { parseTransaction } from '../../chain/formats/transaction.ts'
import type { Transaction } from '../../chain/formats/types.ts'
import { realWorld, type World } from '../../world.ts'
import { assembleBlock, assembleGenesis, chooseTransactions } from './block-assembly.ts'
import {
  type BlockEntry,
  type BlockTree,
  type BlockVerdict,
  createBlockTree,
  type TipChange,
} from './block-tree.ts'
import { createMempool, type Mempool, type MempoolEntry, type MempoolVerdict } from './mempool.ts'
import { type ChainParameterOptions, type ChainParameters, resolveParameters } from './parameters.ts'
import { type Rejection, rejectionText } from './rejection.ts'
import { createWallet, type Wallet } from './wallet.ts'
import { createWalletKeys } from './wallet-keys.ts'

export interface EmbeddedChainOptions extends ChainParameterOptions {
  /** 32 bytes from which all keys of the node's wallet follow. */
  walletSeed: Uint8Array
  /** Who gets the miner's reward; an address of the wallet unless named. */
  minerScript?: Uint8Array
  world?: Pick<World, 'now' | 'randomBytes'>
}

export interface MineOptions {
  /** Seconds since 1970 of the first block; the others follow at the spacing of the chain. */
  time?: number
  minerScript?: Uint8Array
}

export interface EmbeddedChainEvents {
  /** Every accepted block, on the best chain or not, once. */
  block: [entry: BlockEntry]
  /** The best chain changed; the mempool is in line already. */
  tip: [change: TipChange]
  /** A transaction came into the mempool from outside (not back from a block). */
  transaction: [entry: MempoolEntry]
}

/**
 * A small chain of the Zcash family in process: real serialisation, real rules for transparent coins, shielded outputs
 * that decrypt, and no proofs (`transaction-rules.ts` says what follows). Time is the caller's: no clock is read but
 * for the arrival times that `getrawmempool` prints.
 */
export interface EmbeddedChain {
  readonly parameters: ChainParameters
  readonly tree: BlockTree
  readonly mempool: Mempool
  readonly wallet: Wallet
  readonly events: EventEmitter<EmbeddedChainEvents>
  readonly tip: BlockEntry
  /** Puts what waits in the mempool into new blocks on the tip. Throws DEVNET_BLOCK_TIME on a time that may not be. */
  mine(count?: number, options?: MineOptions): BlockEntry[]
  submitBlock(bytes: Uint8Array): BlockVerdict
  submitTransaction(bytes: Uint8Array, options?: { allowHighFees?: boolean }): MempoolVerdict
  /** Internal byte order. Throw DEVNET_BLOCK_UNKNOWN. */
  invalidate(hash: Uint8Array): void
  reconsider(hash: Uint8Array): void
  /**
   * Makes `newLength` empty blocks that branch off `depth` blocks below the tip. They become the best chain if they
   * are more than `depth`; what was in the blocks taken off waits in the mempool again.
   */
  reorganise(depth: number, newLength: number): TipChange
}

export const createEmbeddedChain = (options: EmbeddedChainOptions): EmbeddedChain => {
  const world = options.world ?? realWorld()
  const parameters = resolveParameters(options)
  const tree = createBlockTree(parameters, assembleGenesis(parameters))
  const mempool = createMempool(tree, () => world.now())
  const keys = createWalletKeys(options.walletSeed)
  const minerScript = options.minerScript ?? keys.miningScript()
  const events = new EventEmitter<EmbeddedChainEvents>()
  tree.onTipChange((change) => {
    mempool.update(change)
    events.emit('tip', change)
  })
  let blocksMade = 0

  const submitBlock = (bytes: Uint8Array): BlockVerdict => {
    const verdict = tree.accept(bytes)
    if (verdict.is === 'accept') events.emit('block', verdict.entry)
    return verdict
  }

  const mineOn = (
    parent: BlockEntry,
    time: number,
    entries: readonly MempoolEntry[],
    script: Uint8Array,
  ): BlockEntry => {
    const plan = {
      previousHash: parent.hash,
      height: parent.height + 1,
      time,
      minerScript: script,
      entries,
      extraNonce: ++blocksMade >>> 0,
    }
    let verdict = submitBlock(assembleBlock(parameters, plan))
    while (verdict.is === 'reject' && verdict.rejection.reason === 'duplicate') {
      // After a restart the count starts again while blocks of the old count are on file.
      verdict = submitBlock(assembleBlock(parameters, { ...plan, extraNonce: ++blocksMade >>> 0 }))
    }
    if (verdict.is === 'accept') return verdict.entry
    if (verdict.rejection.reason === 'time-too-old') {
      throw new SecnodeError(
        'DEVNET_BLOCK_TIME',
        `a block at ${time} would not be later than the median of the 11 blocks before it`,
      )
    }
    throw new Error(`the chain refused its own block: ${rejectionText(verdict.rejection)}`)
  }

  const timeAfter = (parent: BlockEntry): number =>
    Math.max(parent.header.time + parameters.spacingSeconds, tree.medianTime(parent) + 1)

  const entryOf = (hash: Uint8Array): BlockEntry => {
    const entry = tree.entry(hash)
    if (entry !== undefined) return entry
    throw new SecnodeError(
      'DEVNET_BLOCK_UNKNOWN',
      `no block ${bytesToHex(hash)} (internal order) on this chain`,
    )
  }

  const submitTransaction = (
    bytes: Uint8Array,
    submitOptions?: { allowHighFees?: boolean },
  ): MempoolVerdict => {
    const transaction = tryParse(Uint8Array.from(bytes), parameters)
    if ('code' in transaction) return { is: 'reject', rejection: transaction }
    const verdict = mempool.accept(transaction, submitOptions)
    if (verdict.is === 'accept') events.emit('transaction', verdict.entry)
    return verdict
  }

  const wallet = createWallet({
    parameters,
    tree,
    mempool,
    keys,
    submitTransaction,
    randomBytes: (length) => world.randomBytes(length),
  })

  return {
    parameters,
    tree,
    mempool,
    wallet,
    events,
    get tip() {
      return tree.tip
    },
    mine: (count = 1, mineOptions = {}) => {
      const script = mineOptions.minerScript ?? minerScript
      const mined: BlockEntry[] = []
      while (mined.length < count) {
        const isFirst = mined.length === 0
        const time = (isFirst ? mineOptions.time : undefined) ?? timeAfter(tree.tip)
        mined.push(mineOn(tree.tip, time, chooseTransactions(mempool), script))
      }
      return mined
    },
    submitBlock,
    submitTransaction,
    invalidate: (hash) => tree.invalidate(entryOf(hash)),
    reconsider: (hash) => tree.reconsider(entryOf(hash)),
    reorganise: (depth, newLength) => {
      const fork = tree.at(tree.tip.height - depth)
      if (fork === undefined || depth < 1) {
        throw new SecnodeError('DEVNET_REORGANISATION_DEPTH', `no ${depth} blocks can be taken off`)
      }
      let seen: TipChange = { disconnected: [], connected: [] }
      const stopListening = tree.onTipChange((change) => {
        seen = {
          disconnected: [...seen.disconnected, ...change.disconnected],
          connected: [...seen.connected, ...change.connected],
        }
      })
      try {
        let parent = fork
        for (let made = 0; made < newLength; made++)
          parent = mineOn(parent, timeAfter(parent), [], minerScript)
      } finally {
        stopListening()
      }
      return seen
    },
  }
}

const tryParse = (bytes: Uint8Array, { family }: ChainParameters): Transaction | Rejection => {
  try {
    return parseTransaction(bytes, family)
  } catch (error) {
    if (error instanceof ChainFormatError) return { code: 0x01, reason: 'TX decode failed' }
    throw error
  }
}
