import { describe, expect, test } from 'vitest'
import { coin, epochStart, medianTimePast } from '../../../protocol/index.ts'
import { isSecnodeError } from '../../../src/errors.ts'
import { caughtUp, derivedRows, follow, statusOf } from './following.ts'
import {
  activationHeight,
  confirmations,
  confirmed,
  eventsUntil,
  following,
  genesis,
  mineTo,
  network,
  nodeOf,
} from './scene.ts'
import {
  announcementOf,
  createTestChain,
  memoTransaction,
  ownerOf,
  pay,
  spendOf,
  testNetwork,
  transferOf,
} from './test-chain.ts'

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

  test('R-CHAIN-1 catches up without a pause, however many rounds of 500 blocks it takes', async () => {
    const chain = createTestChain()
    mineTo(chain, 1_200)
    const { follower } = await following(network, (await nodeOf(chain)).url, { pollMs: 3_600_000 })
    await caughtUp(follower, confirmed(chain))
    expect(follower.confirmedHeight).toBe(1_200 - confirmations)
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
  test('R-CHAIN-4 R-REG-1 R-REG-3 announcements become seats, in the order of the chain, from the activation on', async () => {
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

  test('R-CHAIN-2 a shorter branch replaces a longer one as well, snapshots included', async () => {
    const chain = createTestChain()
    mineTo(chain, activationHeight)
    chain.mine([announcementOf(network, ownerOf(1), chain.tip.height)])
    mineTo(chain, 40)
    const { url } = await nodeOf(chain)
    const { follower, store } = await following(network, url)
    await caughtUp(follower, 38)
    expect(await follower.snapshotOf(7)).toHaveLength(1)
    chain.rollBack(20)
    mineTo(chain, 30)
    await caughtUp(follower, 28)
    expect(await follower.snapshotOf(7)).toBeUndefined()
    const fresh = await following(network, url)
    await caughtUp(fresh.follower, 28)
    expect(await derivedRows(store)).toEqual(await derivedRows(fresh.store))
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
