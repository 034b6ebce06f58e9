import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { beaconOf, type Signed, unseated } from '../../protocol/index.ts'
import { takeoverEpochs } from '../../protocol/takeover.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import { createProbeRoots } from '../../src/net/certificate-chain.ts'
import { probeTls } from '../../src/net/probe.ts'
import { judge } from '../../src/service/self-diagnosis/judge.ts'
import { createHistoryStore } from '../../src/store/history.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { realWorld } from '../../src/world.ts'
import { testCa } from '../fixtures/certificates.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import {
  askChallenge,
  instanceOf,
  questionBy,
  attest,
  attestedBy,
  createTestNetwork,
  play,
  type StartOptions,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'
import { observed } from '../service/self-diagnosis/observed.ts'

const epoch = 3

let network: TestNetwork

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 5,
    params: { committee: 3, attestBlocks: 2, retries: 1 },
    genesis: { epochBlocks: 8, confirmations: 2 },
  })
})
afterEach(() => network.stop())

/** Seats 0 to 4 at work, and a standby of seat 0 at an address of its own, all in the middle of the epoch. */
const withStandby = async (
  options: StartOptions = {},
): Promise<{ node: TestNode; others: TestNode[]; standby: TestNode }> => {
  const nodes = await readyNodes(network)
  const [node, ...others] = nodes as [TestNode, ...TestNode[]]
  const standby = await network.start(0, {
    isStandby: true,
    ip: network.ip(20),
    height: network.height(2),
    ...options,
  })
  await until(() => nodes.every(({ daemon }) => !daemon.isRecovering()))
  await play([...nodes, standby], network.height(epoch, 4))
  return { node, others, standby }
}

/** The standby gets what the others hold, as sync does every half minute. */
const exchange = async (node: TestNode, other: TestNode, from: number, to: number): Promise<void> => {
  await node.daemon.sync.exchange(other.row, from, to, AbortSignal.timeout(60_000))
}

/** Follows on, block by block, the standby with what others hold. */
const playOn = async (nodes: readonly TestNode[], standby: TestNode, height: number): Promise<void> => {
  const [other] = nodes
  for (let h = other!.chain.view.confirmedHeight + 1; h <= height; h++) {
    await play(nodes, h)
    const current = Math.floor((h - network.height(0)) / 8)
    await standby.chain.advance(h - 1)
    await exchange(standby, other!, Math.max(2, current - 2), current).catch(() => undefined)
    await standby.chain.advance(h)
  }
}

const signedByStandby = async (standby: TestNode): Promise<number> => {
  const { attestations, receipts, votes, work } = await createHistoryStore(standby.store, 'memory').read()
  return attestations.length + receipts.length + votes.length + work.length
}

const waitsFor = (standby: TestNode): string | null => {
  const takeover = standby.daemon.takeover.watched()?.takeover
  return takeover === null || takeover === undefined ? null : `${takeover.is}: ${takeover.why}`
}

const watchDue = (standby: TestNode): (() => boolean) => {
  let isDue = false
  standby.daemon.takeover.onDue(() => (isDue = true))
  return () => isDue
}

describe('R-ATT-8 a standby', () => {
  test('has an identity of its own, holds what the others hold, and signs nothing', async () => {
    const { node, others, standby } = await withStandby()
    await playOn([node, ...others], standby, network.height(epoch + 2, 4))
    expect(standby.daemon.host.peerId).not.toBe(node.daemon.host.peerId)
    expect(standby.daemon.node.ownSeat()).toBe(undefined)
    expect(standby.daemon.takeover.watched()).toMatchObject({ seat: node.row.seat, takeover: null })
    const context = await standby.context(epoch + 1)
    expect(await standby.daemon.collector.countOf(context)).toBe(5)
    expect(await signedByStandby(standby)).toBe(0)
    expect(standby.daemon.challenger.state()).toBe(null)
    // Its seat attested all the time, and nobody was an equivocator.
    expect(await attestedBy(node, epoch + 1)).not.toBe(undefined)
    for (const one of [...others, standby]) expect(await one.count('equivocations')).toBe(0)
  })

  test('never answers as the seat: neither a challenge nor a probe', async () => {
    const { node, others, standby } = await withStandby()
    const world = realWorld()
    const { challengers } = { challengers: others.map(({ index }) => index) }
    const peer = await network.startPeer({ keys: network.keys[challengers[0]!]!, address: network.ip(30) })
    const answer = await askChallenge(
      peer,
      { peerKey: standby.daemon.node.keys.peerKey, address: { ip: network.ip(20), port: node.row.p2p } },
      questionBy(network, challengers[0]!, 0, epoch),
    )
    expect(answer).toEqual(['refused', 'wrong-seat'])
    const probe = (expected: { peerKey: Uint8Array; seat: number; stake: Uint8Array }) =>
      probeTls({
        host: node.row.host,
        ip: network.ip(20),
        port: node.row.tls,
        nonce: seedOf('probe'),
        roots: createProbeRoots([testCa.caPem]),
        expected,
        networkId: network.networkId,
        timeoutMs: 30_000,
        world,
        now: world.now(),
        verify: createEd25519Verifier({ maxKeys: 2 }).verify,
      })
    expect(await probe({ peerKey: node.row.peer, seat: node.row.seat, stake: node.row.stake })).toMatchObject(
      {
        is: 'failed',
        code: 8,
      },
    )
    const { peerKey } = standby.daemon.node.keys
    expect(await probe({ peerKey, seat: unseated, stake: new Uint8Array(20) })).toMatchObject({ is: 'ok' })
  })

  test('says when the seat is silent, and takes nothing over', async () => {
    const { node, others, standby } = await withStandby()
    const isDue = watchDue(standby)
    await node.stop()
    await playOn(others, standby, network.height(epoch + 4, 5))
    const watched = standby.daemon.takeover.watched()
    expect(watched).toMatchObject({ silentEpoch: epoch + 3, takeover: null })
    expect(isDue()).toBe(false)
    expect(await signedByStandby(standby)).toBe(0)
    const { findings } = judge(observed({ seat: null, duty: null, isStandby: true, watched }))
    expect(findings.map(({ code, severity }) => [code, severity])).toEqual([['seat-silent', 'critical']])
  })

  test('cut off from the seat it does not take over, however long, and not by the word of its operator either', async () => {
    const isCutOff = { now: true }
    const nodes = await readyNodes(network)
    const [node] = nodes as [TestNode, ...TestNode[]]
    const standby = await network.start(0, {
      isStandby: true,
      ip: network.ip(20),
      height: network.height(2),
      resolve: (host) => (isCutOff.now ? ['127.0.0.1'] : network.addresses.get(host)),
    })
    const isDue = watchDue(standby)
    await until(() => nodes.every(({ daemon }) => !daemon.isRecovering()))
    const everybody = [...nodes, standby]
    await play(everybody, network.height(20))
    expect(standby.daemon.takeover.watched()).toMatchObject({ silentEpoch: null, takeover: null })
    expect(await attestedBy(node, 19)).not.toBe(undefined)

    await standby.daemon.takeover.giveWord()
    await play(everybody, network.height(20 + takeoverEpochs, 7))
    expect(waitsFor(standby)).toMatch(
      /^waiting: an epoch in which this node hears at least half of the other seats/,
    )
    await play(everybody, network.height(20 + takeoverEpochs + 1, 4))
    expect(waitsFor(standby)).toMatch(/^given-up: .* too old$/)

    // A word that is given once more is void as soon as the two are together again.
    await standby.daemon.takeover.giveWord()
    await play(everybody, network.height(20 + takeoverEpochs + 3))
    isCutOff.now = false
    await playOn(nodes, standby, network.height(20 + takeoverEpochs + 3, 5))
    expect(waitsFor(standby)).toMatch(
      /^given-up: the seat attested epoch \d+, which opened after the word was given$/,
    )
    expect(isDue()).toBe(false)
    expect(await signedByStandby(standby)).toBe(0)
    expect(await attestedBy(node, 20 + takeoverEpochs + 2)).not.toBe(undefined)
    for (const one of everybody) expect(await one.count('equivocations')).toBe(0)
  })
})

describe('R-ATT-8 a takeover by the operator’s word', () => {
  const takenOver = async (standby: TestNode, height: number): Promise<TestNode> => {
    await standby.stop()
    network.addresses.set(standby.row.host, [network.ip(20)])
    return await network.start(0, { store: standby.store, ip: network.ip(20), height })
  }

  test('waits for one whole epoch of silence, then signs from the next one on', async () => {
    const { node, others, standby } = await withStandby()
    const isDue = watchDue(standby)
    await playOn([node, ...others], standby, network.height(epoch + 1, 2))
    // It has attested the epoch before, and stops in this one.
    await node.stop()
    await standby.daemon.takeover.giveWord()
    await playOn(others, standby, network.height(epoch + 2, 3))
    expect(isDue()).toBe(false)
    await playOn(others, standby, network.height(epoch + 2, 4))
    await until(isDue)
    expect(standby.daemon.node.signing.isOn()).toBe(false)
    expect(await signedByStandby(standby)).toBe(0)

    const seat = await takenOver(standby, network.height(epoch + 2, 4))
    expect(seat.daemon.host.peerId).toBe(node.daemon.host.peerId)
    await until(() => !seat.daemon.isRecovering())
    const everybody = [seat, ...others]
    await play(everybody, network.height(epoch + 3))
    // Nothing of the epoch that had opened before, whose end has come.
    expect(await attestedBy(seat, epoch + 2)).toBe(undefined)
    await play(everybody, network.height(epoch + 4))
    await until(async () => (await attestedBy(seat, epoch + 3)) !== undefined)
    expect([...(await attestedBy(seat, epoch + 3))!.verdicts]).toEqual([0, 0, 0])
    for (const one of everybody) expect(await one.count('equivocations')).toBe(0)
  })

  test('a daemon that answers at the announced address with the keys of the seat: not before that ends', async () => {
    const { node, others, standby } = await withStandby()
    const isDue = watchDue(standby)
    await node.stop()
    const endpoint = {
      peer: network.keys[0]!.peerId,
      seat: node.row.seat,
      stake: Buffer.from(node.row.stake).toString('hex'),
      version: '0.1.0',
      instance: instanceOf('another'),
      ruleset: 1,
      signs: true,
    }
    await network.startEndpoint(0, endpoint)
    await standby.daemon.takeover.giveWord()
    await playOn(others, standby, network.height(epoch + 2, 6))
    expect(waitsFor(standby)).toContain(`the daemon that answers at ${network.ip(0)} port ${node.row.tls}`)
    network.addresses.set(node.row.host, [network.ip(20)])
    await playOn(others, standby, network.height(epoch + 2, 7))
    await until(isDue)
  })

  test('the word outlives a restart of the standby; started for its seat the node forgets it', async () => {
    const store = createMemoryStore()
    const { standby } = await withStandby({ store })
    await standby.daemon.takeover.giveWord()
    await standby.stop()
    const height = network.height(epoch, 4)
    const again = await network.start(0, { isStandby: true, store, ip: network.ip(20), height })
    expect(again.daemon.takeover.watched()?.takeover).toMatchObject({ is: 'waiting', saidIn: epoch })
    await again.stop()
    const seat = await network.start(0, { store, ip: network.ip(21), height })
    await seat.stop()
    const third = await network.start(0, { isStandby: true, store, ip: network.ip(20), height })
    expect(third.daemon.takeover.watched()?.takeover).toBe(null)
  })

  test('is for a standby, or a node that has stopped, and for the keys that are announced', async () => {
    const { node, standby } = await withStandby()
    await expect(node.daemon.takeover.mayTakeOver()).rejects.toMatchObject({
      code: 'TAKEOVER_NOTHING',
      exitCode: 2,
    })
    expect(await standby.daemon.takeover.mayTakeOver()).toBe(node.row.seat)
    const rows = network.rows.map((row, i) => (i === 0 ? { ...row, peer: network.keys[4]!.peerKey } : row))
    network.blocks.snapshotOf = () => rows
    const other = await network.start(0, {
      isStandby: true,
      ip: network.ip(22),
      height: network.height(epoch, 4),
    })
    await expect(other.daemon.takeover.mayTakeOver()).rejects.toMatchObject({ code: 'TAKEOVER_KEYS' })
    const early = await network.start(0, {
      isStandby: true,
      ip: network.ip(23),
      height: network.height(epoch, 4),
      stake: new Uint8Array(20),
    })
    await expect(early.daemon.takeover.mayTakeOver()).rejects.toMatchObject({ code: 'TAKEOVER_NO_SEAT' })
  })
})

test('R-ATT-8 a node that has stopped signing goes on by the operator’s word, from the epoch after a silent one', async () => {
  const nodes = await readyNodes(network)
  const [node, ...others] = nodes as [TestNode, ...TestNode[]]
  await until(() => nodes.every(({ daemon }) => !daemon.isRecovering()))
  await play(nodes, network.height(epoch, 3))
  const foreign = attest(network, await node.context(epoch), 0)
  for (const one of nodes) await one.daemon.collector.take(foreign.bytes, 'gossip')
  expect(node.daemon.node.signing.isOn()).toBe(false)
  await node.daemon.takeover.mayTakeOver()
  await node.daemon.takeover.giveWord()
  await playOn(others, node, network.height(epoch + 2, 3))
  expect(node.daemon.node.signing.isOn()).toBe(false)
  await playOn(others, node, network.height(epoch + 2, 4))
  await until(() => node.daemon.node.signing.isOn())
  // What the other daemon signed is no news now.
  await node.daemon.collector.take(attest(network, await node.context(epoch + 2), 0).bytes, 'gossip')
  expect(node.daemon.node.signing.isOn()).toBe(true)
  await play(nodes, network.height(epoch + 4))
  await until(async () => (await attestedBy(node, epoch + 3)) !== undefined)
  expect(await ownSigned(node, epoch + 1)).toBe(undefined)
})

/** What the store holds as signed by the own key. */
const ownSigned = (node: TestNode, of: number): Promise<Signed | undefined> =>
  node.daemon.node.attestations.ownSigned(
    of,
    beaconOf(network.networkId, of, seedOf('block', 0, network.height(of))),
  )
