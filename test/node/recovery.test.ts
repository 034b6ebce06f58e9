import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  bytesToHex,
  decodeAttestation,
  decodeReceipt,
  type Signed,
  topicsOf,
  Verdict,
} from '../../protocol/index.ts'
import { prefixes } from '../../src/store/keys.ts'
import { readReceiptRow } from '../../src/store/work.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import { copyOf, createFailingStore } from '../fixtures/stores.ts'
import { createTestChain } from '../fixtures/test-chain.ts'
import {
  attest,
  attestedBy,
  createTestNetwork,
  play,
  type StartOptions,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'

const epoch = 2

let network: TestNetwork

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 5,
    params: { committee: 3, attestBlocks: 2, retries: 1 },
    genesis: { epochBlocks: 8, confirmations: 2 },
  })
})
afterEach(() => network.stop())

const attests = (of = epoch): number => network.attests(of)

/** Everything that the node at index 0 signs as an attestation, whether it is published or not. */
const recorded = (): { options: StartOptions; payloads: Map<string, Set<string>> } => {
  const payloads = new Map<string, Set<string>>()
  return {
    payloads,
    options: {
      conduct: () => ({
        async publish(context, signed: Signed, send) {
          const key = `${context.epoch} ${bytesToHex(context.beacon)}`
          payloads.set(key, (payloads.get(key) ?? new Set()).add(bytesToHex(signed.payload)))
          await send(signed)
        },
      }),
    },
  }
}

/** Until others have told a node that has just started what they know of it. */
const untilRecovered = (node: TestNode): Promise<void> => until(() => !node.daemon.isRecovering())

const hasAttested = async (node: TestNode, of = epoch): Promise<boolean> =>
  (await attestedBy(node, of)) !== undefined

/** Whether the others know two payloads of this node. */
const isEquivocator = async (node: TestNode, others: readonly TestNode[], of = epoch): Promise<boolean> => {
  for (const other of others) {
    const { week } = await other.context(of)
    if ((await other.daemon.collector.equivocators(week)).has(node.row.seat)) return true
  }
  return false
}

/** The nonces under which the others gave this node receipts. */
const noncesGivenTo = async (node: TestNode, others: readonly TestNode[]): Promise<Set<string>[]> =>
  await Promise.all(
    others.map(async ({ store }) => {
      const nonces = new Set<string>()
      const range = { gte: Uint8Array.of(prefixes.receipt), lt: Uint8Array.of(prefixes.receipt + 1) }
      for await (const [, row] of store.range(range)) {
        const receipt = decodeReceipt(readReceiptRow(row, 'the store').receipt.payload)
        if (receipt?.challengerSeat === node.row.seat) nonces.add(bytesToHex(receipt.nonce))
      }
      return nonces
    }),
  )

describe('R-ATT-5 a restart within an epoch', () => {
  test('with the whole record: it goes on with the same nonces, and attests', async () => {
    const nodes = await readyNodes(network)
    const [node, ...others] = nodes as [TestNode, ...TestNode[]]
    await play(nodes, network.height(epoch, 3))
    const before = await noncesGivenTo(node, others)
    await node.stop()
    const again = await network.start(0, { store: node.store, height: network.height(epoch, 3) })
    await until(() => again.daemon.challenger.state() !== null)
    await untilRecovered(again)
    await play([again, ...others], attests())
    await until(() => hasAttested(again))
    expect([...(await attestedBy(again, epoch))!.verdicts]).toEqual([0, 0, 0])
    for (const [i, nonces] of (await noncesGivenTo(again, others)).entries()) {
      expect(nonces.size).toBeLessThanOrEqual(1)
      for (const nonce of before[i]!) expect(nonces.has(nonce)).toBe(true)
    }
  })

  test('after the attestation was signed: the same bytes go out again, and nothing else', async () => {
    const { options, payloads } = recorded()
    const nodes = await readyNodes(network, (i) => (i === 0 ? options : {}))
    const [node, ...others] = nodes as [TestNode, ...TestNode[]]
    await play(nodes, attests())
    await until(() => hasAttested(node))
    const signed = await node.daemon.node.attestations.ownSigned(epoch, network.beacon(epoch))
    await node.stop()
    const listener = await network.startPeer({})
    const heard = new Set<string>()
    listener.subscribe(topicsOf(network.networkId).attestations.name, (bytes) => {
      heard.add(bytesToHex(bytes))
      return { is: 'accept', value: undefined }
    })
    const again = await network.start(0, { ...options, store: node.store, height: attests() })
    await listener.dial(again.target)
    await untilRecovered(again)
    await play([again, ...others], network.height(3))
    expect(payloads.get(`2 ${bytesToHex(network.beacon(epoch))}`)?.size).toBe(1)
    const kept = await again.daemon.node.attestations.ownSigned(epoch, network.beacon(epoch))
    expect(kept).toEqual(signed)
    expect(await isEquivocator(again, others)).toBe(false)
  })

  test('with a copy from before it attested: others know more, so nothing is signed, and what they know is learnt', async () => {
    const { options, payloads } = recorded()
    const nodes = await readyNodes(network, (i) => (i === 0 ? options : {}))
    const [node, ...others] = nodes as [TestNode, ...TestNode[]]
    await play(nodes, network.height(epoch, 3))
    const older = await copyOf(node.store)
    await play(nodes, attests())
    await until(() => hasAttested(node))
    const signed = await node.daemon.node.attestations.ownSigned(epoch, network.beacon(epoch))
    const isKnown = async (): Promise<boolean> => {
      const held = await Promise.all(
        others.map(async (other) => await other.daemon.collector.held(await other.context(epoch))),
      )
      return held.every((rows) => rows.some(({ seat }) => seat === node.row.seat))
    }
    for (const other of others)
      await other.daemon.sync.exchange(node.row, epoch, epoch, AbortSignal.timeout(90_000))
    expect(await isKnown()).toBe(true)
    await node.stop()

    const again = await network.start(0, { ...options, store: older, height: attests() })
    await until(() => hasAttested(again))
    expect(await again.daemon.node.attestations.ownSigned(epoch, network.beacon(epoch))).toEqual(signed)
    await untilRecovered(again)
    await play([again, ...others], network.height(3, 1))
    expect(payloads.get(`2 ${bytesToHex(network.beacon(epoch))}`)?.size).toBe(1)
    expect(await isEquivocator(again, others)).toBe(false)
    // What it learnt stands in its own root as well.
    const rows = await again.daemon.collector.held(await again.context(epoch))
    expect(rows.some(({ seat }) => seat === node.row.seat)).toBe(true)
    // The next epoch is its own again.
    await play([again, ...others], attests(3))
    await until(() => hasAttested(again, 3))
  })

  test('with a copy from the epoch before: without a record of this epoch it keeps still to its end', async () => {
    const nodes = await readyNodes(network)
    const [node, ...others] = nodes as [TestNode, ...TestNode[]]
    const older = createMemoryStore()
    await play(nodes, network.height(epoch, 3))
    const before = await noncesGivenTo(node, others)
    await node.stop()
    const again = await network.start(0, { store: older, height: network.height(epoch, 3) })
    await untilRecovered(again)
    // To the last block of the epoch: at the next one the visits of the next epoch begin.
    await play([again, ...others], network.height(3) - 1)
    expect(await hasAttested(again)).toBe(false)
    // Not a second nonce to anybody.
    expect(await noncesGivenTo(again, others)).toEqual(before)
    await play([again, ...others], attests(3))
    await until(() => hasAttested(again, 3))
  })

  test('while nobody answers nothing is signed, in no epoch, and all goes on when somebody does', async () => {
    const chain = createTestChain(network.blocks, network.height(epoch) - 1)
    const node = await network.start(0, { chain })
    await play([node], network.height(4))
    for (const e of [2, 3]) expect(await hasAttested(node, e)).toBe(false)
    const others = await Promise.all([1, 2, 3, 4].map((i) => network.start(i, { height: network.height(4) })))
    await play([node, ...others], network.height(5))
    await until(() => node.daemon.challenger.state() !== null)
    await play([node, ...others], attests(5))
    await until(() => hasAttested(node, 5))
  })

  test('too few answers close the epoch of the start, and only that', async () => {
    const nodes = await readyNodes(network)
    const [node, first] = nodes as [TestNode, TestNode]
    await play(nodes, network.height(epoch, 3))
    await Promise.all(nodes.slice(2).map((other) => other.stop()))
    await node.stop()
    const again = await network.start(0, { store: node.store, height: network.height(epoch, 3) })
    await play([again, first], network.height(3))
    expect(await hasAttested(again)).toBe(false)
    await until(() => again.daemon.challenger.state()?.epoch === 3)
    await play([again, first], attests(3))
    await until(() => hasAttested(again, 3))
  })
})

describe('R-ATT-5 what blocks a second signature, whatever happens', () => {
  test('a record that something was signed', async () => {
    const { options, payloads } = recorded()
    const nodes = await readyNodes(network, (i) => (i === 0 ? options : {}))
    const node = nodes[0]!
    const context = await node.context(epoch)
    const { payload, signature } = attest(network, context, 0)
    const signed = { payload, signature }
    expect(await node.daemon.node.attestations.putOwnSigned(epoch, context.beacon, signed)).toBe(true)
    await play(nodes, network.height(3))
    expect(payloads.size).toBe(0)
    expect((await node.daemon.node.attestations.ownSigned(epoch, context.beacon))?.payload).toEqual(payload)
  })

  test('an attestation of the own key that comes from the network', async () => {
    const { options, payloads } = recorded()
    const nodes = await readyNodes(network, (i) => (i === 0 ? options : {}))
    const [node, ...others] = nodes as [TestNode, ...TestNode[]]
    const context = await node.context(epoch)
    // A twin with the same keys was faster.
    await others[0]!.daemon.collector.take(attest(network, context, 0).bytes, 'gossip')
    await node.daemon.sync.exchange(others[0]!.row, epoch, epoch, AbortSignal.timeout(90_000))
    await play(nodes, network.height(3))
    expect(payloads.size).toBe(0)
    expect(await isEquivocator(node, others)).toBe(false)
  })

  test('two at the same moment: one is recorded', async () => {
    const { daemon } = await network.start(0)
    const { attestations } = daemon.node
    const context = (await daemon.epochs.get(epoch))!
    const outcomes = await Promise.all(
      [0, 1, 2, 3].map(async (verdict) => {
        const { payload, signature } = attest(network, context, 0, {
          verdicts: new Uint8Array(3).fill(verdict + 1),
          addresses: [],
        })
        return await attestations.putOwnSigned(epoch, context.beacon, { payload, signature })
      }),
    )
    expect(outcomes).toEqual([true, false, false, false])
    const signed = await attestations.ownSigned(epoch, context.beacon)
    expect(decodeAttestation(signed!.payload)?.verdicts[0]).toBe(Verdict.unresolvable)
  })
})

test('R-ATT-5 a whole machine set back: epochs that its chain has not come to yet are not attested again', async () => {
  const { options, payloads } = recorded()
  const nodes = await readyNodes(network, (i) => (i === 0 ? options : {}))
  const [node, ...others] = nodes as [TestNode, ...TestNode[]]
  await play(nodes, network.height(epoch, 1))
  const older = await copyOf(node.store)
  await play(nodes, network.height(4, 1))
  await until(() => hasAttested(node, 3))
  for (const other of others) await other.daemon.sync.exchange(node.row, 2, 3, AbortSignal.timeout(90_000))
  await node.stop()

  // Store and chain node are of epoch 2 again; the chain catches up block by block, faster than others answer.
  const again = await network.start(0, { ...options, store: older, height: network.height(epoch, 1) })
  await again.chain.advance(network.height(4, 1))
  await until(() => hasAttested(again, 3))
  await play([again, ...others], network.height(5))
  for (const [key, signed] of payloads) expect([key, signed.size]).toEqual([key, 1])
  expect(await isEquivocator(again, others, 3)).toBe(false)
})

describe('R-ATT-5 a crash between any two durable writes', () => {
  // A batch that fails is not there, or it is there although it failed; after it nothing can be written any more.
  test.each([
    ['lost', false],
    ['written', true],
  ])(
    'never leads to two signatures, two nonces or two receipts (the last batch is %s)',
    async (_name, isWritten) => {
      const { options, payloads } = recorded()
      const disk: Store = createMemoryStore()
      const failing = createFailingStore(disk)
      const nodes = await readyNodes(network, (i) => (i === 0 ? { ...options, store: failing } : {}))
      const others = nodes.slice(1)
      let node = nodes[0]!
      let crashes = 0
      for (let batch = 0, e = epoch + 1; batch < 24; batch++, e++) {
        await play([node, ...others], network.height(e) - 1)
        node.chain.mayFail = true
        failing.failAfter(batch, { isWritten })
        // The first half of the epoch, or up to its end: crashes come wherever the batch falls.
        await play([node, ...others], attests(e), (one) => one === node && failing.batches > batch)
        const hasCrashed = failing.batches > batch
        await node.stop()
        failing.failAfter(Infinity)
        if (hasCrashed) crashes++
        node = await network.start(0, { ...options, store: failing, height: attests(e) })
        await play([node, ...others], network.height(e + 1) - 1)
        for (const other of others) {
          await other.daemon.sync.exchange(node.row, e, e, AbortSignal.timeout(90_000)).catch(() => undefined)
        }
      }
      expect(crashes).toBeGreaterThan(10)
      for (const [key, signed] of payloads) expect([key, signed.size]).toEqual([key, 1])
      expect(await isEquivocator(node, others)).toBe(false)
      // Most of the epochs were attested all the same.
      expect(payloads.size).toBeGreaterThan(8)
      await expectOneNonceEach(node, others)
      await expectOneReceiptEach(disk)
    },
    900_000,
  )

  const receiptsOf = async (store: Store): Promise<Map<string, Set<string>>> => {
    const found = new Map<string, Set<string>>()
    const range = { gte: Uint8Array.of(prefixes.receipt), lt: Uint8Array.of(prefixes.receipt + 1) }
    for await (const [, row] of store.range(range)) {
      const receipt = decodeReceipt(readReceiptRow(row, 'the store').receipt.payload)!
      const key = `${receipt.epoch} ${receipt.targetSeat} ${receipt.challengerSeat}`
      found.set(key, (found.get(key) ?? new Set()).add(bytesToHex(receipt.nonce)))
    }
    return found
  }

  const expectOneNonceEach = async (node: TestNode, others: readonly TestNode[]): Promise<void> => {
    for (const other of others) {
      // It refuses a second nonce, and counts that it did.
      expect(await other.count('challengesAnswered', { answer: 'second-nonce' })).toBe(0)
      const receipts = [...(await receiptsOf(other.store))].filter(([key]) =>
        key.endsWith(` ${node.row.seat}`),
      )
      expect(receipts.length).toBeGreaterThan(0)
    }
  }

  const expectOneReceiptEach = async (store: Store): Promise<void> => {
    for (const [key, nonces] of await receiptsOf(store)) expect([key, nonces.size]).toEqual([key, 1])
  }
})
