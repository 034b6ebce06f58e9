import { connect, createServer, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  attestationMessage,
  bytesToHex,
  createProof,
  decodeAttestation,
  encodeProof,
  encodeSigned,
  type Epoch,
  epochPhases,
  instanceBytes,
  type Signed,
  startChallenger,
  targetsOf,
  Verdict,
} from '../../protocol/index.ts'
import type { NodeIdentity } from '../../src/net/probe-message.ts'
import { askOutside } from '../../src/node/ask-outside.ts'
import { judge } from '../../src/service/self-diagnosis/judge.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { createSigningStore } from '../../src/store/signing.ts'
import { realWorld, type World } from '../../src/world.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import {
  askChallenge,
  attest,
  attestedBy,
  attestOtherwise,
  createTestNetwork,
  instanceOf,
  play,
  questionBy,
  type StartOptions,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'
import { observed } from '../service/self-diagnosis/observed.ts'

/** The first epoch of which nothing can have been forgotten: nodes start and ask others in the one before. */
const epoch = 3

let network: TestNetwork

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 5,
    params: { committee: 3, attestBlocks: 2, retries: 1 },
    genesis: { epochBlocks: 8, confirmations: 2 },
  })
})
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await network.stop()
})

/** What the node at index 0 sends. */
const published = (): { options: StartOptions; sent: Signed[] } => {
  const sent: Signed[] = []
  const publish = (
    _context: unknown,
    signed: Signed,
    send: (signed: Signed) => Promise<void>,
  ): Promise<void> => {
    sent.push(signed)
    return send(signed)
  }
  return { sent, options: { conduct: () => ({ publish }) } }
}

/** All nodes in the middle of the epoch; that at index 0 has been told what others know of it. */
const untilMiddle = async (options: StartOptions = {}): Promise<[TestNode, ...TestNode[]]> => {
  const nodes = await readyNodes(network, (i) => (i === 0 ? options : {}))
  await until(() => nodes.every(({ daemon }) => !daemon.isRecovering()))
  await play(nodes, network.height(epoch, 3))
  return nodes as [TestNode, ...TestNode[]]
}

const isOn = ({ daemon }: TestNode): boolean => daemon.node.signing.isOn()

const isEquivocator = async (nodes: readonly TestNode[], seat: number): Promise<boolean> => {
  for (const node of nodes) {
    const { week } = await node.context(epoch)
    if ((await node.daemon.collector.equivocators(week)).has(seat)) return true
  }
  return false
}

describe('R-ATT-7 an own attestation that this store did not sign', () => {
  const proofOf = (node: TestNode, context: Awaited<ReturnType<TestNode['context']>>): Uint8Array =>
    encodeProof(
      createProof(attest(network, context, node.index), attestOtherwise(network, context, node.index)),
    )

  test.each([
    [
      'gossip',
      async (node, context) => await node.daemon.collector.take(attest(network, context, 0).bytes, 'gossip'),
    ],
    [
      'sync',
      async (node, context) => await node.daemon.collector.take(attest(network, context, 0).bytes, 'sync'),
    ],
    [
      'a certifier that lists it',
      async (node, context) =>
        await node.daemon.collector.take(attest(network, context, 0).bytes, 'certifier'),
    ],
    [
      'an anchored week',
      async (node, context) =>
        await node.daemon.collector.takeAnchored(context, attest(network, context, 0).bytes),
    ],
    [
      'a proof',
      async (node, context) => await node.daemon.collector.takeProof(proofOf(node, context), 'gossip'),
    ],
  ] as [string, (node: TestNode, context: Awaited<ReturnType<TestNode['context']>>) => Promise<unknown>][])(
    'heard by %s stops signing at once, and after a restart',
    async (_way, hear) => {
      const { options, sent } = published()
      const nodes = await untilMiddle(options)
      const [node, ...others] = nodes
      const before = sent.length
      await hear(node, await node.context(epoch))
      expect(isOn(node)).toBe(false)
      expect(node.daemon.challenger.state()).toBe(null)
      await play(nodes, network.height(epoch + 1))
      expect(sent).toHaveLength(before)

      await node.stop()
      const again = await network.start(0, {
        ...options,
        store: node.store,
        height: network.height(epoch + 1),
      })
      await until(() => !again.daemon.isRecovering())
      await play([again, ...others], network.height(epoch + 3))
      expect(isOn(again)).toBe(false)
      expect(await attestedBy(again, epoch + 1)).toBe(undefined)
      expect(sent).toHaveLength(before)
      expect(await attestedBy(others[0]!, epoch + 1)).not.toBe(undefined)
    },
  )

  test('that comes after the own one was signed: nothing of the next epoch is signed, and the own one stays', async () => {
    const { options, sent } = published()
    const nodes = await untilMiddle(options)
    const [node] = nodes
    await play(nodes, network.attests(epoch))
    await until(() => sent.length === 2)
    const own = await attestedBy(node, epoch)
    await node.daemon.collector.take(attestOtherwise(network, await node.context(epoch), 0).bytes, 'gossip')
    expect(isOn(node)).toBe(false)
    expect(await attestedBy(node, epoch)).toEqual(own)
    await play(nodes, network.height(epoch + 2))
    expect(sent).toHaveLength(2)
  })

  test('it goes on answering challenges', async () => {
    const nodes = await untilMiddle()
    const [node, ...others] = nodes
    await node.daemon.collector.take(attest(network, await node.context(epoch), 0).bytes, 'gossip')
    await play(nodes, network.height(epoch + 2))
    const context = await node.context(epoch + 1)
    const verdicts = await Promise.all(
      others.map(async (other) => {
        const attestation = await attestedBy(other, epoch + 1)
        return [...(attestation?.verdicts ?? [])]
      }),
    )
    expect(context.snapshot).toHaveLength(5)
    expect(verdicts.flat().every((verdict) => verdict === 0)).toBe(true)
  })

  test('that is its own says nothing, however often and by whatever way it comes', async () => {
    const nodes = await untilMiddle()
    const [node, other] = nodes as unknown as [TestNode, TestNode]
    await play(nodes, network.height(epoch + 1))
    await other.daemon.sync.exchange(node.row, epoch, epoch, AbortSignal.timeout(60_000))
    const context = await node.context(epoch)
    const [held] = await other.daemon.collector.heldOf(context, [node.row.seat])
    expect(held).toBeDefined()
    await node.daemon.sync.exchange(other.row, epoch, epoch, AbortSignal.timeout(60_000))
    expect(isOn(node)).toBe(true)
  })

  test.each([
    ['another seat with the same peer key', 1, 0],
    ['the own seat with another key', 0, 1],
  ])('of %s says nothing', async (_what, of, key) => {
    const peer = network.keys[key]!.peerKey
    const rows = network.rows.map((row, i) => (i === of ? { ...row, peer } : row))
    network.blocks.snapshotOf = (e) => (e < epoch ? network.rows : rows)
    const [node] = await untilMiddle()
    const { payload } = attest(network, await node.context(epoch), of)
    const signature = network.keys[key]!.sign(attestationMessage(network.networkId, payload))
    const taken = await node.daemon.collector.take(encodeSigned({ payload, signature }), 'gossip')
    expect(taken.is).toBe('accept')
    expect(isOn(node)).toBe(true)
    expect(await attestedBy(node, epoch)).toBe(undefined)
  })
})

describe('R-ATT-7 a lost record is not another daemon', () => {
  test('what is heard in the epoch of the start is taken over, and the next epoch is attested', async () => {
    const nodes = await untilMiddle()
    const [node, ...others] = nodes
    await node.stop()
    const again = await network.start(0, { store: createMemoryStore(), height: network.height(epoch, 3) })
    await until(() => !again.daemon.isRecovering())
    const context = await again.context(epoch)
    const foreign = attest(network, context, 0)
    await again.daemon.collector.take(foreign.bytes, 'gossip')
    expect(isOn(again)).toBe(true)
    expect((await again.daemon.node.attestations.ownSigned(epoch, context.beacon))?.payload).toEqual(
      foreign.payload,
    )
    await play([again, ...others], network.attests(epoch + 1))
    await until(async () => (await attestedBy(again, epoch + 1)) !== undefined)
    expect(isOn(again)).toBe(true)
  })

  test('blocks that come at once, as after a machine was set back while it ran: up to there nothing is said', async () => {
    const nodes = await untilMiddle()
    const [node, ...others] = nodes
    await play(others, network.height(epoch + 2, 3))
    await node.chain.jump(network.height(epoch + 2, 3))
    for (const of of [epoch + 1, epoch + 2]) {
      await node.daemon.collector.take(attest(network, await node.context(of), 0).bytes, 'sync')
    }
    expect(isOn(node)).toBe(true)
    await play(nodes, network.height(epoch + 3, 3))
    await node.daemon.collector.take(attest(network, await node.context(epoch + 3), 0).bytes, 'gossip')
    expect(isOn(node)).toBe(false)
  })
})

/** A world in which a process draws this as its instance. */
const withInstance = (instance: Uint8Array): World => {
  const world = realWorld()
  return { ...world, randomBytes: (n) => (n === instanceBytes ? instance.slice() : world.randomBytes(n)) }
}
const lowest = new Uint8Array(instanceBytes)
const highest = new Uint8Array(instanceBytes).fill(0xff)

describe('R-ATT-7 two daemons with the same keys, at two addresses that cannot reach themselves', () => {
  /** Both in the middle of the epoch in which the second one was started. */
  const withTwin = async (node: Uint8Array, twin: Uint8Array) => {
    const first = published()
    const second = published()
    // Each looks for itself where nobody is.
    const resolve = (host: string) => (host === 'n0.devnet.test' ? undefined : network.addresses.get(host))
    const nodes = await untilMiddle({ ...first.options, world: withInstance(node), resolve })
    const ip = network.ip(20)
    const height = network.height(epoch, 3)
    const other = await network.start(0, {
      ...second.options,
      ip,
      height,
      world: withInstance(twin),
      resolve,
    })
    await until(() => !other.daemon.isRecovering())
    return { nodes, twin: other, sentBy: { node: first.sent, twin: second.sent } }
  }

  test('the one that is to stop is told at the first target that the other one came to before', async () => {
    const { nodes, twin } = await withTwin(lowest, highest)
    const [node] = nodes
    await play(nodes, network.attests(epoch + 1) - 1)
    await play([twin], network.height(epoch + 1))
    await play([twin], network.attests(epoch + 1) - 1)
    expect([isOn(node), isOn(twin)]).toEqual([true, false])
    expect(twin.daemon.node.signing.twin()).toMatchObject({ by: 'question', epoch: epoch + 1 })
    expect(node.daemon.node.signing.rival()).toBe(null)
    const all = [...nodes, twin]
    await play(all, network.height(epoch + 3))
    expect(isOn(node)).toBe(true)
    for (const of of [epoch + 1, epoch + 2]) {
      expect([...(await attestedBy(node, of))!.verdicts]).toEqual([0, 0, 0])
    }
    expect(await isEquivocator(all, node.row.seat)).toBe(false)
    const { store } = twin
    await twin.stop()
    const again = await network.start(0, { store, ip: network.ip(20), height: network.height(epoch + 3) })
    expect(isOn(again)).toBe(false)
  })

  test('the one that goes on is told as well, and loses the epoch at hand at most', async () => {
    const { nodes, twin } = await withTwin(highest, lowest)
    const [node, ...others] = nodes
    // The first one asks all; the second one, which goes on, is refused by all and waits.
    await play(nodes, network.attests(epoch + 1) - 1)
    await play([twin], network.attests(epoch + 1) - 1)
    expect([isOn(node), isOn(twin)]).toEqual([true, true])
    expect(twin.daemon.node.signing.rival()).toMatchObject({ by: 'question', epoch: epoch + 1 })
    const all = [...nodes, twin]
    await play(all, network.attests(epoch + 1))
    await until(async () => (await attestedBy(node, epoch + 1)) !== undefined)
    await until(async () => (await attestedBy(twin, epoch + 1)) !== undefined)
    for (const other of others) await other.daemon.collector.take(await ownBytes(node, epoch + 1), 'gossip')
    await twin.daemon.sync.exchange(others[0]!.row, epoch, epoch + 1, AbortSignal.timeout(60_000))
    expect([isOn(node), isOn(twin)]).toEqual([true, false])
    await play(all, network.height(epoch + 3))
    expect(await attestedBy(node, epoch + 2)).not.toBe(undefined)
    expect(await isEquivocator(all, node.row.seat)).toBe(false)
  })

  test.each([0, 1, 2, 3])(
    'whose visits come in any order: one goes on, and there is no second attestation (%i)',
    async () => {
      const { nodes, twin, sentBy } = await withTwin(lowest, highest)
      const [node, ...others] = nodes
      const all = [...nodes, twin]
      const sentOf = (sent: readonly Signed[], of: Epoch): number =>
        sent.filter(({ payload }) => decodeAttestation(payload)?.epoch === of).length
      await play(all, network.attests(epoch + 1))
      await play(all, network.height(epoch + 2) - 1)
      await until(async () => !isOn(twin) || (await attestedBy(twin, epoch + 1)) !== undefined)
      // Only where it came first to all targets it is not told yet; then the other one waits.
      const isTold = !isOn(twin)
      if (!isTold) {
        expect(sentOf(sentBy.node, epoch + 1)).toBe(0)
        const bytes = await ownBytes(twin, epoch + 1)
        for (const one of [...others, node]) await one.daemon.collector.take(bytes, 'gossip')
      }
      expect([isOn(node), isOn(twin)]).toEqual([isTold, !isTold])
      await play(all, network.height(epoch + 3))
      const [going, stopped] = isTold ? [sentBy.node, sentBy.twin] : [sentBy.twin, sentBy.node]
      for (const of of [epoch + 1, epoch + 2]) {
        expect([sentOf(going, of), sentOf(stopped, of)]).toEqual([1, 0])
      }
      expect(await isEquivocator(all, node.row.seat)).toBe(false)
    },
  )
})

/** What a process with the keys of the node at index 0 says of itself. */
const identity = (signs: boolean): NodeIdentity => ({
  peer: network.keys[0]!.peerId,
  seat: network.rows[0]!.seat,
  stake: bytesToHex(network.rows[0]!.stake),
  version: '0.1.0',
  instance: instanceOf('another'),
  ruleset: 1,
  signs,
})

describe('R-ATT-7 a look at the own announced address', () => {
  const elsewhere = (): string => network.ip(20)
  const host = 'n0.devnet.test'

  test('in each epoch: another daemon there stops signing', async () => {
    const nodes = await untilMiddle()
    const [node] = nodes
    await network.startEndpoint(0, identity(true), elsewhere())
    network.addresses.set(host, [elsewhere()])
    expect(isOn(node)).toBe(true)
    await play(nodes, network.height(epoch + 1))
    await until(() => !isOn(node))
    expect(node.daemon.node.signing.twin()).toMatchObject({
      by: 'address',
      what: `${elsewhere()} port ${node.row.tls}`,
    })
    await node.stop()
    const again = await network.start(0, { store: node.store, height: network.height(epoch + 1) })
    expect(isOn(again)).toBe(false)
  })

  test.each([
    [
      'itself, behind a forwarder',
      async () => closing.push(await forward(elsewhere(), network.ip(0), network.rows[0]!.tls)),
    ],
    [
      'one that signs nothing, as a doctor that tries its ports, or another that was told',
      () => network.startEndpoint(0, identity(false), elsewhere()),
    ],
    ['nobody', () => Promise.resolve()],
  ])('%s: it goes on', async (_who, start) => {
    const nodes = await untilMiddle()
    const [node] = nodes
    await start()
    network.addresses.set(host, [elsewhere()])
    await play(nodes, network.attests(epoch + 1))
    await until(async () => (await attestedBy(node, epoch + 1)) !== undefined)
    expect(isOn(node)).toBe(true)
  })
})

describe('R-ATT-7 targets that show another question by the own key', () => {
  /** Another process with the keys of the node, with this instance, asks these targets first, in an epoch. */
  const untilAsked = async (
    nodes: readonly TestNode[],
    targets: number,
    instance: Uint8Array,
    of = epoch + 1,
  ): Promise<void> => {
    const [node, ...others] = nodes as [TestNode, ...TestNode[]]
    if (of > epoch) {
      await play([node, ...others], network.height(of) - 1)
      await play(others, network.height(of))
    }
    const context = await others[0]!.context(of)
    const peer = await network.startPeer({ keys: network.keys[0]!, address: network.ip(30) })
    for (const target of targetsOf(context.committees, 0).slice(0, targets)) {
      const question = questionBy(network, 0, target, of, { nonce: seedOf('nonce', target), instance })
      const answer = await askChallenge(peer, others.find(({ index }) => index === target)!.target, question)
      expect(answer[0]).toBe('receipt')
    }
    await peer.stop()
  }

  test.each([
    ['one of a lower instance', lowest],
    ['one of its own instance, as of a machine that was copied while it ran', highest],
  ])('%s: signing stops at the first, also after a restart', async (_of, instance) => {
    const { options, sent } = published()
    const nodes = await untilMiddle({ ...options, world: withInstance(highest) })
    const [node, ...others] = nodes
    await untilAsked(nodes, 1, instance)
    const before = sent.length
    await play(nodes, network.attests(epoch + 1) - 1)
    expect(isOn(node)).toBe(false)
    const target = targetsOf((await node.context(epoch + 1)).committees, 0)[0]!
    expect(node.daemon.node.signing.twin()).toMatchObject({
      by: 'question',
      epoch: epoch + 1,
      what: `seat ${network.rows[target]!.seat} (n${target}.devnet.test)`,
    })
    await play(nodes, network.height(epoch + 2))
    expect(await attestedBy(node, epoch + 1)).toBe(undefined)
    await node.stop()
    const again = await network.start(0, { ...options, store: node.store, height: network.height(epoch + 2) })
    await until(() => !again.daemon.isRecovering())
    await play([again, ...others], network.height(epoch + 4))
    expect(isOn(again)).toBe(false)
    expect(sent).toHaveLength(before)
  })

  test('one of the epoch of the start: the record was lost; nothing is attested of it, then all goes on', async () => {
    const { options, sent } = published()
    const nodes = await untilMiddle()
    const [node, ...others] = nodes
    await play(nodes, network.height(epoch + 1) - 1)
    await node.stop()
    await play(others, network.height(epoch + 1))
    await untilAsked(nodes, 3, lowest, epoch + 1)
    // Its record of the epoch was there when it started, so it would attest; but it is not all that was asked.
    const { beacon } = await others[0]!.context(epoch + 1)
    const { genesis, params } = network
    const phases = epochPhases(genesis, params.attestBlocks, epoch + 1)
    await node.daemon.node.work.putWork(startChallenger(epoch + 1, beacon, phases, seedOf('secret'), 3, 1))
    const start = { ...options, store: node.store, height: network.height(epoch + 1) }
    let again = await network.start(0, start)
    await until(() => !again.daemon.isRecovering())
    await play([again, ...others], network.attests(epoch + 1) - 1)
    expect(isOn(again)).toBe(true)
    expect(again.daemon.node.signing.rival()).toBe(null)
    await again.stop()
    again = await network.start(0, { ...start, height: network.attests(epoch + 1) - 1 })
    await until(() => !again.daemon.isRecovering())
    await play([again, ...others], network.height(epoch + 2))
    expect(await attestedBy(again, epoch + 1)).toBe(undefined)
    await play([again, ...others], network.height(epoch + 3))
    await until(async () => (await attestedBy(again, epoch + 2)) !== undefined)
    expect(isOn(again)).toBe(true)
    expect(sent.map(({ payload }) => decodeAttestation(payload)?.epoch)).not.toContain(epoch + 1)
  })

  test('one of a higher instance: the attestation waits to the end of its epoch, and nothing is stopped', async () => {
    const { options, sent } = published()
    const nodes = await untilMiddle({ ...options, world: withInstance(lowest) })
    const [node] = nodes
    await untilAsked(nodes, 1, highest)
    const before = sent.length
    await play(nodes, network.height(epoch + 2) - 1)
    await until(async () => (await attestedBy(node, epoch + 1)) !== undefined)
    expect(
      (await attestedBy(node, epoch + 1))!.verdicts.filter((verdict) => verdict === Verdict.abstain),
    ).toHaveLength(1)
    expect(sent).toHaveLength(before)
    await play(nodes, network.height(epoch + 2))
    await until(() => sent.length === before + 1)
    expect(isOn(node)).toBe(true)
  })

  test('while it waits another one comes: it is not sent, and signing stops', async () => {
    const { options, sent } = published()
    const nodes = await untilMiddle({ ...options, world: withInstance(lowest) })
    const [node, ...others] = nodes
    await untilAsked(nodes, 2, highest)
    const before = sent.length
    await play(nodes, network.attests(epoch + 1))
    await until(async () => (await attestedBy(node, epoch + 1)) !== undefined)
    const { bytes } = attest(network, await node.context(epoch + 1), 0)
    for (const other of others) await other.daemon.collector.take(bytes, 'gossip')
    await node.daemon.collector.take(bytes, 'gossip')
    expect(isOn(node)).toBe(false)
    await play(nodes, network.height(epoch + 3))
    expect(sent).toHaveLength(before)
    expect(await isEquivocator(nodes, node.row.seat)).toBe(false)
  })

  test('a stop leaves what waits to the next start, which asks others first', async () => {
    const { options, sent } = published()
    const nodes = await untilMiddle({ ...options, world: withInstance(lowest) })
    const [node] = nodes
    await untilAsked(nodes, 2, highest)
    const before = sent.length
    await play(nodes, network.attests(epoch + 1))
    await until(async () => (await attestedBy(node, epoch + 1)) !== undefined)
    await node.stop()
    expect(sent).toHaveLength(before)
    const again = await network.start(0, {
      ...options,
      store: node.store,
      height: network.attests(epoch + 1),
    })
    await until(() => !again.daemon.isRecovering())
    await until(() => sent.length === before + 1)
  })

  test('of a higher instance: a finding, with what to do', () => {
    const rival = {
      by: 'question' as const,
      epoch: 5,
      what: 'seat 3 (a.example)',
      at: '2026-11-20T00:00:00Z',
    }
    const { findings } = judge(observed({ rival }))
    expect(findings.map(({ code, severity }) => [code, severity])).toEqual([['another-runs', 'critical']])
    expect(findings[0]!.detail).toContain('seat 3 (a.example)')
    expect(findings[0]!.remedy).toContain('Stop the other daemon')
  })
})

describe('R-ATT-7 a dial-back that comes to another process with the own key', () => {
  /** The others dial the port of this row. */
  const askedOf = async (node: TestNode, helper: TestNode): Promise<void> => {
    const context = await node.context(epoch)
    const outside = await askOutside(node.daemon.node, context, node.row, AbortSignal.timeout(60_000))
    expect(outside.views.map(({ seat }) => seat)).toContain(helper.row.seat)
  }

  test.each([
    ['that signs: signing stops', true, false],
    ['that does not sign: it goes on', false, true],
  ])('%s', async (_what, signs, stays) => {
    const nodes = await untilMiddle()
    const [node, helper] = nodes as [TestNode, TestNode]
    const row = { ...node.row, tls: node.row.tls + 500 }
    await network.startEndpoint(0, identity(signs), network.ip(0), row.tls)
    await askedOf({ ...node, row }, helper)
    expect(isOn(node)).toBe(stays)
    if (!stays) expect(node.daemon.node.signing.twin()).toMatchObject({ by: 'address' })
  })

  test('that is this very one: it goes on', async () => {
    const [node, helper] = (await untilMiddle()) as [TestNode, TestNode]
    await askedOf(node, helper)
    expect(isOn(node)).toBe(true)
  })
})

test('R-ATT-7 there is one finding, and it is critical', () => {
  const twin = { by: 'attestation' as const, epoch: 5, what: 'bafy', at: '2026-11-20T00:00:00Z' }
  const duty = {
    epoch: 5,
    targets: 11,
    judged: 11,
    abstained: 0,
    reasons: [],
    secondNonces: 0,
    attested: false,
  }
  const { findings } = judge(observed({ twin, duty }))
  expect(findings.map(({ code, severity }) => [code, severity])).toEqual([['another-runs', 'critical']])
  expect(findings[0]!.remedy).toContain('secnode takeover --i-stopped-it')
})

test('R-ATT-7 a record of it that cannot be read stops the start', async () => {
  const store = createMemoryStore()
  const twin = { by: 'attestation' as const, epoch: 5, what: 'bafy', at: '2026-11-20T00:00:00Z' }
  const record = { twin, saidIn: 7, fence: 90 }
  await createSigningStore(store, 'memory').write(record)
  expect(await createSigningStore(store, 'memory').read()).toEqual(record)
  await store.batch([{ type: 'put', key: Uint8Array.of(0x50), value: Uint8Array.of(0x7b) }])
  await expect(network.start(0, { store })).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
})

/** What a node signed of an epoch, as gossip carries it. */
const ownBytes = async (node: TestNode, of: number): Promise<Uint8Array> => {
  const { beacon } = await node.context(of)
  return encodeSigned((await node.daemon.node.attestations.ownSigned(of, beacon))!)
}

/** Forwards the TLS port of an address to that of another one. */
const forward = async (from: string, to: string, port: number): Promise<() => Promise<void>> => {
  const open = new Set<Socket>()
  const server = createServer((outer) => {
    const inner = connect(port, to)
    for (const socket of [outer, inner]) open.add(socket.on('error', () => undefined))
    pipeline(outer, inner, () => undefined)
    pipeline(inner, outer, () => undefined)
  })
  await new Promise<void>((resolve) => void server.listen(port, from, resolve))
  return async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}
