import { afterEach, beforeEach, expect, test } from 'vitest'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import { createProbeRoots } from '../../src/net/certificate-chain.ts'
import { probeTls } from '../../src/net/probe.ts'
import { realWorld } from '../../src/world.ts'
import { testCa } from '../fixtures/certificates.ts'
import {
  askChallenge,
  challengersIn,
  createTestNetwork,
  questionBy,
  type TestNetwork,
} from '../fixtures/test-network.ts'
import { clientHello, scattered, startFlood } from '../net/flood.ts'
import { until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

let network: TestNetwork
beforeEach(async () => {
  network = await createTestNetwork({ nodes: 7, params: { committee: 3 } })
})
afterEach(() => network.stop())

const epoch = 2
const target = 0

test('R-PROBE-1 a challenger that has asked is reached for its probe, whatever others hold and however far they came', async () => {
  const node = await network.start(target)
  const { host, metrics } = node.daemon
  const { challengers, others } = challengersIn(await node.context(epoch), target)
  const [challenger, other] = [challengers[0]!, others[0]!]
  const seat = (index: number): number => network.rows[index]!.seat
  const honest = await network.startPeer({ index: challenger })
  const request = questionBy(network, challenger, target, epoch)
  expect(host.isExpected(network.ip(challenger))).toBe(false)
  expect((await askChallenge(honest, node.target, request))[0]).toBe('receipt')
  expect(host.isExpected(network.ip(challenger))).toBe(true)
  // A registered peer without duty has no such place.
  const idle = await network.startPeer({ index: other })
  await idle.dial(node.target)
  await until(() => host.peers().length === 2)
  expect(host.isExpected(network.ip(other))).toBe(false)

  const displaced = async (): Promise<number> => {
    const { values } = await metrics.registry
      .getSingleMetric('secnode_net_connections_displaced_total')!
      .get()
    return values.find(({ labels }) => labels['is'] === 'tls hello')?.value ?? 0
  }
  const to = { ip: network.ip(target), port: node.row.tls }
  const bytes = await clientHello(node.row.host)
  await using _flood = startFlood({ to, from: scattered(220, 300), perAddress: 1, bytes, pauseMs: 200 })
  await until(async () => (await displaced()) > 0)
  const { peer, stake, host: name, tls } = node.row
  for (let i = 0; i < 5; i++) {
    const before = await displaced()
    const result = await probeTls({
      host: name,
      ip: to.ip,
      port: tls,
      nonce: seedOf('probe', i),
      roots: createProbeRoots([testCa.caPem]),
      expected: { peerKey: peer, seat: seat(target), stake },
      networkId: network.networkId,
      timeoutMs: 60_000,
      world: realWorld(),
      localAddress: network.ip(challenger),
      now: Date.now(),
      verify: createEd25519Verifier({ maxKeys: 16 }).verify,
    })
    expect(result).toMatchObject({ is: 'ok' })
    await until(async () => (await displaced()) > before)
  }
  // None of it is held against those that were connected.
  expect(await node.penalties()).toBe(0)
})
