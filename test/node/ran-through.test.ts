import { afterEach, beforeEach, expect, test } from 'vitest'
import { epochPhases } from '../../protocol/index.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import { createTestNetwork, play, type TestNetwork, type TestNode } from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

const epoch = 3
const attestBlocks = 3

let network: TestNetwork

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 5,
    params: { committee: 2, attestBlocks, retries: 1 },
    genesis: { epochBlocks: 8, confirmations: 2 },
    epochsPerWeek: 3,
  })
})
afterEach(() => network.stop())

const phasesOf = (number: number) => epochPhases(network.genesis, attestBlocks, number)

/** Without a seat of its own, so that nothing but the chain and the test moves it. */
const startWatcher = (height: number, store = createMemoryStore()): Promise<TestNode> =>
  network.start(0, { height, store, stake: seedOf('nobody').slice(0, 20) })

/** Blocks one by one, or all of them at once, at a node whose sync was answered meanwhile (R-SYNC-3). */
const advance = async (
  { chain, daemon }: Pick<TestNode, 'chain' | 'daemon'>,
  height: number,
): Promise<void> => {
  while (chain.view.confirmedHeight < height) await jump({ chain, daemon }, chain.view.confirmedHeight + 1)
}
const jump = async ({ chain, daemon }: Pick<TestNode, 'chain' | 'daemon'>, height: number): Promise<void> => {
  daemon.contact.onSyncTurn(true)
  await chain.jump(height)
}

const ranThrough = async (node: TestNode, number: number): Promise<boolean> =>
  await node.daemon.node.attestations.ranThrough(number, (await node.context(number)).beacon)

test('R-CP-3 an epoch is run through from its opening to its close, and that is known after a restart', async () => {
  const store = createMemoryStore()
  const node = await startWatcher(phasesOf(epoch).opens, store)
  await advance(node, phasesOf(epoch).closes - 1)
  expect(await ranThrough(node, epoch)).toBe(false)
  await advance(node, phasesOf(epoch).closes)
  expect(await ranThrough(node, epoch)).toBe(true)
  expect(await ranThrough(node, epoch - 1)).toBe(false)
  const height = node.chain.view.confirmedHeight
  await node.stop()
  const again = await startWatcher(height, store)
  await advance(again, phasesOf(epoch + 2).closes)
  // The next one had opened before the restart; the one after it had not.
  const known = await Promise.all([0, 1, 2].map((later) => ranThrough(again, epoch + later)))
  expect(known).toEqual([true, false, true])
})

/** Heights are counted from the opening, and it closes 14 blocks later. */
test.each([
  ['started a block after it opened', 1, []],
  ['saw more blocks than `attestBlocks` at once, soon after the opening', 0, [1, 2 + attestBlocks]],
  ['saw them at once, right before the close', 0, [14 - 1 - attestBlocks, 14]],
])('R-CP-3 no epoch was run through by a node that %s', async (_, start, jumps) => {
  const from = phasesOf(epoch).opens
  const node = await startWatcher(from + start)
  for (const to of jumps) {
    if (to === jumps.at(-1)) await jump(node, from + to)
    else await advance(node, from + to)
  }
  await advance(node, phasesOf(epoch + 1).closes)
  expect(await ranThrough(node, epoch)).toBe(false)
})

test('R-CP-3 blocks that come together, not more than `attestBlocks`, are no break', async () => {
  const node = await startWatcher(phasesOf(epoch).opens)
  while (node.chain.view.confirmedHeight < phasesOf(epoch).closes) {
    await jump(node, node.chain.view.confirmedHeight + attestBlocks)
  }
  expect(await ranThrough(node, epoch)).toBe(true)
})

test('R-CP-3 to fall behind, or to have confirmed blocks replaced, is a break', async () => {
  const from = phasesOf(epoch).opens
  for (const interrupt of [
    async (node: TestNode) => {
      node.chain.isBehind = true
      await advance(node, from + 5)
      node.chain.isBehind = false
    },
    ({ chain }: TestNode) => chain.reorganise(from + 3, from + 5),
  ]) {
    const node = await startWatcher(from)
    await advance(node, from + 4)
    await interrupt(node)
    await advance(node, phasesOf(epoch + 1).closes)
    expect(await ranThrough(node, epoch)).toBe(false)
    expect(await ranThrough(node, epoch + 1)).toBe(true)
    await node.stop()
  }
})

test('R-CP-3 R-FAULT-1 whose own network was down when it looked did not run through the open epochs', async () => {
  const nodes = await readyNodes(network)
  const [node, ...others] = nodes as [TestNode, ...TestNode[]]
  await play(nodes, phasesOf(epoch).opens - 1)
  await Promise.all(others.map((other) => other.stop()))
  const { challenger } = node.daemon
  const isAtRest = (): boolean =>
    challenger.state()?.targets.every(({ is }) => is !== 'visiting') === true &&
    challenger.state()?.stage !== 'checking-self'
  while (node.chain.view.confirmedHeight < phasesOf(epoch).closes) {
    await advance(node, node.chain.view.confirmedHeight + 1)
    await until(isAtRest)
  }
  const known = await Promise.all([2, epoch].map((number) => ranThrough(node, number)))
  expect(known).toEqual([false, false])
})
