import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  beaconOf,
  bytesToHex,
  type ChallengeTerms,
  type Epoch,
  epochOfHeight,
  epochStart,
  hash,
} from '../../protocol/index.ts'
import { createRpcClient } from '../../src/chain-node/rpc/client.ts'
import { getBlockCount } from '../../src/chain-node/rpc/methods.ts'
import type { Network } from '../../src/chain/profiles.ts'
import { createChainSource } from '../../src/node/chain-source.ts'
import { digestOf } from '../../src/week/digests.ts'
import { realWorld } from '../../src/world.ts'
import { caughtUp, follow } from '../chain-node/follower/following.ts'
import { newDirectory } from '../store/directories.ts'
import { mine } from './blocks.ts'
import { runSecnode } from './command.ts'
import { addressOf, keyOf, regtest } from './networks.ts'
import { type Proxy, startProxy } from './proxy.ts'
import { startZebrad, untilTrue, type Zebrad } from './zebrad.ts'

const miner = { address: addressOf(keyOf('miner')) }
const top = 1_500
const samples = 64

let network: Network
let zebrad: Zebrad
/** Another node of the chain, which got its blocks from the first. */
let other: Zebrad
beforeAll(async () => {
  network = await regtest()
  zebrad = await startZebrad({ miner, hasCookie: true })
  for (let mined = 0; mined < top; mined += 250) await mine(zebrad.rpc, 250)
  other = await startZebrad({ miner, hasCookie: true, peers: [zebrad.peerAddress] })
  await untilTrue(async () => (await getBlockCount(other.rpc)) === top, 120_000)
})
afterAll(async () => {
  await other?.[Symbol.asyncDispose]()
  await zebrad?.[Symbol.asyncDispose]()
})

/** A daemon's view of the chain through a proxy that counts. */
const openView = async (node: Zebrad, proxy: Proxy) => {
  const rpc = createRpcClient({ url: proxy.url, auth: node.auth, world: realWorld() })
  const life = await follow(network, proxy.url, { birthday: 0, rpc, isStarted: false, pollMs: 60_000 })
  const begun = performance.now()
  life.follower.start()
  await caughtUp(life.follower, top - network.profile.genesis.confirmations)
  const followedMs = performance.now() - begun
  const { view } = createChainSource(life.follower, (error) => {
    throw error
  })
  return {
    view,
    followedMs,
    [Symbol.asyncDispose]: async () => {
      await life[Symbol.asyncDispose]()
      await rpc.close()
    },
  }
}

const termsOf = (epoch: Epoch, blockHash: Uint8Array, number: number): ChallengeTerms => ({
  networkId: network.networkId,
  epoch,
  beacon: beaconOf(network.networkId, epoch, blockHash),
  nonce: hash('zebrad test', 'nonce', number),
  targetSeat: 1,
  targetStake: hash('zebrad test', 'stake').slice(0, 20),
  challengerSeat: 2,
})

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

describe('challenges answered from zebrad', () => {
  test('R-CHAL-2 R-CHAL-3 R-CHAL-5 two daemons on two nodes compute the same digests; what that asks of a node', async () => {
    const { genesis } = network.profile
    await using proxy = await startProxy(zebrad.url)
    await using otherProxy = await startProxy(other.url)
    await using target = await openView(zebrad, proxy)
    const followCalls = Object.fromEntries(proxy.calls)
    const followRequests = proxy.requests
    await using challenger = await openView(other, otherProxy)
    const epoch = epochOfHeight(genesis, target.view.confirmedHeight)!
    const beaconHash = (await target.view.hashAt(epochStart(genesis, epoch)))!
    expect(await challenger.view.hashAt(epochStart(genesis, epoch))).toEqual(beaconHash)

    const signal = AbortSignal.timeout(60_000)
    const cold: { calls: number; ms: number; bytes: number }[] = []
    const digests = new Set<string>()
    for (let number = 0; number < 10; number++) {
      const terms = termsOf(epoch, beaconHash, number)
      proxy.reset()
      const begun = performance.now()
      const digest = await digestOf(genesis, terms, samples, target.view, signal)
      cold.push({ calls: proxy.requests, ms: performance.now() - begun, bytes: proxy.answerBytes })
      // Raw blocks only: the same bytes on every node of the family.
      expect([...proxy.calls.keys()]).toEqual(['getblock'])
      expect(await digestOf(genesis, terms, samples, challenger.view, signal)).toEqual(digest)
      digests.add(bytesToHex(digest))
    }
    expect(digests.size).toBe(10)
    const [first] = cold
    expect(first!.calls).toBeLessThanOrEqual(samples)

    const last = termsOf(epoch, beaconHash, 9)
    proxy.reset()
    const begun = performance.now()
    await digestOf(genesis, last, samples, target.view, signal)
    const warmMs = performance.now() - begun
    expect(proxy.calls.get('getblock') ?? 0).toBe(0)
    process.stderr.write(
      `${JSON.stringify({
        followed: {
          blocks: top - genesis.confirmations + 1,
          requests: followRequests,
          calls: followCalls,
          ms: Math.round(target.followedMs),
        },
        challenge: {
          samples,
          requests: first!.calls,
          kilobytes: Math.round(first!.bytes / 1_000),
          firstMs: Math.round(first!.ms),
          medianMs: Math.round(median(cold.map(({ ms }) => ms))),
          cachedMs: Math.round(warmMs),
        },
      })}\n`,
    )
  })
})

describe('secnode chain follow', () => {
  const args = (node: Zebrad, cookie: string) => [
    'chain',
    'follow',
    '--rpc',
    node.url,
    '--rpc-cookie',
    cookie,
    '--profile',
    'zcash-regtest',
  ]

  test('reads the chain with the node’s cookie, and prints its epochs', async () => {
    const { exitCode, stdout } = await runSecnode([...args(zebrad, zebrad.cookiePath), '--to', '140'])
    expect(exitCode).toBe(0)
    expect(stdout.trimEnd().split('\n')).toEqual([
      '110 epoch 0 begins with 0 seats',
      '118 epoch 1 begins with 0 seats',
      '126 epoch 2 begins with 0 seats',
      '134 epoch 3 begins with 0 seats',
      '140 end: 0 seats, 0 active',
    ])
  })

  test('a wrong cookie is named as what it may be, and another chain ends it', async () => {
    const wrong = join(newDirectory(), '.cookie')
    writeFileSync(wrong, '__cookie__:wrong', { mode: 0o600 })
    await using none = createRpcClient({
      url: zebrad.url,
      auth: { kind: 'cookie', path: wrong },
      world: realWorld(),
      maxAttempts: 1,
    })
    await expect(getBlockCount(none)).rejects.toThrow('wrong cookie or password')
    const [chain, follow, ...rest] = args(zebrad, zebrad.cookiePath)
    const elsewhere = await runSecnode([
      chain!,
      follow!,
      ...rest.slice(0, -1),
      'zcash-testnet',
      '--to',
      '4200000',
    ])
    expect(elsewhere.exitCode).toBe(1)
    expect(elsewhere.stderr).toContain('[CHAIN_OTHER_CHAIN]')
  })
})
