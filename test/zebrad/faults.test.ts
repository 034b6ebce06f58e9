import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRpcClient } from '../../src/chain-node/rpc/client.ts'
import { isRpcError } from '../../src/chain-node/rpc/errors.ts'
import { getBlockCount, getBlockHash } from '../../src/chain-node/rpc/methods.ts'
import type { Network } from '../../src/chain/profiles.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { realWorld } from '../../src/world.ts'
import { caughtUp, follow, statusOf } from '../chain-node/follower/following.ts'
import { newDirectory } from '../store/directories.ts'
import { mine } from './blocks.ts'
import { addressOf, keyOf, regtest } from './networks.ts'
import { startProxy } from './proxy.ts'
import { startZebrad, untilTrue, type Zebrad } from './zebrad.ts'

const miner = { address: addressOf(keyOf('miner')) }
let network: Network
let confirmations: number
let zebrad: Zebrad
beforeAll(async () => {
  network = await regtest()
  confirmations = network.profile.genesis.confirmations
  zebrad = await startZebrad({ miner, hasCookie: true })
  await mine(zebrad.rpc, 120)
})
afterAll(async () => zebrad?.[Symbol.asyncDispose]())

const tip = async (): Promise<number> => getBlockCount(zebrad.rpc)

/** As a daemon has it: pauses of milliseconds, several tries. */
const clientOf = (url: string, cookiePath: string, attemptMs = 10_000) =>
  createRpcClient({
    url,
    auth: { kind: 'cookie', path: cookiePath },
    world: realWorld(),
    attemptMs,
    maxAttempts: 3,
    backoff: { firstMs: 5, maxMs: 20 },
  })

describe('credentials', () => {
  test('a cookie that zebrad does not take: it closes the connection, and the error says what that means', async () => {
    const wrong = join(newDirectory(), '.cookie')
    writeFileSync(wrong, '__cookie__:d3Jvbmctc2VjcmV0', { mode: 0o600 })
    await using rpc = clientOf(zebrad.url, wrong)
    const error: unknown = await getBlockCount(rpc).catch((reason: unknown) => reason)
    if (!isRpcError(error, 'RPC_UNREACHABLE')) throw error
    expect(error.message).toContain('closed the connection without an answer')
    expect(error.hint).toContain('--rpc-cookie')
    expect(`${error.message} ${error.hint} ${error.stack}`).not.toContain('d3Jvbmct')
    // Without any it is the same.
    await using none = createRpcClient({ url: zebrad.url, world: realWorld(), maxAttempts: 1 })
    await expect(getBlockCount(none)).rejects.toThrow('closed the connection without an answer')
  })

  test('any user will do with the cookie’s password', async () => {
    await using rpc = clientOf(zebrad.url, zebrad.cookiePath)
    expect(await getBlockCount(rpc)).toBe(await tip())
  })
})

describe('restarts', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'R-CHAIN-1 following goes on after %s and a start with another cookie',
    async (signal) => {
      await using rpc = clientOf(zebrad.url, zebrad.cookiePath)
      await using life = await follow(network, zebrad.url, { birthday: 0, rpc })
      const { follower } = life
      const before = await tip()
      await caughtUp(follower, before - confirmations)
      await zebrad.stop(signal)
      const gone = await statusOf(follower, 'node-unreachable')
      expect(gone).toMatchObject({
        error: { code: expect.stringMatching(/^RPC_(UNREACHABLE|COOKIE)$/) as string },
      })
      await zebrad.start()
      expect(await tip()).toBe(before)
      await mine(zebrad.rpc, 5)
      await caughtUp(follower, before + 5 - confirmations)
    },
  )
})

describe('slow answers', () => {
  test('within the deadline they only slow it down; beyond it the node counts as unreachable until it is faster', async () => {
    await using proxy = await startProxy(zebrad.url)
    await using rpc = clientOf(proxy.url, zebrad.cookiePath, 1_000)
    await using life = await follow(network, proxy.url, { birthday: 0, rpc })
    const { follower } = life
    proxy.delayMs = 200
    await caughtUp(follower, (await tip()) - confirmations)
    proxy.delayMs = 1_500
    const slow = await statusOf(follower, 'node-unreachable')
    expect(slow).toMatchObject({ error: { code: 'RPC_TIMEOUT' } })
    proxy.delayMs = 0
    await mine(zebrad.rpc, 3)
    await caughtUp(follower, (await tip()) - confirmations)
  })
})

describe('a node that still syncs', () => {
  test('R-CHAIN-1 nothing is taken back for it; the follower waits until it is past what was followed', async () => {
    const goal = await tip()
    const store = createMemoryStore()
    {
      await using rpc = clientOf(zebrad.url, zebrad.cookiePath)
      await using life = await follow(network, zebrad.url, { birthday: 0, rpc, store })
      await caughtUp(life.follower, goal - confirmations)
    }
    // The operator changes to a new node that has no block yet, and no peers.
    await using syncing = await startZebrad({ miner })
    await using rpc = createRpcClient({ url: syncing.url, world: realWorld(), maxAttempts: 2 })
    await using life = await follow(network, syncing.url, { birthday: 0, rpc, store })
    const { follower } = life
    const seen: string[] = []
    const events = follower.events()
    const reading = (async () => {
      for await (const { kind, block } of events) seen.push(`${kind} ${block.height}`)
    })()
    expect(await statusOf(follower, 'node-behind')).toMatchObject({ height: goal - confirmations, tip: 0 })
    await syncing.stop()
    await syncing.start({ peers: [zebrad.peerAddress] })
    await untilTrue(async () => (await getBlockCount(syncing.rpc)) === goal, 170_000)
    await caughtUp(follower, goal - confirmations)
    // Blocks that come by gossip.
    await mine(zebrad.rpc, 2)
    await untilTrue(async () => (await getBlockCount(syncing.rpc)) === goal + 2, 60_000)
    await caughtUp(follower, goal + 2 - confirmations)
    expect(await follower.hashAt(goal)).toEqual(await getBlockHash(zebrad.rpc, goal))
    await follower.stop()
    await reading
    expect(seen).toEqual(
      [goal - confirmations + 1, goal - confirmations + 2].map((height) => `connected ${height}`),
    )
  })
})
