import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  getBestBlockHash,
  getBlockCount,
  getBlockHash,
  invalidateBlock,
  reconsiderBlock,
} from '../../src/chain-node/rpc/methods.ts'
import type { Network } from '../../src/chain/profiles.ts'
import { caughtUp, derivedRows, follow, statusOf } from '../chain-node/follower/following.ts'
import { mine } from './blocks.ts'
import { addressOf, keyOf, regtest } from './networks.ts'
import { startZebrad, untilTrue, type Zebrad } from './zebrad.ts'

const top = 130
let zebrad: Zebrad
let network: Network
let confirmations: number
beforeAll(async () => {
  network = await regtest()
  confirmations = network.profile.genesis.confirmations
  zebrad = await startZebrad({ miner: { address: addressOf(keyOf('miner')) } })
  await mine(zebrad.rpc, top)
})
afterAll(async () => zebrad?.[Symbol.asyncDispose]())

const hashAt = async (height: number): Promise<Uint8Array> => (await getBlockHash(zebrad.rpc, height))!

/** zebrad answers `invalidateblock` and `reconsiderblock` a moment before its tip has changed for others. */
const tipIs = (height: number): Promise<void> =>
  untilTrue(async () => (await getBlockCount(zebrad.rpc)) === height, 10_000)

describe('reorganisations of zebrad', () => {
  test('R-CHAIN-1 R-CHAIN-2 back by invalidateblock, onto another branch, and to the first again by reconsiderblock', async () => {
    const { rpc } = zebrad
    await using life = await follow(network, zebrad.url, { birthday: 0 })
    const { follower } = life
    await caughtUp(follower, top - confirmations)
    const kinds: string[] = []
    const events = follower.events()
    const reading = (async () => {
      for await (const { kind, block } of events) kinds.push(`${kind} ${block.height}`)
    })()

    // Across the activation and an epoch: seats and beacons go and come as well.
    const fork = 100
    const firstBranch = await hashAt(fork)
    await invalidateBlock(rpc, firstBranch)
    await tipIs(fork - 1)
    expect(await getBlockHash(rpc, fork)).toBeNull()
    // Nothing is taken back for a node that only has fewer blocks than it had.
    const behind = await statusOf(follower, 'node-behind')
    expect(behind).toMatchObject({ height: top - confirmations, tip: fork - 1 })
    expect(kinds).toEqual([])

    await mine(rpc, 20)
    const secondBranch = await hashAt(fork)
    expect(secondBranch).not.toEqual(firstBranch)
    await caughtUp(follower, fork + 19 - confirmations)
    expect(await follower.hashAt(fork)).toEqual(secondBranch)
    expect(kinds.slice(0, 2)).toEqual([
      `disconnected ${top - confirmations}`,
      `disconnected ${top - confirmations - 1}`,
    ])
    expect(kinds).toContain(`disconnected ${fork}`)
    expect(kinds).toContain(`connected ${fork}`)
    expect(kinds).not.toContain(`disconnected ${fork - 1}`)

    // The first branch is longer: once it is no longer forbidden, it is the best again.
    await reconsiderBlock(rpc, firstBranch)
    await tipIs(top)
    await caughtUp(follower, top - confirmations)
    expect(await follower.hashAt(fork)).toEqual(firstBranch)

    await using fresh = await follow(network, zebrad.url, { birthday: 0 })
    await caughtUp(fresh.follower, top - confirmations)
    expect(await derivedRows(life.store)).toEqual(await derivedRows(fresh.store))
    await follower.stop()
    await reading
  })

  test('R-CHAIN-1 branches that come and go faster than the follower reads leave it on the last', async () => {
    const { rpc } = zebrad
    await using life = await follow(network, zebrad.url, { birthday: 0 })
    for (let round = 0; round < 8; round++) {
      const count = await getBlockCount(rpc)
      await invalidateBlock(rpc, await hashAt(count - 1 - round))
      await tipIs(count - 2 - round)
      await mine(rpc, round + 3)
    }
    const count = await getBlockCount(rpc)
    await caughtUp(life.follower, count - confirmations)
    const followed = await life.follower.hashAt(count - confirmations)
    expect(followed).toEqual(await hashAt(count - confirmations))
    expect(await getBestBlockHash(rpc)).toEqual(await hashAt(count))
  })
})
