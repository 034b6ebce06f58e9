import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { bytesToHex, epochStart, reversedHex } from '../../protocol/index.ts'
import { hasValidMerkleRoot, parseBlock } from '../../src/chain/formats/block.ts'
import type { Block } from '../../src/chain/formats/types.ts'
import {
  getBlockHash,
  getBlockHeader,
  getRawBlock,
  getRawBlockByHash,
} from '../../src/chain-node/rpc/methods.ts'
import { Hash } from '../../src/chain-node/rpc/values.ts'
import { authDigest } from '../../src/devnet/chain/auth-digest.ts'
import { caughtUp, follow } from '../chain-node/follower/following.ts'
import { assembleFromTemplate, getTemplate, mine, submit } from './blocks.ts'
import { addressOf, keyOf, regtest } from './networks.ts'
import { startZebrad, type Zebrad } from './zebrad.ts'

/** Every upgrade from Canopy on, ten blocks each: coinbases of versions 4, 5 and 6. */
const heights = { Canopy: 1, NU5: 11, NU6: 21, 'NU6.1': 31, 'NU6.2': 41, 'NU6.3': 51, NU7: 61 }
const tip = 140

let zebrad: Zebrad
let blocks: Block[]
beforeAll(async () => {
  zebrad = await startZebrad({ activationHeights: heights, miner: { address: addressOf(keyOf('miner')) } })
  await mine(zebrad.rpc, tip)
  const raw = await Promise.all(
    Array.from({ length: tip + 1 }, (_, height) => getRawBlock(zebrad.rpc, height)),
  )
  blocks = raw.map((bytes) => parseBlock(bytes!, 'zcash'))
})
afterAll(async () => zebrad?.[Symbol.asyncDispose]())

describe('blocks of zebrad, from genesis through every upgrade', () => {
  test('R-CHAIN-1 every block has the hash that the node says, its own merkle root, and follows the one before', async () => {
    for (const [height, block] of blocks.entries()) {
      expect(bytesToHex(block.header.hash)).toBe(bytesToHex((await getBlockHash(zebrad.rpc, height))!))
      expect(hasValidMerkleRoot(block)).toBe(true)
      if (height > 0) expect(block.header.previousHash).toEqual(blocks[height - 1]!.header.hash)
    }
  })

  test('txids and authorizing data of versions 4, 5 and 6 are those that the node computes', async () => {
    const Verbose = z.looseObject({
      tx: z.array(z.looseObject({ txid: Hash, version: z.int(), authdigest: Hash.optional() })),
    })
    const versions = new Set<number>()
    for (const [height, block] of blocks.entries()) {
      const { tx } = await zebrad.rpc.call('getblock', [String(height), 2], Verbose)
      expect(block.transactions.map(({ txid }) => txid)).toEqual(tx.map(({ txid }) => txid))
      for (const [i, transaction] of block.transactions.entries()) {
        versions.add(transaction.version)
        expect(transaction.version).toBe(tx[i]!.version)
        if (transaction.version >= 5) expect(authDigest(transaction)).toEqual(tx[i]!.authdigest)
      }
    }
    expect([...versions].sort((a, b) => a - b)).toEqual([1, 4, 5, 6])
  })

  test('R-CHAIN-1 R-CHAIN-3 the follower has them all, from block 0 on, with the profile zcash-regtest as it is', async () => {
    const network = await regtest()
    const { confirmations, activationHeight } = network.profile.genesis
    await using life = await follow(network, zebrad.url, { birthday: 0 })
    const { follower } = life
    await caughtUp(follower, tip - confirmations)
    for (const [height, block] of blocks.slice(0, tip - confirmations + 1).entries()) {
      expect(await follower.headerAt(height)).toMatchObject({
        hash: block.header.hash,
        time: block.header.time,
        transactionCount: block.transactions.length,
      })
    }
    expect(await follower.seatsAfter(tip - confirmations)).toEqual([])
    expect(await follower.snapshotOf(2)).toEqual([])
    expect(follower.confirmedHeight).toBeGreaterThan(epochStart(network.profile.genesis, 2))
    const raw = await follower.readTransaction(activationHeight, 0, AbortSignal.timeout(5_000))
    expect(Buffer.compare(raw, blocks[activationHeight]!.transactions[0]!.bytes)).toBe(0)
  })

  test('what the node does not have is null, not an error', async () => {
    const { rpc } = zebrad
    expect(await getBlockHash(rpc, tip + 1)).toBeNull()
    expect(await getRawBlock(rpc, tip + 1)).toBeNull()
    expect(await getRawBlockByHash(rpc, new Uint8Array(32))).toBeNull()
    expect(await getBlockHeader(rpc, new Uint8Array(32))).toBeNull()
  })

  test('a block assembled here has the roots of the node’s template, and the time that we give it', async () => {
    const assembled = assembleFromTemplate(await getTemplate(zebrad.rpc), Math.floor(Date.now() / 1_000))
    for (const { ours, theirs } of Object.values(assembled.roots)) {
      expect(reversedHex(ours)).toBe(reversedHex(theirs))
    }
    await submit(zebrad.rpc, assembled)
    expect(await getBlockHash(zebrad.rpc, assembled.height)).toEqual(assembled.block.header.hash)
    const header = await getBlockHeader(zebrad.rpc, assembled.block.header.hash)
    expect(header).toMatchObject({ height: tip + 1, confirmations: 1 })
  })
})
