import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  dialBackAnswerCodec,
  encodeCanonical,
  protocols,
  type SnapshotRow,
  unseated,
} from '../../protocol/index.ts'
import { askDialBack, type DialBackOutcome, requestDialBack } from '../../src/node/dial-back.ts'
import { ask, createTestNetwork, type TestNetwork, type TestNode } from '../fixtures/test-network.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import { realWorld } from '../../src/world.ts'
import { type LocalHost, until } from '../net/local-hosts.ts'

const signal = new AbortController().signal

let network: TestNetwork
let nodes: TestNode[]

beforeAll(async () => {
  network = await createTestNetwork({ nodes: 4, params: { committee: 3 } })
  nodes = await readyNodes(network)
})
afterAll(() => network.stop())

/** The seat at `asker` asks the one at `helper`, as what the registry has of it or as something else. */
const askAs = (asker: number, helper: number, changes: Partial<SnapshotRow> = {}): Promise<DialBackOutcome> =>
  askDialBack(
    nodes[asker]!.daemon.node,
    network.rows[helper]!,
    { ...network.rows[asker]!, ...changes },
    signal,
  )

const askerOf = (host: LocalHost) => ({
  host,
  networkId: network.networkId,
  keys: { peerKey: new Uint8Array(32) },
  world: realWorld(),
})

describe('R-DIAL-1', () => {
  test('R-DIAL-1 a healthy node is reached at the address that it asks from', async () => {
    const outcome = await askAs(0, 1)
    expect(outcome).toEqual({
      is: 'dialled',
      address: Uint8Array.from(network.ip(0).split('.').map(Number)),
      clock: expect.closeTo(Date.now() / 1_000, -2),
      p2p: { verdict: 0, seen: '' },
      tls: { verdict: 0, seen: '' },
      holder: expect.objectContaining({ instance: nodes[0]!.daemon.node.instance, ruleset: 1, signs: true }),
    })
  })

  test('R-DIAL-1 it leaves no connection behind that was not there', async () => {
    const connections = () =>
      nodes[1]!.daemon.host.peers().find(({ peerId }) => peerId === network.keys[0]!.peerId)?.connections ?? 0
    const before = connections()
    expect((await askAs(0, 1)).is).toBe('dialled')
    await until(() => connections() <= Math.max(1, before))
  })

  test('R-DIAL-1 a wrong port is unreachable, each by its own protocol', async () => {
    // Nobody listens there: the port of another node, which has another address.
    const { p2p, tls } = network.rows[3]!
    expect(await askAs(0, 2, { p2p, tls })).toMatchObject({
      p2p: { verdict: 2, seen: expect.stringContaining('ECONNREFUSED') },
      tls: { verdict: 6, seen: expect.stringContaining('ECONNREFUSED') },
    })
    expect(await askAs(0, 2, { p2p: network.rows[0]!.tls })).toMatchObject({
      p2p: { verdict: 2 },
      tls: { verdict: 0 },
    })
  })

  test('R-DIAL-1 another name is a wrong certificate, another seat or stake an unbound one', async () => {
    expect(await askAs(0, 3, { host: 'other.devnet.test' })).toMatchObject({
      p2p: { verdict: 0 },
      tls: { verdict: 7, seen: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    })
    expect(await askAs(0, 3, { seat: unseated })).toMatchObject({ tls: { verdict: 8 } })
    expect(await askAs(0, 3, { stake: new Uint8Array(20) })).toMatchObject({ tls: { verdict: 8 } })
  })

  test('R-DIAL-1 a stranger is served, at his own address only', async () => {
    const stranger = await network.startPeer({ address: network.ip(200) })
    const { host, p2p, tls, stake } = network.rows[0]!
    // He names node 0 and its ports: what is dialled is his own address, where nobody listens.
    const question = { host, p2p, tls, seat: unseated, stake }
    const outcome = await requestDialBack(askerOf(stranger), nodes[1]!.target, question, signal)
    expect(outcome).toMatchObject({
      is: 'dialled',
      address: Uint8Array.from(network.ip(200).split('.').map(Number)),
      p2p: { verdict: 2 },
      tls: { verdict: 6 },
    })
    await stranger.stop()
  })

  test('R-DIAL-1 whoever asks without end is put off, and others are served', async () => {
    const eager = await network.startPeer({ address: network.ip(201) })
    const { host, p2p, tls, stake } = network.rows[0]!
    const question = { host, p2p, tls, seat: unseated, stake }
    const outcomes: string[] = []
    for (let i = 0; i < 10; i++) {
      const outcome = await requestDialBack(askerOf(eager), nodes[2]!.target, question, signal)
      outcomes.push(outcome.is === 'later' ? outcome.code : outcome.is)
    }
    expect(outcomes).toEqual([...Array<string>(8).fill('dialled'), 'quota', 'quota'])
    expect((await askAs(3, 2)).is).toBe('dialled')
    await eager.stop()
  })

  test('R-DIAL-1 what is no question is refused and costs reputation', async () => {
    const liar = await network.startPeer({ address: network.ip(202) })
    const bytes = encodeCanonical(['dial-back', 'a.example', 1, 2, 3])
    const answer = await ask(liar, nodes[3]!.target, protocols.dialBack, bytes)
    expect(dialBackAnswerCodec.decode(answer)).toMatchObject({
      is: 'ok',
      value: ['refused', expect.any(String)],
    })
    expect(await nodes[3]!.penalties('malformed-exchange')).toBeGreaterThan(0)
    await liar.stop()
  })
})
