import { afterEach, expect, test } from 'vitest'
import { coin } from '../../../protocol/index.ts'
import { parseBlock } from '../../../src/chain/formats/block.ts'
import {
  deriveSaplingKeys,
  encodeSaplingAddress,
  encodeSaplingViewingKey,
} from '../../../src/chain/notes/sapling-keys.ts'
import { type Network, networkOf, Profile } from '../../../src/chain/profiles.ts'
import { hashText } from '../../../src/chain-node/rpc/values.ts'
import { readVectorHex } from '../../vectors/read.ts'
import { caughtUp, follow, statusOf } from './following.ts'
import { seedOf, type TestBlock } from './test-chain.ts'
import { startTestNode } from './test-node.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})

const keys = deriveSaplingKeys(seedOf('real blocks'))

/** A network on Zcash's mainnet, whose activation is ten blocks after the first one that is followed. */
const mainNetwork = (birthday: number): Network =>
  networkOf(
    Profile.parse({
      name: 'main',
      genesis: {
        chain: 'zcash-main',
        activationHeight: birthday + 10,
        announceAddress: encodeSaplingAddress(keys.defaultAddress, 'main'),
        viewingKey: encodeSaplingViewingKey(keys.ivk, 'main'),
        minStake: 42n * coin,
        minSeniors: 16,
        epochBlocks: 192,
        confirmations: 0,
        announceBlocks: 1_000,
      },
      schedule: [{ from: '2026-W01', params: { fund: { kind: 'fixed', amount: 0n } } }],
    }),
  )

const vectorOf = (height: number): string =>
  `zebra-blocks/block-main-${[1e6, 1e3, 1]
    .map((unit) => String(Math.floor(height / unit) % 1_000).padStart(3, '0'))
    .join('-')
    .slice(2)}.txt`

/** A node that has these blocks only, and block 0. */
const nodeWith = async (heights: readonly number[]) => {
  const best: TestBlock[] = []
  for (const height of [0, ...heights]) {
    const bytes = readVectorHex(vectorOf(height))
    best[height] = { height, bytes, block: parseBlock(bytes, 'zcash') }
  }
  const node = await startTestNode({ best, tip: best.at(-1)! })
  open.push(node)
  return { node, best }
}

test('R-CHAIN-1 the first blocks of Zcash’s mainnet are followed from block 0', async () => {
  const { node } = await nodeWith([1])
  await using life = await follow(mainNetwork(0), node.url)
  await caughtUp(life.follower, 1)
  // As every explorer shows it.
  expect(hashText((await life.follower.hashAt(1))!)).toBe(
    '0007bc227e1c57a4a70e237cad00e7b7ce565155ab49166bc57397a26d339283',
  )
  expect(await life.follower.headerAt(1)).toMatchObject({ time: 1_477_671_596, transactionCount: 1 })
})

test('R-CHAIN-1 R-CHAIN-3 blocks of mainnet after NU5, with Orchard, are followed and read', async () => {
  const heights = [1_687_106, 1_687_107, 1_687_108]
  const { node, best } = await nodeWith(heights)
  await using life = await follow(mainNetwork(heights[0]!), node.url, { birthday: heights[0]! })
  await caughtUp(life.follower, heights[2]!)
  for (const height of heights) {
    const { block } = best[height]!
    expect(await life.follower.headerAt(height)).toMatchObject({
      hash: block.header.hash,
      time: block.header.time,
      transactionCount: block.transactions.length,
      medianTimePast: null,
    })
  }
})

test('R-CHAIN-1 a real block in which an amount was changed is refused', async () => {
  const heights = [1_687_106, 1_687_107, 1_687_108]
  const { node, best } = await nodeWith(heights)
  const { bytes, block } = best[heights[1]!]!
  const changed = bytes.slice()
  // The lowest byte of what the coinbase pays first: 8 bytes before that output's script and its length.
  const { script } = block.transactions[0]!.outputs[0]!
  changed[script.byteOffset - bytes.byteOffset - 9]! ^= 1
  node.twist = ({ method, params }, honest) =>
    method === 'getblock' && params[0] === String(heights[1]) ? Buffer.from(changed).toString('hex') : honest
  await using life = await follow(mainNetwork(heights[0]!), node.url, { birthday: heights[0]! })
  const status = await statusOf(life.follower, 'node-lies')
  expect(status).toMatchObject({ error: { lie: 'wrong-merkle-root', height: heights[1] } })
  expect(life.follower.confirmedHeight).toBe(heights[0])
})
