import { afterEach, beforeEach, expect, test } from 'vitest'
import { createCommittees, epochPhases, protocols, targetsOf } from '../../protocol/index.ts'
import {
  attestedBy,
  createTestNetwork,
  play,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'

const epoch = 2
const responseMs = 60_000

let network: TestNetwork

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 5,
    params: { committee: 3, attestBlocks: 2, retries: 1, responseMs },
    genesis: { epochBlocks: 8, confirmations: 2 },
  })
})
afterEach(() => network.stop())

test('R-CHAL-1 R-ATT-5 a stop in the middle of a visit gives it up: no verdict of it, and after a start it is made again', async () => {
  const committees = createCommittees(network.beacon(epoch), network.rows.length, network.params.committee)
  const silent = targetsOf(committees, 0)[0]!
  const peer = await network.startPeer({ index: silent })
  let asked = 0
  const limits = {
    maxRequestBytes: 1_000,
    maxResponseBytes: 1_024,
    timeoutMs: responseMs,
    maxConcurrentPerPeer: 8,
    maxConcurrent: 16,
  }
  await peer.handle(protocols.challenge, limits, async (_request, { signal }) => {
    asked++
    return await new Promise<Uint8Array>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('gave up')), { once: true })
    })
  })
  const started = network.height(epoch) - 1
  const nodes = await Promise.all(
    [0, 1, 2, 3, 4].filter((i) => i !== silent).map((i) => network.start(i, { height: started })),
  )
  const [node, ...others] = nodes as [TestNode, ...TestNode[]]
  await Promise.all(nodes.map(({ chain }) => chain.advance(network.height(epoch))))
  await until(() => nodes.every(({ daemon }) => daemon.challenger.state() !== null))
  const workOf = ({ daemon }: TestNode) => daemon.challenger.state()!.targets
  for (let height = network.height(epoch, 1); workOf(node)[0]!.is !== 'visiting'; height++) {
    await Promise.all(nodes.map(({ chain }) => chain.advance(height)))
    await until(() => workOf(node).every((work, i) => i === 0 || work.is !== 'visiting'))
  }
  await until(() => asked > 0)

  await node.stop()
  const kept = await node.daemon.node.work.getWork(epoch, network.beacon(epoch))
  // Given up in the middle. Had it been waited for, it would have come to its end and failed, a minute later.
  expect(kept!.targets[0]).toMatchObject({ is: 'visiting', tried: 0 })
  expect(await attestedBy(node, epoch)).toBeUndefined()

  await peer[Symbol.asyncDispose]()
  const height = node.chain.view.confirmedHeight
  const back = await network.start(silent, { height })
  const again = await network.start(0, { height, store: node.store })
  await until(() => again.daemon.challenger.state() !== null && !again.daemon.isRecovering())
  await play(
    [again, back, ...others],
    epochPhases(network.genesis, network.params.attestBlocks, epoch).attests,
  )
  await until(async () => (await attestedBy(again, epoch)) !== undefined)
  expect([...(await attestedBy(again, epoch))!.verdicts]).toEqual([0, 0, 0])
})
