import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type ChainEvent } from '../../../src/chain-node/follower/events.ts'
import { isSecnodeError } from '../../../src/errors.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import { caughtUp } from './following.ts'
import { eventsUntil, following, mineTo, network, nodeOf } from './scene.ts'
import { createTestChain, ownerOf, pay, transferOf } from './test-chain.ts'

describe('life', () => {
  test('a subscriber that is slow loses nothing: the follower waits for it', async () => {
    const chain = createTestChain()
    mineTo(chain, 200)
    const { url } = await nodeOf(chain)
    const { follower } = await following(network, url, {
      isStarted: false,
      maxQueuedEvents: 3,
      maxBatchBlocks: 10,
    })
    const events = follower.events()
    follower.start()
    const heights: number[] = []
    for await (const { block } of events) {
      // What is queued, the batch that is being handed out, and no more.
      expect(follower.confirmedHeight - block.height).toBeLessThanOrEqual(3 + 10)
      heights.push(block.height)
      if (block.height === 198) break
    }
    expect(heights).toEqual(Array.from({ length: 199 }, (_, i) => i))
    // After it left, nobody waits for it any more.
    for (let i = 0; i < 20; i++) chain.mine()
    await caughtUp(follower, 218)
  })

  test('stop ends subscriptions, is idempotent, and a stopped follower leaves a store to go on with', async () => {
    const chain = createTestChain()
    mineTo(chain, 300)
    const { url } = await nodeOf(chain)
    const { follower, store } = await following(network, url, { maxBatchBlocks: 5 })
    const events = follower.events()
    const some = await eventsUntil(events, ({ block }) => block.height >= 20)
    expect(some.length).toBeGreaterThan(0)
    const rest = follower.events()
    await Promise.all([follower.stop(), follower.stop()])
    await follower.stop()
    await follower.ended
    expect(follower.status).toEqual({ is: 'idle' })
    const after: ChainEvent[] = []
    for await (const event of rest) after.push(event)
    for await (const event of follower.events()) after.push(event)
    const again = await following(network, url, { store })
    expect(again.follower.confirmedHeight).toBeGreaterThanOrEqual(20)
    await caughtUp(again.follower, 298)
  })

  test('a store that fails ends following with its error', async () => {
    const chain = createTestChain()
    mineTo(chain, 30)
    const { url } = await nodeOf(chain)
    const store = createMemoryStore()
    const { follower } = await following(network, url, { store, isStarted: false })
    await store.close()
    follower.start()
    await expect(follower.ended).rejects.toSatisfy((error) => isSecnodeError(error, 'STORE_CLOSED'))
    expect(follower.status).toMatchObject({ is: 'failed', error: { code: 'STORE_CLOSED' } })
  })

  test('progress tells the rate and the time left', async () => {
    const chain = createTestChain()
    mineTo(chain, 300)
    const { follower } = await following(network, (await nodeOf(chain)).url, { maxBatchBlocks: 5 })
    const status = await follower.statusWhen(
      (now) => now.is === 'catching-up' && now.height > 100,
      AbortSignal.timeout(90_000),
    )
    expect(status).toMatchObject({ is: 'catching-up', target: 298 })
    if (status.is !== 'catching-up') throw new Error('unreachable')
    expect(status.blocksPerSecond).toBeGreaterThan(0)
    expect(status.secondsLeft).toBeCloseTo((298 - status.height) / status.blocksPerSecond)
  })

  test('no more blocks are fetched at once than allowed', async () => {
    const chain = createTestChain()
    mineTo(chain, 100)
    const node = await nodeOf(chain)
    let running = 0
    let most = 0
    node.twist = async ({ method }, honest) => {
      if (method !== 'getblock') return honest
      most = Math.max(most, ++running)
      // Room for more of them to come, if they would.
      for (let turn = 0; turn < 50; turn++) await nextTurn()
      running--
      return honest
    }
    const { follower } = await following(network, node.url, { maxFetches: 3 })
    await caughtUp(follower, 98)
    expect(most).toBe(3)
    expect(node.counts.get('getblock')).toBe(99)
  })
})

describe('reading transactions', () => {
  test('R-CHAL-3 gives the raw bytes of any transaction, and reads a block once for many', async () => {
    const chain = createTestChain()
    mineTo(chain, 9)
    const transfers = [1, 2, 3].map((number) => transferOf([pay(ownerOf(number).stake, 5n)]))
    chain.mine(transfers)
    mineTo(chain, 30)
    const node = await nodeOf(chain)
    const { follower } = await following(network, node.url)
    await caughtUp(follower, 28)
    node.counts.clear()
    const { signal } = new AbortController()
    const read = await Promise.all(
      [3, 1, 2, 1].map(async (index) => follower.readTransaction(10, index, signal)),
    )
    expect(read.map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual(
      [3, 1, 2, 1].map((index) => Buffer.from(transfers[index - 1]!.bytes).toString('hex')),
    )
    await follower.readTransaction(10, 0, signal)
    expect(node.counts.get('getblock')).toBe(1)
    await expect(follower.readTransaction(10, 4, signal)).rejects.toSatisfy((error) =>
      isSecnodeError(error, 'CHAIN_NO_TRANSACTION'),
    )
    await expect(follower.readTransaction(29, 0, signal)).rejects.toSatisfy((error) =>
      isSecnodeError(error, 'CHAIN_NOT_FOLLOWED'),
    )
  })

  test('R-CHAL-3 a block with other transactions, or none at all, is an error and not kept', async () => {
    const chain = createTestChain()
    mineTo(chain, 30)
    const node = await nodeOf(chain)
    const { follower } = await following(network, node.url)
    await caughtUp(follower, 28)
    const { signal } = new AbortController()
    node.twist = ({ method }, honest) =>
      method === 'getblock' ? Buffer.from(chain.best[11]!.bytes).toString('hex') : honest
    await expect(follower.readTransaction(10, 0, signal)).rejects.toSatisfy((error) =>
      isSecnodeError(error, 'CHAIN_NODE_LIES'),
    )
    node.twist = ({ method }, honest) => (method === 'getblock' ? undefined : honest)
    await expect(follower.readTransaction(10, 0, signal)).rejects.toSatisfy((error) =>
      isSecnodeError(error, 'CHAIN_BLOCK_MISSING'),
    )
    node.twist = (_request, honest) => honest
    expect(await follower.readTransaction(10, 0, signal)).toEqual(
      chain.best[10]!.block.transactions[0]!.bytes,
    )
  })

  test('the cache of blocks is bounded in bytes, and a signal ends a read', async () => {
    const chain = createTestChain()
    mineTo(chain, 30)
    const node = await nodeOf(chain)
    const blockBytes = chain.best[10]!.bytes.length
    const { follower } = await following(network, node.url, { maxCacheBytes: 2 * blockBytes + 10 })
    await caughtUp(follower, 28)
    node.counts.clear()
    const { signal } = new AbortController()
    for (const height of [10, 11, 12, 11, 12, 10]) await follower.readTransaction(height, 0, signal)
    expect(node.counts.get('getblock')).toBe(4)
    const stop = new AbortController()
    node.twist = ({ method }, honest) => {
      if (method === 'getblock') stop.abort(new Error('enough'))
      return honest
    }
    await expect(follower.readTransaction(20, 0, stop.signal)).rejects.toThrow('enough')
  })
})
