import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  challengeAnswerCodec,
  cidOf,
  createCommittees,
  decodeEvidence,
  epochPhases,
  protocols,
  startChallenger,
  targetsOf,
  Verdict,
} from '../../protocol/index.ts'
import { realWorld } from '../../src/world.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import {
  attestedBy,
  createTestNetwork,
  play,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'

const epoch = 2

let network: TestNetwork

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 6,
    params: { committee: 2, attestBlocks: 2, retries: 1 },
    genesis: { epochBlocks: 8, confirmations: 2 },
  })
})
afterEach(() => network.stop())

const attests = (of = epoch): number => network.attests(of)

/** Indexes of the nodes that the node at `index` challenges. */
const targetsOfNode = (index: number): number[] =>
  targetsOf(createCommittees(network.beacon(epoch), network.rows.length, network.params.committee), index)

const verdictsOf = async (node: TestNode, of = epoch): Promise<number[] | undefined> => {
  const attestation = await attestedBy(node, of)
  return attestation === undefined ? undefined : [...attestation.verdicts]
}

const seenBy = async (node: TestNode, of = epoch): Promise<string[]> => {
  const attestation = await attestedBy(node, of)
  const block = await node.daemon.node.evidence.get(attestation!.evidence)
  const evidence = decodeEvidence(block!)
  return evidence!.entries.map((entry) => ('seen' in entry ? entry.seen : ''))
}

test('R-ATT-1 R-CHAL-1 a whole epoch of real nodes: all valid, all alike, each verdict with its receipt', async () => {
  const nodes = await readyNodes(network)
  await play(nodes, attests())
  await until(async () =>
    (await Promise.all(nodes.map((node) => verdictsOf(node)))).every((v) => v !== undefined),
  )
  for (const node of nodes) {
    expect(await verdictsOf(node)).toEqual([Verdict.valid, Verdict.valid])
    const attestation = (await attestedBy(node, epoch))!
    const targets = targetsOfNode(node.index)
    expect(attestation.addresses.map((address) => address.join('.'))).toEqual(
      targets.map((i) => network.ip(i)),
    )
    const block = (await node.daemon.node.evidence.get(attestation.evidence))!
    expect(cidOf(block).equals(attestation.evidence)).toBe(true)
    expect(decodeEvidence(block)?.entries.map(({ verdict }) => verdict)).toEqual([0, 0])
    expect(await node.count('verdicts', { verdict: 'valid' })).toBe(2)
    expect(await node.count('challengesAnswered', { answer: 'receipt' })).toBe(2)
  }
  for (const from of nodes)
    for (const to of nodes)
      if (from !== to) await from.daemon.sync.exchange(to.row, epoch, epoch, AbortSignal.timeout(90_000))
  const roots = await Promise.all(
    nodes.map(async (node) => await node.daemon.collector.rootOf(await node.context(epoch))),
  )
  expect(roots[0]!.count).toBe(6)
  for (const root of roots) expect(root).toEqual(roots[0])
})

test('R-ATT-4 an attestation names the one before it, of this branch of the chain', async () => {
  const nodes = await readyNodes(network)
  await play(nodes, attests())
  const node = nodes[0]!
  await until(async () => (await verdictsOf(node)) !== undefined)
  // Signed under a beacon that is gone: it is no link.
  const stray = new Uint8Array(32).fill(0xff)
  const signed = { payload: stray, signature: new Uint8Array(64) }
  await node.daemon.node.attestations.putOwnSigned(epoch, stray, signed)
  await play(nodes, attests(3))
  await until(async () => (await verdictsOf(node, 3)) !== undefined)
  const { beacon } = await node.context(epoch)
  const before = await node.daemon.node.attestations.ownSigned(epoch, beacon)
  expect((await attestedBy(node, 3))!.previous?.equals(cidOf(before!.payload))).toBe(true)
})

describe('R-FAULT-1 a challenger abstains rather than guess', () => {
  test('whose own network is down: on all', async () => {
    // Its visits come some blocks after the others have told it what they know of it, and are gone.
    const phases = epochPhases(network.genesis, network.params.attestBlocks, epoch)
    const secret = [...Array(256).keys()]
      .map((byte) => new Uint8Array(32).fill(byte))
      .find((bytes) => {
        const { targets } = startChallenger(epoch, network.beacon(epoch), phases, bytes, 2, 1)
        return targets.every((work) => work.is === 'waiting' && work.at > phases.opens)
      })!
    const world = { ...realWorld(), randomBytes: (length: number) => secret.slice(0, length) }
    const nodes = await readyNodes(network, (index) => (index === 0 ? { world } : {}))
    const [node, ...others] = nodes as [TestNode, ...TestNode[]]
    await Promise.all(others.map((other) => other.stop()))
    await play([node], attests())
    await until(async () => (await verdictsOf(node)) !== undefined)
    expect(await verdictsOf(node)).toEqual([Verdict.abstain, Verdict.abstain])
    expect(await seenBy(node)).toEqual(['own network is down', 'own network is down'])
    expect(await node.count('verdicts', { verdict: 'abstain' })).toBe(2)
  })

  test('not where its targets alone are gone and three others answer', async () => {
    const nodes = await readyNodes(network, undefined, targetsOfNode(0))
    const node = nodes[0]!
    await play(nodes, attests())
    await until(async () => (await verdictsOf(node)) !== undefined)
    expect(await verdictsOf(node)).toEqual([Verdict.unreachable, Verdict.unreachable])
  })

  test('whose chain stood still until the window was over: on all', async () => {
    const nodes = await readyNodes(network)
    const node = nodes[0]!
    await play(nodes, network.height(epoch))
    await node.chain.jump(attests())
    await until(async () => (await verdictsOf(node)) !== undefined)
    expect(await verdictsOf(node)).toEqual([Verdict.abstain, Verdict.abstain])
    expect((await seenBy(node))[0]).toMatch(/^own chain stood still at \d+$/)
  })

  test('a chain that comes back in time is no reason', async () => {
    const nodes = await readyNodes(network)
    const node = nodes[0]!
    await play(nodes, network.height(epoch))
    await node.chain.jump(attests() - 2)
    await play(nodes, attests())
    await until(async () => (await verdictsOf(node)) !== undefined)
    expect(await verdictsOf(node)).toEqual([Verdict.valid, Verdict.valid])
  })
})

test('R-VERD-1 who is unreachable once and there at the second visit is valid', async () => {
  const away = targetsOfNode(0)[0]!
  const others = await readyNodes(network, undefined, [away])
  const node = others[0]!
  // First visits lie in the first three quarters of the window.
  await until(async () => {
    await play(others, others[0]!.chain.view.confirmedHeight + 1)
    return node.daemon.challenger.state()!.targets.some((work) => work.is === 'waiting' && work.tried === 1)
  })
  const height = node.chain.view.confirmedHeight
  const back = await network.start(away, { height })
  await play([...others, back], attests())
  await until(async () => (await verdictsOf(node)) !== undefined)
  expect(await verdictsOf(node)).toEqual([Verdict.valid, Verdict.valid])
})

test('R-CHAL-1 who says "busy" whenever it is asked has not answered', async () => {
  const busy = targetsOfNode(0)[1]!
  const peer = await network.startPeer({ index: busy })
  let asked = 0
  const limits = {
    maxRequestBytes: 1_000,
    maxResponseBytes: 1_024,
    timeoutMs: 60_000,
    maxConcurrentPerPeer: 8,
    maxConcurrent: 8,
  }
  await peer.handle(protocols.challenge, limits, () => {
    asked++
    return Promise.resolve(challengeAnswerCodec.encode(['later', 'busy']))
  })
  const others = await readyNodes(network, undefined, [busy])
  const node = others[0]!
  await play(others, attests())
  await until(async () => (await verdictsOf(node)) !== undefined)
  expect(await verdictsOf(node)).toEqual([Verdict.valid, Verdict.timeout])
  expect((await seenBy(node))[1]).toMatch(/^answered "busy" (too often|to the end)$/)
  // How often before the window ends depends on the moment of the first visit, at least once by each of its challengers.
  expect(asked).toBeGreaterThanOrEqual(2)
})
