import { afterEach, beforeEach, expect, test } from 'vitest'
import { cidOf, startChallenger, type Week } from '../../protocol/index.ts'
import { createAttestationStore } from '../../src/store/attestations.ts'
import { prefixes, readU32 } from '../../src/store/keys.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import { createTestChain, type TestChain } from '../fixtures/test-chain.ts'
import { attest, createTestNetwork, type TestNetwork, type TestNode } from '../fixtures/test-network.ts'
import { seedOf } from '../protocol/fixture.ts'

const epochsPerWeek = 3
const evidenceWeeks = 2

let network: TestNetwork
let store: Store
let chain: TestChain
let node: TestNode

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 4,
    params: { committee: 3, evidenceWeeks },
    genesis: { epochBlocks: 8, confirmations: 2 },
    epochsPerWeek,
  })
  store = createMemoryStore()
  chain = createTestChain(network.blocks, network.height(2))
  // Without a seat of its own it writes nothing by itself.
  node = await network.start(0, { store, chain, stake: seedOf('nobody').slice(0, 20) })
})
afterEach(() => network.stop())

/** Something of every kind for epochs 2 to 14: the last of the first week, and four weeks more. */
const fill = async (): Promise<void> => {
  const { attestations, evidence, work } = node.daemon.node
  for (let epoch = 2; epoch < 15; epoch++) {
    const beacon = network.beacon(epoch)
    const payload = seedOf('payload', epoch)
    const held = {
      seat: 1,
      cid: cidOf(payload),
      signed: { payload, signature: new Uint8Array(64) },
      heldAt: 1,
    }
    await attestations.put(epoch, beacon, [held])
    await attestations.putOwnSigned(epoch, beacon, held.signed)
    await attestations.putProof(epoch, beacon, 7, { first: held.signed, second: held.signed }, held.heldAt)
    await attestations.putRanThrough(epoch, beacon)
    await evidence.put(epoch, seedOf('evidence', epoch))
    await work.putWork(startChallenger(epoch, beacon, { opens: 1, attests: 9 }, seedOf('secret'), 3, 1))
    await work.putReceipt(epoch, beacon, 7, { question: held.signed, receipt: held.signed })
  }
}

const epochsOf = async (prefix: number): Promise<number[]> => {
  const found = new Set<number>()
  for await (const [key] of store.range({ gte: Uint8Array.of(prefix), lt: Uint8Array.of(prefix + 1) })) {
    found.add(readU32(key, 1))
  }
  return [...found]
}

const from = (first: number): number[] => Array.from({ length: 15 - first }, (_, i) => first + i)

test('R-EVID-1 evidence is kept for evidenceWeeks whole weeks before this one, and goes with all it belongs to', async () => {
  await fill()
  const first = seedOf('evidence', 2)
  expect(await node.daemon.node.evidence.get(cidOf(first))).toEqual(first)
  // Epochs 9, 10, 11 are the fourth week: the first goes, two stay before it.
  await chain.jump(network.height(9))
  for (const prefix of [
    prefixes.evidenceByEpoch,
    prefixes.attestation,
    prefixes.equivocation,
    prefixes.equivocationHeldAt,
    prefixes.ranThrough,
    prefixes.work,
    prefixes.receipt,
  ]) {
    expect([prefix, await epochsOf(prefix)]).toEqual([prefix, from(3)])
  }
  expect(await node.daemon.node.evidence.get(cidOf(first))).toBeUndefined()
  expect(await node.daemon.node.evidence.get(cidOf(seedOf('evidence', 3)))).toBeDefined()
  // In the middle of a week nothing more goes.
  await chain.jump(network.height(11))
  expect(await epochsOf(prefixes.attestation)).toEqual(from(3))
  await chain.jump(network.height(12))
  expect(await epochsOf(prefixes.attestation)).toEqual(from(6))
  expect(await epochsOf(prefixes.evidenceByEpoch)).toEqual(from(6))
})

test('R-ATT-5 what the node itself signed is never forgotten', async () => {
  await fill()
  await chain.jump(network.height(14))
  expect(await epochsOf(prefixes.signed)).toEqual(from(2))
  expect(await node.daemon.node.attestations.ownSigned(2, network.beacon(2))).toBeDefined()
})

test('R-CP-6 attestations of a week without an anchor stay until a later checkpoint can list them', async () => {
  await fill()
  const second = (await node.context(2)).week
  const record = (week: Week, first: number) => ({
    week,
    first,
    last: first + 2,
    freeze: null,
    own: null,
    list: null,
    commits: null,
    covers: [],
    anchor: null,
    isPending: true,
  })
  chain.weeks = { records: [record(second, 0)], fullFrom: 2, handedOn: null }
  await chain.jump(network.height(12))
  expect(await epochsOf(prefixes.attestation)).toEqual(from(2))
  expect(await epochsOf(prefixes.equivocation)).toEqual(from(2))
  // Evidence is for the audit and for whoever asks in time.
  expect(await epochsOf(prefixes.evidenceByEpoch)).toEqual(from(6))
  const anchor = {
    height: 1,
    blockHash: seedOf('block'),
    index: 0,
    week: second,
    view: 0,
    checkpoint: cidOf(seedOf('cp')),
  }
  chain.weeks = { records: [{ ...record(second, 0), anchor, isPending: false }], fullFrom: 2, handedOn: null }
  await chain.jump(network.height(13))
  expect(await epochsOf(prefixes.attestation)).toEqual(from(6))
})

test('many rows go in batches of bounded size', async () => {
  const rows = 2_500
  const beacon = network.beacon(2)
  const payload = attest(network, await node.context(2), 1).payload
  const held = Array.from({ length: rows }, (_, seat) => ({
    seat,
    cid: cidOf(payload),
    signed: { payload, signature: new Uint8Array(64) },
    heldAt: 1,
  }))
  await node.daemon.node.attestations.put(2, beacon, held)
  let largest = 0
  const watched: Store = {
    get: (key) => store.get(key),
    getMany: (keys) => store.getMany(keys),
    range: (range) => store.range(range),
    batch: async (operations, options) => {
      largest = Math.max(largest, operations.length)
      await store.batch(operations, options)
    },
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  }
  await createAttestationStore(watched).pruneBefore(3)
  expect(await epochsOf(prefixes.attestation)).toEqual([])
  expect(largest).toBeLessThanOrEqual(1_000)
})
