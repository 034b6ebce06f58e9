import { expect, test } from 'vitest'
import { createCheckedBlocks } from '../../src/chain-node/checked-blocks.ts'
import { createRpcClient } from '../../src/chain-node/rpc/client.ts'
import { isSecnodeError } from '../../src/errors.ts'
import { realWorld } from '../../src/world.ts'
import { mineTo, network, nodeOf } from './follower/scene.ts'
import { createTestChain, type TestChain } from './follower/test-chain.ts'

const count = 20
const changesAt = 9

/** Reads blocks 1 to 20 one by one; `onBlock` is called before the node first gives block 9. */
const readRange = async (onBlock: (chain: TestChain) => void) => {
  const chain = createTestChain()
  mineTo(chain, count)
  const node = await nodeOf(chain)
  let isDue = true
  node.twist = ({ method, params }, honest) => {
    if (!isDue || method !== 'getblock' || params[0] !== String(changesAt)) return honest
    isDue = false
    onBlock(chain)
    return Buffer.from(chain.best[changesAt]!.bytes).toString('hex')
  }
  const rpc = createRpcClient({ url: node.url, world: realWorld() })
  const blocks = createCheckedBlocks(rpc, network.facts.family)
  const parent = chain.best[0]!.block.header.hash
  const options = { parent, maxAhead: 1, signal: AbortSignal.timeout(30_000) }
  const read = await Array.fromAsync(blocks.range(1, count, options))
  await rpc.close()
  return { chain, read }
}

const reorganise = (chain: TestChain, depth: number): void => {
  chain.rollBack(depth)
  mineTo(chain, count + 1)
}

test('R-CHAIN-1 a range goes on where the node reorganised above the last block read', async () => {
  const { chain, read } = await readRange((changing) => reorganise(changing, count - changesAt + 1))
  expect(read.map(({ height }) => height)).toEqual(Array.from({ length: count }, (_, i) => i + 1))
  expect(read.map(({ block }) => block.header.hash)).toEqual(
    chain.best.slice(1, count + 1).map(({ block }) => block.header.hash),
  )
})

test('R-CHAIN-1 a range ends where the node reorganised below: what was read is linked', async () => {
  const { read } = await readRange((changing) => reorganise(changing, count - changesAt + 3))
  expect(read.map(({ height }) => height)).toEqual(Array.from({ length: changesAt - 1 }, (_, i) => i + 1))
})

test('R-CHAIN-1 a node that gives another block under the same hashes lies', async () => {
  const chain = createTestChain()
  mineTo(chain, count)
  const node = await nodeOf(chain)
  const other = Buffer.from(chain.best[changesAt + 1]!.bytes).toString('hex')
  node.twist = ({ method, params }, honest) =>
    method === 'getblock' && params[0] === String(changesAt) ? other : honest
  const rpc = createRpcClient({ url: node.url, world: realWorld() })
  const read: number[] = []
  const reading = (async () => {
    const blocks = createCheckedBlocks(rpc, network.facts.family)
    const range = blocks.range(1, count, { maxAhead: 4, signal: AbortSignal.timeout(30_000) })
    for await (const { height } of range) read.push(height)
  })()
  await expect(reading).rejects.toSatisfy((error) => isSecnodeError(error, 'CHAIN_NODE_LIES'))
  expect(read).toEqual(Array.from({ length: changesAt - 1 }, (_, i) => i + 1))
  await rpc.close()
})
