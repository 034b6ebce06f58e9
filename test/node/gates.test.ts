import { afterAll, beforeAll, expect, test } from 'vitest'
import { protocols, relayProtocol, syncAnswerCodec, syncRequestCodec } from '../../protocol/index.ts'
import { ask, createTestNetwork, type TestNetwork, type TestNode } from '../fixtures/test-network.ts'

let network: TestNetwork
let node: TestNode
beforeAll(async () => {
  network = await createTestNetwork({ nodes: 4, params: { committee: 3 } })
  node = await network.start(0)
})
afterAll(() => network.stop())

test('R-PUZ-4 metrics show for every protocol what strangers are asked for, nothing without load', async () => {
  const stranger = await network.startPeer({})
  const answer = await ask(stranger, node.target, protocols.sync, syncRequestCodec.encode(['roots', 0, 1]))
  expect(syncAnswerCodec.decode(answer)).toMatchObject({ is: 'ok', value: ['roots', expect.anything()] })
  const text = await node.daemon.metrics.registry.metrics()
  for (const purpose of [protocols.sync, protocols.evidence, protocols.checkpoint, relayProtocol]) {
    for (const name of ['puzzle_effort', 'strangers_inside', 'strangers_waiting']) {
      expect(text).toContain(`secnode_${name}{purpose="${purpose}"} 0\n`)
    }
  }
})
