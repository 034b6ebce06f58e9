import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  createProof,
  encodeProof,
  protocols,
  syncAnswerCodec,
  syncRequestCodec,
} from '../../protocol/index.ts'
import { createEpochBook, type EpochBook } from '../../src/week/epoch-book.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import { createTestChain, type TestChain } from '../fixtures/test-chain.ts'
import {
  ask,
  attest,
  attestedBy,
  attestOtherwise,
  createTestNetwork,
  play,
  type TestNetwork,
} from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'

const epoch = 2

let network: TestNetwork

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 5,
    params: { committee: 3, attestBlocks: 2, retries: 1 },
    genesis: { epochBlocks: 8, confirmations: 2 },
    epochsPerWeek: 3,
  })
})
afterEach(() => network.stop())

test('R-CHAIN-2 attestations, proofs and roots under a beacon that is gone are none', async () => {
  const node = await network.start(0, { height: network.height(epoch, 2) })
  const { collector } = node.daemon
  const old = await node.context(epoch)
  const bytes = attest(network, old, 1).bytes
  await collector.take(bytes, 'gossip')
  await collector.take(attest(network, old, 2).bytes, 'gossip')
  await collector.take(attestOtherwise(network, old, 2).bytes, 'gossip')
  expect(await collector.rootOf(old)).toMatchObject({ count: 1 })
  expect((await collector.equivocators(old.week)).size).toBe(1)

  await node.chain.reorganise(network.height(epoch) - 1, network.height(epoch, 3))
  const fresh = await node.context(epoch)
  expect(fresh.beacon).toEqual(network.beacon(epoch, 1))
  expect(fresh.beacon).not.toEqual(old.beacon)
  expect(node.daemon.epochs.isCanonical(old)).toBe(false)
  expect(node.daemon.epochs.isCanonical(fresh)).toBe(true)
  expect(await collector.rootOf(fresh)).toMatchObject({ count: 0 })
  expect((await collector.equivocators(fresh.week)).size).toBe(0)
  expect(await collector.take(bytes, 'gossip')).toMatchObject({ is: 'ignore', code: 'attestation-beacon' })
  const proof = encodeProof(createProof(attest(network, old, 3), attestOtherwise(network, old, 3)))
  expect(await collector.takeProof(proof)).toMatchObject({ is: 'ignore', code: 'equivocation-unknown-seat' })
  // The same seat attests again under the new beacon: no equivocation.
  expect(await collector.take(attest(network, fresh, 1).bytes, 'gossip')).toMatchObject({ is: 'accept' })
  expect(await node.count('equivocations')).toBe(1)
  // What it held is still given to whoever names the beacon, and to nobody else.
  const stranger = await network.startPeer({})
  const fetched = async (beacon: Uint8Array) => {
    const request = syncRequestCodec.encode(['fetch', epoch, beacon, [network.rows[1]!.seat]])
    const answer = syncAnswerCodec.decode(await ask(stranger, node.target, protocols.sync, request))
    return answer.is === 'ok' && answer.value[0] === 'attestations' ? answer.value[1].length : -1
  }
  expect(await fetched(old.beacon)).toBe(1)
  expect(await fetched(fresh.beacon)).toBe(1)
})

test('R-CHAIN-2 an attestation that is being verified when its beacon goes is not taken', async () => {
  const node = await network.start(0, { height: network.height(epoch, 2) })
  const old = await node.context(epoch)
  // Verification runs on the thread pool, so the reorganisation comes first.
  const taking = node.daemon.collector.take(attest(network, old, 1).bytes, 'gossip')
  await node.chain.reorganise(network.height(epoch) - 1, network.height(epoch, 3))
  await taking
  expect(await node.daemon.collector.rootOf(await node.context(epoch))).toMatchObject({ count: 0 })
})

test('R-CHAIN-2 work under a beacon that is gone stops; the new beacon is worked from its beginning, and attested once', async () => {
  const nodes = await readyNodes(network)
  await play(nodes, network.height(epoch, 3))
  const nonces = nodes.map(({ daemon }) => daemon.challenger.state()!.secret)
  // Two blocks into the epoch from the other branch: its window is open.
  await Promise.all(
    nodes.map(({ chain }) => chain.reorganise(network.height(epoch) - 1, network.height(epoch, 1))),
  )
  await until(() =>
    nodes.every(
      ({ daemon }) =>
        Buffer.compare(daemon.challenger.state()?.beacon ?? new Uint8Array(), network.beacon(epoch, 1)) === 0,
    ),
  )
  for (const [i, { daemon }] of nodes.entries())
    expect(daemon.challenger.state()!.secret).not.toEqual(nonces[i])
  await play(nodes, network.attests(epoch))
  await until(async () =>
    (await Promise.all(nodes.map((node) => attestedBy(node, epoch)))).every((a) => a !== undefined),
  )
  for (const node of nodes) {
    expect([...(await attestedBy(node, epoch))!.verdicts]).toEqual([0, 0, 0])
    expect(await node.daemon.node.attestations.ownSigned(epoch, network.beacon(epoch, 0))).toBeUndefined()
    expect(await node.count('equivocations')).toBe(0)
  }
})

test('R-CHAIN-2 what was attested under the old beacon accuses nobody who attests under the new one', async () => {
  const nodes = await readyNodes(network)
  await play(nodes, network.attests(epoch))
  const signed = async (branch: number) =>
    await Promise.all(
      nodes.map(({ daemon }) => daemon.node.attestations.ownSigned(epoch, network.beacon(epoch, branch))),
    )
  await until(async () => (await signed(0)).every((one) => one !== undefined))
  await Promise.all(
    nodes.map(({ chain }) => chain.reorganise(network.height(epoch) - 1, network.height(epoch, 1))),
  )
  await play(nodes, network.attests(epoch))
  await until(async () => (await signed(1)).every((one) => one !== undefined))
  for (const from of nodes) {
    for (const to of nodes) {
      if (from !== to) await from.daemon.sync.exchange(to.row, epoch, epoch, AbortSignal.timeout(90_000))
    }
  }
  for (const node of nodes) {
    expect(await node.count('equivocations')).toBe(0)
    expect(await node.daemon.collector.rootOf(await node.context(epoch))).toMatchObject({ count: 5 })
  }
})

const createBook = (chain: TestChain): EpochBook =>
  createEpochBook(
    network.genesis,
    network.networkId,
    [{ from: network.blocks.week, params: network.params }],
    chain.view,
  )

test('R-EPOCH-4 a context that is being read when its block goes is not kept', async () => {
  const chain = createTestChain(network.blocks, network.height(epoch, 2))
  const book = createBook(chain)
  const reading = book.get(epoch)
  const reorganised = chain.reorganise(network.height(epoch) - 1, network.height(epoch, 2))
  book.forgetAbove(network.height(epoch) - 1)
  await reorganised
  expect(await reading).toBeUndefined()
  expect(book.peek(epoch)).toBeUndefined()
  const fresh = await book.get(epoch)
  expect(fresh?.beacon).toEqual(network.beacon(epoch, 1))
})

test('R-EPOCH-4 contexts from before and after several reorganisations are told apart', async () => {
  const chain = createTestChain(network.blocks, network.height(5, 2))
  const book = createBook(chain)
  const before = await Promise.all([2, 3, 4, 5].map((e) => book.get(e)))
  book.forgetAbove(network.height(5) - 1)
  const between = await book.get(5)
  book.forgetAbove(network.height(3) - 1)
  const after = await Promise.all([2, 3, 4, 5].map((e) => book.get(e)))
  expect(before.map((context) => book.isCanonical(context!))).toEqual([true, false, false, false])
  expect(book.isCanonical(between!)).toBe(false)
  expect(after.map((context) => book.isCanonical(context!))).toEqual([true, true, true, true])
  expect(after[0]).toBe(before[0])
  // A shallower one later leaves the deeper one in force.
  book.forgetAbove(network.height(5) - 1)
  expect(before.map((context) => book.isCanonical(context!))).toEqual([true, false, false, false])
  expect(after.map((context) => book.isCanonical(context!))).toEqual([true, true, true, false])
})

test('all who ask for an epoch at once hold the same context', async () => {
  const book = createBook(createTestChain(network.blocks, network.height(epoch)))
  const [first, second] = await Promise.all([book.get(epoch), book.get(epoch)])
  expect(first).toBeDefined()
  expect(second).toBe(first)
})

test('R-EPOCH-2 weeks: first and last epoch, and what is no epoch is none', async () => {
  const chain = createTestChain(network.blocks, network.height(7))
  const book = createBook(chain)
  const [week, next] = [await book.weekOf(0), await book.weekOf(3)]
  expect(await book.epochsOfWeek(week!)).toEqual({ first: 0, last: 2, isComplete: true })
  expect(await book.epochsOfWeek(next!)).toEqual({ first: 3, last: 5, isComplete: true })
  expect(await book.epochsOfWeek((await book.weekOf(6))!)).toEqual({ first: 6, last: 7, isComplete: false })
  expect(await book.firstEpochFrom(next!)).toBe(3)
  for (const number of [-1, 0.5, NaN, Infinity, 8]) {
    expect(await book.get(number)).toBeUndefined()
    expect(await book.weekOf(number)).toBeUndefined()
    expect(await book.beaconOf(number)).toBeUndefined()
  }
})
