import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import {
  applyChange,
  createRegistry,
  createStream,
  judgeBlock,
  type RandomStream,
  type SeatRecord,
} from '../../../protocol/index.ts'
import { chainBlockOf } from '../../../src/chain-node/follower/chain-block.ts'
import type { Transaction, TransactionInput } from '../../../src/chain/formats/types.ts'
import { openStore } from '../../../src/store/open.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { newDirectory } from '../../store/directories.ts'
import { bls, caughtUp, derivedRows, follow } from './following.ts'
import {
  announcementOf,
  createTestChain,
  ownerOf,
  pay,
  seedOf,
  spendOf,
  type TestChain,
  testNetwork,
  transferOf,
} from './test-chain.ts'
import { startTestNode } from './test-node.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})

const network = testNetwork({ activationHeight: 30 })
const { minStake, confirmations } = network.profile.genesis
const seed = Number(process.env['SECNODE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const ownerCount = 8
let made = 0

/** Mines a block of what the rules look at: announcements, payments to stakes, and spends of both. */
const mineSomething = (chain: TestChain, random: RandomStream): void => {
  const owner = () => ownerOf(random.below(ownerCount))
  const spendable = (): TransactionInput[] => {
    // Any output of the last blocks: often one that was spent already on this or another branch, which the rules must bear.
    const block = chain.best[Math.max(0, chain.best.length - 1 - random.below(30))]!.block
    const transaction = block.transactions[random.below(block.transactions.length)]!
    return [spendOf(transaction, random.below(Math.max(1, transaction.outputs.length)))]
  }
  const transactions: Transaction[] = []
  for (let count = random.below(4); count > 0; count--) {
    switch (random.below(7)) {
      // Dear to make and to check, so not too many of them.
      case 0:
        transactions.push(
          announcementOf(network, owner(), Math.max(0, chain.tip.height - random.below(3)), random.below(4)),
        )
        break
      case 1:
      case 2:
        transactions.push(transferOf([pay(owner().stake, minStake / BigInt(1 + random.below(3)))]))
        break
      default:
        // An amount of its own: two transactions are never the same.
        transactions.push(transferOf([pay(owner().stake, BigInt(++made))], spendable()))
    }
  }
  chain.mine(transactions)
}

const reorganise = (chain: TestChain, random: RandomStream): void => {
  const depth = Math.min(1 + random.below(20), chain.tip.height - 1)
  chain.rollBack(depth)
  // Longer than before, now and then by several blocks.
  for (let count = depth + 1 + random.below(3); count > 0; count--) mineSomething(chain, random)
}

/** A store that "dies" at a random batch: before it is written, or after it is but before anybody hears of it. */
const mortalStore = (store: Store, random: RandomStream): Store => {
  let batchesLeft = random.below(12)
  let isDead = false
  const alive = <T>(value: T): T => {
    if (isDead) throw new Error('the process is dead')
    return value
  }
  return {
    get: async (key) => alive(store.get(key)),
    getMany: async (keys) => alive(store.getMany(keys)),
    range: (range) => alive(store.range(range)),
    batch: async (operations, options) => {
      alive(undefined)
      if (batchesLeft-- > 0) return store.batch(operations, options)
      isDead = true
      if (random.below(2) === 0) await store.batch(operations, options)
      throw new Error('the process died')
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** Compares all derived rows with those of a fresh follow of the chain as it stands; the seats of then. */
const assertLikeFresh = async (store: Store, url: string, target: number): Promise<readonly SeatRecord[]> => {
  await using fresh = await follow(network, url)
  await caughtUp(fresh.follower, target)
  expect(await derivedRows(store)).toEqual(await derivedRows(fresh.store))
  return (await fresh.follower.seatsAfter(target))!
}

/** The rules alone, with every output in memory and no store, come to the same registry. */
const assertLikeRules = async (
  chain: TestChain,
  store: Store,
  url: string,
  target: number,
): Promise<void> => {
  const registry = createRegistry(network.profile.genesis, network.networkId)
  for (const { block, height } of chain.best.slice(network.profile.genesis.activationHeight, target + 1)) {
    const { chainBlock } = await chainBlockOf(network, block, height, null)
    applyChange(registry, judgeBlock(registry, chainBlock, bls))
  }
  await using life = await follow(network, url, { store, isStarted: false })
  expect(await life.follower.seatsAfter(target)).toEqual(registry.seats)
  const outputs = (await derivedRows(store)).filter(([key]) => key.startsWith('13'))
  expect(outputs).toHaveLength(registry.seatByOutpoint.size)
}

test(
  `R-CHAIN-1 R-CHAIN-2 200 random reorganisations with random deaths end in the state of a fresh follow (seed ${seed})`,
  { timeout: 900_000 },
  async () => {
    const random = createStream(seedOf('faults', seed))
    const chain = createTestChain()
    while (chain.tip.height < 60) mineSomething(chain, random)
    const node = await startTestNode(chain)
    open.push(node)
    const store = createMemoryStore()
    let deaths = 0
    for (let round = 0; round < 200; round++) {
      reorganise(chain, random)
      const target = chain.tip.height - confirmations
      for (let isThere = false; !isThere;) {
        await using life = await follow(network, node.url, {
          store: random.below(3) === 0 ? store : mortalStore(store, random),
          maxBatchBlocks: 1 + random.below(8),
          pollMs: 1,
        })
        try {
          await caughtUp(life.follower, target)
          isThere = true
        } catch (error) {
          if (!(error instanceof Error && error.message.startsWith('the process'))) throw error
          deaths++
        }
      }
      // Every fresh follow costs the whole chain again.
      if (round % 40 === 0) await assertLikeFresh(store, node.url, target)
    }
    const target = chain.tip.height - confirmations
    const seats = await assertLikeFresh(store, node.url, target)
    await assertLikeRules(chain, store, node.url, target)
    // The test is worth something only if there was something to get wrong.
    const undoRows = (await derivedRows(store)).filter(([key]) => key.startsWith('14'))
    expect(deaths).toBeGreaterThan(20)
    expect(seats).toHaveLength(ownerCount)
    expect(undoRows.length).toBeGreaterThan(20)
  },
)

test(
  `R-CHAIN-1 kill -9 at random moments: the directory is followed on to the state of a fresh follow (seed ${seed})`,
  { timeout: 900_000 },
  async () => {
    const random = createStream(seedOf('kill', seed))
    const chain = createTestChain()
    while (chain.tip.height < 60) mineSomething(chain, random)
    const node = await startTestNode(chain)
    open.push(node)
    const directory = newDirectory()
    const module = new URL('follower-process.ts', import.meta.url).pathname
    let kills = 0
    for (let round = 0; round < 8; round++) {
      reorganise(chain, random)
      for (let count = 10 + random.below(40); count > 0; count--) mineSomething(chain, random)
      const child = fork(module, [directory, node.url], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      const exited = once(child, 'exit')
      // It tells each block; after a random number of them the axe falls, most often in the middle of what follows.
      let blocksLeft = random.below(60)
      child.on('message', () => {
        if (blocksLeft-- <= 0) child.kill('SIGKILL')
      })
      // One that has no more blocks to tell ends by itself.
      const [, killedBy] = (await exited) as [number | null, string | null]
      if (killedBy === 'SIGKILL') kills++
    }
    expect(kills).toBeGreaterThan(2)
    const target = chain.tip.height - confirmations
    await using store = await openStore({ directory, networkId: network.networkId })
    await using last = await follow(network, node.url, { store })
    await caughtUp(last.follower, target)
    await last.follower.stop()
    await assertLikeFresh(store, node.url, target)
  },
)
