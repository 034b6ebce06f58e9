import type { BlsVerifier, Height } from '../../../protocol/index.ts'
import { pause } from '../../async/deadline.ts'
import { isSecnodeError, SecnodeError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { World } from '../../world.ts'
import type { Network } from '../../chain/profiles.ts'
import { type Backoff, backoffMs } from '../rpc/backoff.ts'
import { createCheckedBlocks } from '../checked-blocks.ts'
import type { RpcClient } from '../rpc/client.ts'
import { isRpcError } from '../rpc/errors.ts'
import { openChainState } from './chain-state.ts'
import { type ChainEvent, createEventHub } from './events.ts'
import { type FollowedChain, followedChainOf } from './followed-chain.ts'
import { createRate, createStatusSlot, type FollowerStatus, type Rate } from './status.ts'
import { createSync, nextHeight } from './sync.ts'
import { createTransactionReader } from '../transaction-reader.ts'

export interface FollowerOptions {
  network: Network
  rpc: RpcClient
  store: Store
  bls: BlsVerifier
  world: World
  /**
   * First height to follow. Challenges sample from height 1 on, so a daemon follows from 0; whoever only wants the
   * registry may begin ten blocks before the activation.
   */
  birthday?: Height
  /** Between two looks at the node's tip. */
  pollMs?: number
  /** Between tries while the node gives no usable answer. */
  backoff?: Backoff
  /** Blocks fetched at once while catching up. */
  maxFetches?: number
  /** Blocks in one batch of the store, and their bytes as serialised. */
  maxBatchBlocks?: number
  maxBatchBytes?: number
  /** Of blocks kept for `readTransaction`. */
  maxCacheBytes?: number
  /** Events that wait for one subscriber before the follower waits for it. */
  maxQueuedEvents?: number
}

/**
 * Follows the confirmed part of a chain (R-CHAIN-1 … 4): reads raw blocks, checks them, and keeps headers, registry
 * and snapshots in a store, through reorganisations, restarts and crashes.
 */
export interface Follower extends FollowedChain {
  /** Height of the block followed last; one below the birthday at first. */
  readonly confirmedHeight: Height
  readonly status: FollowerStatus
  /** Resolves when following has stopped; rejects when it failed, as the status then says. */
  readonly ended: Promise<void>
  /** Idempotent; not again after `stop`. */
  start(): void
  /** Waits for the batch under way. Idempotent. */
  stop(): Promise<void>
  /** Resolves with the first status that fits, the present one included. */
  statusWhen(fits: (status: FollowerStatus) => boolean, signal: AbortSignal): Promise<FollowerStatus>
  /**
   * Events from this call on, until the follower stops. They tell what changed while running: whoever keeps rows of
   * his own compares them with the headers when he starts.
   */
  events(): AsyncIterableIterator<ChainEvent>
  /** See `TransactionReader`; besides: CHAIN_NOT_FOLLOWED. */
  readTransaction(height: Height, index: number, signal: AbortSignal): Promise<Uint8Array>
}

const defaults = {
  birthday: 0,
  pollMs: 1_000,
  backoff: { firstMs: 500, maxMs: 30_000 },
  // Twice the threads that zcashd and zend have for RPC: enough to keep them busy.
  maxFetches: 8,
  maxBatchBlocks: 64,
  maxBatchBytes: 8 * 1024 * 1024,
  maxCacheBytes: 32 * 1024 * 1024,
  maxQueuedEvents: 256,
}

/** Reads what the store holds. Errors: FOLLOW_BIRTHDAY, and those of the store. */
export const openFollower = async (options: FollowerOptions): Promise<Follower> => {
  const { network, rpc, world } = options
  const settings = { ...defaults, ...options }
  const { genesis } = network.profile
  const state = await openChainState(options.store, network, options.bls, settings.birthday)
  const chain = followedChainOf(state, genesis)
  const hub = createEventHub(settings.maxQueuedEvents)
  const rate = createRate(world)
  const stopping = new AbortController()
  const { signal } = stopping
  const reader = createTransactionReader({
    blocks: createCheckedBlocks(rpc, network.facts.family),
    maxCacheBytes: settings.maxCacheBytes,
    hashAt: async (height) => (await chain.hashAt(height)) ?? notFollowed(height),
    signal,
  })

  const status = createStatusSlot()

  const runRound = createSync({
    ...settings,
    state,
    signal,
    onConnected: async (blocks, target) => {
      rate.count(blocks.length)
      const { height } = blocks.at(-1)!
      status.set({ is: 'catching-up', height, target, ...paceOf(rate, target - height) })
      for (const block of blocks) await hub.publish({ kind: 'connected', block }, signal)
    },
    onDisconnected: async (rows) => {
      for (const block of rows) await hub.publish({ kind: 'disconnected', block }, signal)
    },
  })

  const follow = async (): Promise<void> => {
    for (let failures = 0; !signal.aborted;) {
      let pauseMs: number
      try {
        const round = await runRound()
        failures = 0
        if (round.is === 'more') continue
        if (round.is === 'done') {
          const is = round.isBehind ? 'node-behind' : 'following'
          status.set({ is, height: nextHeight(state) - 1, tip: round.tip })
        }
        pauseMs = settings.pollMs
      } catch (error) {
        const isLie = isSecnodeError(error, 'CHAIN_NODE_LIES') || isSecnodeError(error, 'CHAIN_OTHER_CHAIN')
        if (signal.aborted || (!isLie && !isRpcError(error))) throw error
        status.set({ is: isLie ? 'node-lies' : 'node-unreachable', error })
        pauseMs = backoffMs(settings.backoff, ++failures, world)
      }
      await pause(world, pauseMs, signal)
    }
  }

  const ended = Promise.withResolvers<void>()
  ended.promise.catch(() => undefined)
  const run = async (): Promise<void> => {
    try {
      await follow()
    } catch (error) {
      if (!signal.aborted) {
        status.set({ is: 'failed', error })
        ended.reject(error)
      }
    }
    hub.close()
    ended.resolve()
  }

  let isStarted = false
  const start = (): void => {
    if (isStarted) return
    isStarted = true
    void run()
  }
  const stop = async (): Promise<void> => {
    stopping.abort(new Error('the follower stops'))
    start()
    await ended.promise.catch(() => undefined)
    if (status.now().is !== 'failed') status.set({ is: 'idle' })
  }

  return {
    ...chain,
    get confirmedHeight() {
      return nextHeight(state) - 1
    },
    get status() {
      return status.now()
    },
    ended: ended.promise,
    start,
    stop,
    statusWhen: status.when,
    events: () => hub.subscribe(),
    readTransaction: (height, index, readSignal) => reader.readTransaction(height, index, readSignal),
  }
}

const paceOf = (rate: Rate, blocksLeft: number) => {
  const blocksPerSecond = rate.perSecond()
  return { blocksPerSecond, secondsLeft: blocksPerSecond > 0 ? blocksLeft / blocksPerSecond : null }
}

const notFollowed = (height: Height): never => {
  throw new SecnodeError('CHAIN_NOT_FOLLOWED', `block ${height} was not followed`, {
    hint: 'Wait until the follower has caught up.',
  })
}
