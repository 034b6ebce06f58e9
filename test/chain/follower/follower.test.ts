import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { coin, epochStart, medianTimePast } from '../../../protocol/index.ts'
import type { ChainEvent } from '../../../src/chain/follower/events.ts'
import { parseBlock } from '../../../src/chain/formats/block.ts'
import { isSecnodeError } from '../../../src/errors.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import { caughtUp, derivedRows, follow, type Following, statusOf } from './following.ts'
import {
  announcementOf,
  createTestChain,
  memoTransaction,
  ownerOf,
  pay,
  spendOf,
  type TestChain,
  testNetwork,
  transferOf,
} from './test-chain.ts'
import { startTestNode, type TestNode } from './test-node.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})
const opened = <T extends AsyncDisposable>(thing: T): T => {
  open.push(thing)
  return thing
}

const network = testNetwork()
const { genesis } = network.profile
const { activationHeight, confirmations } = genesis

const nodeOf = async (chain: TestChain): Promise<TestNode> => opened(await startTestNode(chain))
const following = async (...options: Parameters<typeof follow>): Promise<Following> =>
  opened(await follow(...options))
const mineTo = (chain: TestChain, height: number): void => {
  while (chain.tip.height < height) chain.mine()
}
/** What the follower should have reached. */
const confirmed = (chain: TestChain): number => chain.tip.height - confirmations

/** Reads events until one fits. */
const eventsUntil = async (
  events: AsyncIterable<ChainEvent>,
  fits: (event: ChainEvent) => boolean,
): Promise<string[]> => {
  const seen: string[] = []
  for await (const event of events) {
    seen.push(`${event.kind} ${event.block.height}`)
    if (fits(event)) break
  }
  return seen
}

describe('headers', () => {
  test('R-CHAIN-2 follows up to the confirmed block, and further as the chain grows', async () => {
    const chain = createTestChain()
    mineTo(chain, 30)
    const { follower } = await following(network, (await nodeOf(chain)).url)
    await caughtUp(follower, 30 - confirmations)
    expect(follower.confirmedHeight).toBe(30 - confirmations)
    expect(await follower.headerAt(30 - confirmations + 1)).toBeUndefined()
    chain.mine()
    await caughtUp(follower, 31 - confirmations)
  })

  test('R-CHAIN-3 keeps hash, time, transaction count and median time past of every block', async () => {
    const chain = createTestChain()
    const times = [0, 3, 1, 2, 9, 4, 8, 5, 7, 6, 20, 15, 10, 12, 11, 13, 30, 14, 16].map(
      (t) => 1_800_000_000 + t * 900,
    )
    for (const [i, time] of times.entries()) {
      chain.mine(
        Array.from({ length: i % 3 }, () => transferOf([pay(ownerOf(1).stake, 1n)])),
        time,
      )
    }
    const { follower } = await following(network, (await nodeOf(chain)).url)
    await caughtUp(follower, confirmed(chain))
    for (const { height, block } of chain.best.slice(0, confirmed(chain) + 1)) {
      expect(await follower.hashAt(height)).toEqual(block.header.hash)
      expect(await follower.transactionCountAt(height)).toBe(block.transactions.length)
      const window = chain.best
        .slice(Math.max(0, height - 10), height + 1)
        .map(({ block }) => block.header.time)
      expect(await follower.medianTimeAt(height)).toBe(medianTimePast(window))
    }
  })

  test('R-CHAIN-3 the median is the middle one of eleven times, in whatever order they come', async () => {
    const chain = createTestChain()
    const minutes = [5, 1, 9, 3, 7, 11, 2, 10, 4, 8, 6, 20, 0]
    for (const minute of minutes) chain.mine([], 1_800_000_000 + 60 * minute)
    mineTo(chain, minutes.length + confirmations)
    const { follower } = await following(network, (await nodeOf(chain)).url)
    await caughtUp(follower, minutes.length)
    const medianMinute = async (height: number) =>
      ((await follower.medianTimeAt(height))! - 1_800_000_000) / 60
    expect(await medianMinute(11)).toBe(6)
    expect(await medianMinute(12)).toBe(7)
    expect(await medianMinute(13)).toBe(7)
  })

  test('R-CHAIN-3 a start in the middle of the chain knows no median until eleven blocks are there', async () => {
    const late = testNetwork({ activationHeight: 25 })
    const chain = createTestChain()
    mineTo(chain, 30)
    const { follower } = await following(late, (await nodeOf(chain)).url, { birthday: 15 })
    await caughtUp(follower, confirmed(chain))
    expect(await follower.headerAt(14)).toBeUndefined()
    expect(await follower.hashAt(15)).toEqual(chain.best[15]!.block.header.hash)
    expect(await follower.medianTimeAt(24)).toBeUndefined()
    expect(await follower.medianTimeAt(25)).toBe(chain.best[20]!.block.header.time)
  })

  test('R-CHAIN-3 it cannot start later than ten blocks before the activation, nor before what the store holds', async () => {
    const late = testNetwork({ activationHeight: 25 })
    const chain = createTestChain()
    mineTo(chain, 30)
    const { url } = await nodeOf(chain)
    const refused = (error: unknown): boolean =>
      isSecnodeError(error, 'FOLLOW_BIRTHDAY') && error.exitCode === 2
    await expect(follow(late, url, { birthday: 16 })).rejects.toSatisfy(refused)
    const { store, follower } = await following(late, url, { birthday: 10 })
    await caughtUp(follower, confirmed(chain))
    await follower.stop()
    await expect(follow(late, url, { store, birthday: 9 })).rejects.toSatisfy(refused)
    const again = await following(late, url, { store, birthday: 12 })
    await caughtUp(again.follower, confirmed(chain))
    expect(await again.follower.headerAt(10)).toBeDefined()
  })

  test('a node whose block 0 is not the profile’s is refused, and nothing is stored', async () => {
    const chain = createTestChain()
    mineTo(chain, 30)
    const other = { ...network, genesisHash: new Uint8Array(32).fill(1) }
    const { follower, store } = await following(other, (await nodeOf(chain)).url)
    const status = await statusOf(follower, 'node-lies')
    expect(status).toMatchObject({ error: { code: 'CHAIN_OTHER_CHAIN' } })
    expect(await derivedRows(store)).toEqual([])
  })
})

describe('registry', () => {
  test('R-CHAIN-4 R-REG-3 announcements become seats, in the order of the chain', async () => {
    const chain = createTestChain()
    mineTo(chain, activationHeight - 2)
    // Before the activation nothing counts.
    chain.mine([announcementOf(network, ownerOf(9), chain.tip.height)])
    chain.mine([
      announcementOf(network, ownerOf(2), chain.tip.height),
      announcementOf(network, ownerOf(1), chain.tip.height),
    ])
    chain.mine([announcementOf(network, ownerOf(3), chain.tip.height)])
    mineTo(chain, activationHeight + 20)
    const { follower } = await following(network, (await nodeOf(chain)).url)
    await caughtUp(follower, confirmed(chain))
    const seats = (await follower.registryAt(1))!
    expect(seats.map(({ stake }) => stake)).toEqual([2, 1, 3].map((number) => ownerOf(number).stake))
    expect(seats[2]).toMatchObject({
      seat: 2,
      host: 'n3-0.devnet.test',
      announced: { height: activationHeight + 1, index: 1 },
      activeSince: activationHeight + 1,
    })
  })

  test('R-CHAIN-4 only candidates are tried: without an output of minStake the memo is not even read', async () => {
    const chain = createTestChain()
    mineTo(chain, activationHeight)
    const memo = ownerOf(1).memo(network, chain.tip.height, 0)
    chain.mine([memoTransaction(memo, [pay(ownerOf(1).stake, 42n * coin - 1n), pay(ownerOf(1).stake, 1n)])])
    // Its candidate output is another's: read, and refused by R-REG-1.
    chain.mine([memoTransaction(memo, [pay(ownerOf(2).stake, 42n * coin)])])
    mineTo(chain, activationHeight + 8)
    const { url } = await nodeOf(chain)
    const { follower } = await following(network, url, { isStarted: false })
    const refused: unknown[] = []
    const events = follower.events()
    follower.start()
    for await (const event of events) {
      if (event.kind === 'connected') refused.push(...(event.block.change?.refused ?? []))
      if (event.block.height === confirmed(chain)) break
    }
    expect(refused).toEqual([{ index: 1, code: 'announcement-without-stake' }])
    expect(await follower.registryAt(1)).toEqual([])
  })

  test('R-EPOCH-5 snapshots hold the seats active since b(e − 2), with the identity of then', async () => {
    const chain = createTestChain()
    const stakes = new Map<number, ReturnType<typeof announcementOf>>()
    const announce = (number: number, generation = 0): void => {
      const transaction = announcementOf(network, ownerOf(number), chain.tip.height, generation)
      if (!stakes.has(number)) stakes.set(number, transaction)
      chain.mine([transaction])
    }
    mineTo(chain, activationHeight - 1)
    announce(1) // b(0): active from it on
    announce(2) // one block later: too late for snapshot(2)
    mineTo(chain, epochStart(genesis, 2) - 1)
    announce(1, 1) // b(2): another identity, in snapshot(3) and not in snapshot(2)
    chain.mine([transferOf([], [spendOf(stakes.get(2)!, 0)])]) // retires 2 after b(2)
    mineTo(chain, epochStart(genesis, 6) + 2)
    const { follower } = await following(network, (await nodeOf(chain)).url)
    await caughtUp(follower, confirmed(chain))
    const hostsOf = async (epoch: number) => (await follower.snapshotOf(epoch))?.map(({ host }) => host)
    expect(await hostsOf(0)).toEqual([])
    expect(await hostsOf(1)).toEqual([])
    expect(await hostsOf(2)).toEqual(['n1-0.devnet.test'])
    expect(await hostsOf(3)).toEqual(['n1-1.devnet.test', 'n2-0.devnet.test'])
    expect(await hostsOf(4)).toEqual(['n1-1.devnet.test'])
    expect(await hostsOf(7)).toEqual(['n1-1.devnet.test'])
    expect(await hostsOf(8)).toBeUndefined()
    // The registry of then, computed backwards.
    expect((await follower.registryAt(1))!.map(({ host, activeSince }) => [host, activeSince])).toEqual([
      ['n1-0.devnet.test', activationHeight],
      ['n2-0.devnet.test', activationHeight + 1],
    ])
    expect((await follower.registryAt(3))!.map(({ host, activeSince }) => [host, activeSince])).toEqual([
      ['n1-1.devnet.test', activationHeight],
      ['n2-0.devnet.test', null],
    ])
    expect(await follower.registryAt(7)).toBeUndefined()
  })

  test('R-REG-5 R-CHAIN-3 the outputs of registered stakes survive a restart', async () => {
    const chain = createTestChain()
    mineTo(chain, activationHeight)
    const stake = announcementOf(network, ownerOf(1), chain.tip.height)
    chain.mine([stake])
    chain.mine([transferOf([pay(ownerOf(1).stake, 42n * coin)])])
    mineTo(chain, activationHeight + 6)
    const { url } = await nodeOf(chain)
    const first = await following(network, url)
    await caughtUp(first.follower, confirmed(chain))
    await first.follower.stop()
    // The second output alone still makes 42 coins.
    chain.mine([transferOf([], [spendOf(stake, 0)])])
    const epoch = 3
    mineTo(chain, epochStart(genesis, epoch) + confirmations)
    const second = await following(network, url, { store: first.store })
    await caughtUp(second.follower, confirmed(chain))
    expect((await second.follower.registryAt(epoch))![0]).toMatchObject({ activeSince: activationHeight + 1 })
    const fresh = await following(network, url)
    await caughtUp(fresh.follower, confirmed(chain))
    expect(await derivedRows(second.store)).toEqual(await derivedRows(fresh.store))
  })
})

describe('reorganisations', () => {
  test('R-CHAIN-1 R-CHAIN-2 blocks that are no longer of the chain are taken back, in order', async () => {
    const chain = createTestChain()
    mineTo(chain, activationHeight + 3)
    chain.mine([announcementOf(network, ownerOf(1), chain.tip.height)])
    mineTo(chain, activationHeight + 10)
    const { url } = await nodeOf(chain)
    const { follower, store } = await following(network, url)
    const old = confirmed(chain)
    await caughtUp(follower, old)
    const events = follower.events()
    chain.rollBack(9)
    chain.mine([announcementOf(network, ownerOf(2), chain.tip.height)])
    mineTo(chain, activationHeight + 12)
    const fork = activationHeight + 1
    const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)
    expect(
      await eventsUntil(
        events,
        ({ kind, block }) => kind === 'connected' && block.height === confirmed(chain),
      ),
    ).toEqual([
      ...range(fork + 1, old)
        .reverse()
        .map((height) => `disconnected ${height}`),
      ...range(fork + 1, confirmed(chain)).map((height) => `connected ${height}`),
    ])
    await caughtUp(follower, confirmed(chain))
    expect((await follower.registryAt(2))!.map(({ stake }) => stake)).toEqual([ownerOf(2).stake])
    const fresh = await following(network, url)
    await caughtUp(fresh.follower, confirmed(chain))
    expect(await derivedRows(store)).toEqual(await derivedRows(fresh.store))
  })

  test('R-CHAIN-1 a reorganisation of hundreds of blocks, through the activation and while the follower was off', async () => {
    const late = testNetwork({ activationHeight: 300 })
    const chain = createTestChain()
    mineTo(chain, 310)
    chain.mine([announcementOf(late, ownerOf(1), chain.tip.height)])
    mineTo(chain, 400)
    const { url } = await nodeOf(chain)
    const first = await following(late, url)
    await caughtUp(first.follower, confirmed(chain))
    await first.follower.stop()
    chain.rollBack(395)
    mineTo(chain, 420)
    const second = await following(late, url, { store: first.store })
    await caughtUp(second.follower, confirmed(chain))
    const fresh = await following(late, url)
    await caughtUp(fresh.follower, confirmed(chain))
    expect(await derivedRows(second.store)).toEqual(await derivedRows(fresh.store))
  })

  test('R-CHAIN-2 a shorter branch replaces a longer one as well', async () => {
    const chain = createTestChain()
    mineTo(chain, 40)
    const { follower, store } = await following(network, (await nodeOf(chain)).url)
    await caughtUp(follower, 38)
    chain.rollBack(20)
    mineTo(chain, 30)
    await caughtUp(follower, 28)
    expect((await derivedRows(store)).filter(([key]) => key.startsWith('10'))).toHaveLength(29)
  })

  test('a node that falls behind on our own chain is waited for, nothing is taken back', async () => {
    const chain = createTestChain()
    mineTo(chain, 40)
    const { follower } = await following(network, (await nodeOf(chain)).url)
    await caughtUp(follower, 38)
    const events = follower.events()
    const highest = chain.best.slice(31)
    chain.rollBack(highest.length)
    expect(await statusOf(follower, 'node-behind')).toMatchObject({ height: 38, tip: 30 })
    ;(chain.best as unknown[]).push(...highest)
    chain.mine()
    expect(await eventsUntil(events, ({ block }) => block.height === 39)).toEqual(['connected 39'])
  })

  test('a node on a chain that has nothing in common with ours changes nothing', async () => {
    const chain = createTestChain()
    mineTo(chain, 40)
    const { store } = await (async () => {
      const first = await following(network, (await nodeOf(chain)).url)
      await caughtUp(first.follower, 38)
      await first.follower.stop()
      return first
    })()
    const before = await derivedRows(store)
    const other = createTestChain(1)
    mineTo(other, 50)
    const { follower } = await following(network, (await nodeOf(other)).url, { store })
    expect(await statusOf(follower, 'node-lies')).toMatchObject({ error: { code: 'CHAIN_OTHER_CHAIN' } })
    await follower.stop()
    expect(await derivedRows(store)).toEqual(before)
  })
})

describe('a node that cannot be trusted', () => {
  const height = activationHeight + 4

  /** Follows to the block before `height` and then meets the twisted answer. */
  const meeting = async (twist: (chain: TestChain) => TestNode['twist']) => {
    const chain = createTestChain()
    mineTo(chain, height - 1)
    const announcement = announcementOf(network, ownerOf(1), chain.tip.height)
    chain.mine([announcement, transferOf([pay(ownerOf(2).stake, 1n)])])
    mineTo(chain, height + 6)
    const node = await nodeOf(chain)
    node.twist = twist(chain)
    const { follower, store } = await following(network, node.url)
    const status = await statusOf(follower, 'node-lies')
    return { chain, node, follower, store, status }
  }
  const onBlock =
    (change: (bytes: Uint8Array) => Uint8Array): (() => TestNode['twist']) =>
    () =>
    ({ method, params }, honest) =>
      method === 'getblock' && params[0] === String(height)
        ? Buffer.from(change(new Uint8Array(Buffer.from(honest as string, 'hex')))).toString('hex')
        : honest

  /** The lock time of the last transaction is another: header and hash stay. */
  const withOtherTransaction = (bytes: Uint8Array): Uint8Array => {
    const copy = bytes.slice()
    copy[copy.length - 1]! ^= 1
    return copy
  }

  /** The last of three transactions twice: the merkle root of the family is the same (CVE-2012-2459). */
  const withLastTransactionTwice = (bytes: Uint8Array): Uint8Array => {
    const last = parseBlock(bytes, 'zen').transactions.at(-1)!.bytes
    const copy = new Uint8Array(Buffer.concat([bytes, last]))
    // 140 bytes of fields, the solution of 36 behind its length, then the count.
    expect(copy[177]).toBe(3)
    copy[177] = 4
    return copy
  }

  const lies: [string, string, (chain: TestChain) => TestNode['twist']][] = [
    ['bytes that are no block', 'unreadable-block', onBlock((bytes) => bytes.subarray(0, 200))],
    ['bytes after the block', 'unreadable-block', onBlock((bytes) => Buffer.concat([bytes, Buffer.of(0)]))],
    ['a wrong merkle root', 'wrong-merkle-root', onBlock(withOtherTransaction)],
    ['a transaction listed twice', 'wrong-merkle-root', onBlock(withLastTransactionTwice)],
    [
      'another block than the one asked for',
      'other-block',
      (chain) =>
        ({ method, params }, honest) =>
          method === 'getblock' && params[0] === String(height)
            ? Buffer.from(chain.best[height - 1]!.bytes).toString('hex')
            : honest,
    ],
    [
      'a hash that is not the block’s',
      'other-block',
      () =>
        ({ method, params }, honest) =>
          method === 'getblockhash' && params[0] === height ? '00'.repeat(32) : honest,
    ],
    [
      'a block that does not follow the one before',
      'broken-link',
      (chain) => {
        const stranger = createTestChain(1)
        mineTo(stranger, height)
        const twist: TestNode['twist'] = ({ method, params }, honest) => {
          const [first] = params
          const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
          if (method === 'getblock' && first === String(height)) return text(stranger.best[height]!.bytes)
          if (method === 'getblockhash' && first === height) {
            return text(stranger.best[height]!.block.header.hash.slice().reverse())
          }
          return honest
        }
        expect(chain.best).not.toHaveLength(0)
        return twist
      },
    ],
  ]
  test.each(lies)(
    'R-CHAIN-1 %s is CHAIN_NODE_LIES, is not stored, and is asked for again',
    async (_name, lie, twist) => {
      const { chain, node, follower, store, status } = await meeting(twist)
      expect(status).toMatchObject({ error: { code: 'CHAIN_NODE_LIES', lie, height } })
      expect(follower.confirmedHeight).toBe(height - 1)
      expect(await follower.headerAt(height)).toBeUndefined()
      expect((await derivedRows(store)).filter(([key]) => key.startsWith('10'))).toHaveLength(height)
      // It keeps trying, and goes on as soon as the node answers honestly.
      const asked = node.counts.get('getblock')!
      await expect.poll(() => node.counts.get('getblock')).toBeGreaterThan(asked)
      node.twist = (_request, honest) => honest
      await caughtUp(follower, confirmed(chain))
      expect(await follower.hashAt(height)).toEqual(chain.best[height]!.block.header.hash)
    },
  )

  test('R-CHAIN-1 a fork that the node only claims takes nothing back', async () => {
    const chain = createTestChain()
    mineTo(chain, 40)
    const node = await nodeOf(chain)
    const { follower, store } = await following(network, node.url)
    await caughtUp(follower, 38)
    const before = await derivedRows(store)
    node.twist = ({ method, params }, honest) =>
      method === 'getblockhash' && (params[0] as number) > 20 ? '11'.repeat(32) : honest
    expect(await statusOf(follower, 'node-lies')).toMatchObject({ error: { lie: 'other-block', height: 21 } })
    expect(await derivedRows(store)).toEqual(before)
  })

  test('R-CHAIN-2 a chain that changes between two questions is no lie', async () => {
    const chain = createTestChain()
    mineTo(chain, 60)
    const node = await nodeOf(chain)
    let hasChanged = false
    node.twist = ({ method, params }, honest) => {
      // Hashes were given already; the blocks from 20 on come from another branch.
      if (method === 'getblock' && params[0] === '20' && !hasChanged) {
        hasChanged = true
        chain.rollBack(45)
        mineTo(chain, 62)
        return Buffer.from(chain.best[20]!.bytes).toString('hex')
      }
      return honest
    }
    const { follower, store } = await following(network, node.url, { isStarted: false })
    const states = new Set<string>()
    follower.start()
    await follower.statusWhen((status) => {
      states.add(status.is)
      return status.is === 'following' && status.height === 60
    }, AbortSignal.timeout(20_000))
    expect(states).not.toContain('node-lies')
    expect(hasChanged).toBe(true)
    await follower.stop()
    const fresh = await following(network, node.url)
    await caughtUp(fresh.follower, 60)
    expect(await derivedRows(store)).toEqual(await derivedRows(fresh.store))
  })

  test('a node that goes away is reported and followed again when it is back', async () => {
    const chain = createTestChain()
    mineTo(chain, 40)
    const node = await nodeOf(chain)
    const { follower } = await following(network, node.url)
    await caughtUp(follower, 38)
    node.twist = () => undefined
    const status = await statusOf(follower, 'node-unreachable')
    expect(status).toMatchObject({ error: { code: 'RPC_REFUSED' } })
    chain.mine()
    node.twist = (_request, honest) => honest
    await caughtUp(follower, 39)
  })
})

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
      AbortSignal.timeout(20_000),
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
