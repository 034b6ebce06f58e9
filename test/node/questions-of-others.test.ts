import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  checkpointAnswerCodec,
  type CheckpointRequest,
  checkpointRequestCodec,
  cidOf,
  createProof,
  encodeProof,
  hasBit,
  protocols,
  type SyncRequest,
  syncAnswerCodec,
  syncRequestCodec,
  topicsOf,
  Verdict,
} from '../../protocol/index.ts'
import { prefixes, readU32 } from '../../src/store/keys.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import { createTestChain } from '../fixtures/test-chain.ts'
import { ask, attest, createTestNetwork, type TestNetwork, type TestNode } from '../fixtures/test-network.ts'
import { type LocalHost, until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

/** In the week's 42 epochs, so that sync is about 39 of them. */
const current = 80
const firstOpen = 42

let network: TestNetwork
let node: TestNode
let stranger: LocalHost
/** Epochs whose snapshots, and epochs whose attestations, were read since the node came to rest. */
let snapshots: number[]
let scans: number[]

beforeEach(async () => {
  network = await createTestNetwork({ nodes: 5, params: { committee: 3 } })
  const chain = createTestChain(network.blocks, network.height(current, 1))
  const snapshotOf = chain.view.snapshotOf.bind(chain.view)
  chain.view.snapshotOf = (epoch) => {
    snapshots.push(epoch)
    return snapshotOf(epoch)
  }
  snapshots = []
  scans = []
  node = await network.start(0, {
    chain,
    store: watched(createMemoryStore()),
    stake: seedOf('nobody').slice(0, 20),
  })
  stranger = await network.startPeer({})
  await node.context(current - 2)
  snapshots = []
  scans = []
})
afterEach(() => network.stop())

const watched = (store: Store): Store => {
  const range = store.range.bind(store)
  store.range = (asked) => {
    const { gte } = asked ?? {}
    if (gte?.[0] === prefixes.attestation && gte.length > 1) scans.push(readU32(gte, 1))
    return range(asked)
  }
  return store
}

const askCheckpoint = async (request: CheckpointRequest) => {
  const bytes = checkpointRequestCodec.encode(request)
  const answer = checkpointAnswerCodec.decode(await ask(stranger, node.target, protocols.checkpoint, bytes))
  if (answer.is === 'bad') throw new Error(answer.code)
  return answer.value
}

const askSync = async (request: SyncRequest) => {
  const bytes = syncRequestCodec.encode(request)
  const answer = syncAnswerCodec.decode(await ask(stranger, node.target, protocols.sync, bytes))
  if (answer.is === 'bad') throw new Error(answer.code)
  return answer.value
}

/** What an honest node attests of the running epoch reaches this one by gossip. */
const expectGossipTaken = async (): Promise<void> => {
  const context = await node.context(current)
  const { name } = topicsOf(network.networkId).attestations
  const honest = await network.startPeer({ index: 3 })
  honest.subscribe(name, () => ({ is: 'accept', value: undefined }))
  await honest.dial(node.target)
  await until(() => honest.gossipPeers(name) > 0)
  await honest.publish(name, attest(network, context, 3).bytes)
  await until(async () => (await node.daemon.collector.held(context)).length === 1)
}

const isRunningAtHand = (): boolean => {
  const { epochs } = node.daemon.node
  return [current - 2, current - 1, current].every((epoch) => epochs.peek(epoch) !== undefined)
}

describe('R-MSG-1 what strangers ask for takes nothing from this node', () => {
  test('checkpoint/1: no snapshot is read for a checkpoint that is not there', async () => {
    for (let epoch = 0; epoch < 60; epoch++) {
      expect(await askCheckpoint(['bits', cidOf(seedOf('nothing')), epoch])).toEqual(['unknown'])
    }
    expect(snapshots).toEqual([])
    expect(isRunningAtHand()).toBe(true)
    await expectGossipTaken()
  })

  test('checkpoint/1: of one that is there every epoch is told, and the running ones stay', async () => {
    const checkpoint = cidOf(seedOf('checkpoint'))
    const leaf = { seat: network.rows[2]!.seat, cid: cidOf(seedOf('attestation')) }
    for (let epoch = 2; epoch < current; epoch++) {
      await node.daemon.checkpoints.putContents(checkpoint, epoch, [leaf])
    }
    for (let epoch = 2; epoch < current; epoch++) {
      const answer = await askCheckpoint(['bits', checkpoint, epoch])
      const told = answer[0] === 'bits' && network.rows.map((__, i) => hasBit(answer[1], i))
      expect(told).toEqual([false, false, true, false, false])
    }
    expect(isRunningAtHand()).toBe(true)
    await expectGossipTaken()
  })

  test('sync/1: what is asked of all open epochs leaves the running ones as they were', async () => {
    const epochs = Array.from({ length: current - firstOpen - 2 }, (_, i) => firstOpen + i)
    for (const epoch of epochs) {
      expect((await askSync(['held', epoch, network.beacon(epoch)]))[0]).toBe('held')
    }
    expect(isRunningAtHand()).toBe(true)
    scans = []
    snapshots = []
    for (const epoch of [current - 1, current]) {
      const { bytes } = attest(network, await node.context(epoch), 1)
      expect(await node.daemon.collector.take(bytes, 'gossip')).toMatchObject({ is: 'accept' })
    }
    expect({ scans, snapshots }).toEqual({ scans: [], snapshots: [] })
  })

  test('sync/1: a root that is known is told without a snapshot, and no closed epoch is read', async () => {
    const first = await askSync(['roots', firstOpen, 64])
    expect(first[0] === 'roots' && first[1]).toHaveLength(current - firstOpen + 1)
    snapshots = []
    expect(await askSync(['roots', firstOpen, 64])).toEqual(first)
    expect(await askSync(['roots', 0, firstOpen])).toEqual(['roots', []])
    expect(await askSync(['held', 3, network.beacon(3)])).toEqual(['refused', 'beacon'])
    expect(await askSync(['held', firstOpen, seedOf('another branch')])).toEqual(['refused', 'beacon'])
    expect(await askSync(['fetch', 3, network.beacon(3), [1]])).toEqual(['attestations', []])
    expect(snapshots).toEqual([])
  })

  test('equivocations/1: a proof of any open epoch is taken, and what is not of this branch reads nothing', async () => {
    const { collector } = node.daemon
    const proofOf = async (epoch: number, beacon = network.beacon(epoch)): Promise<Uint8Array> => {
      const context = await node.context(epoch)
      const verdicts = new Uint8Array(3).fill(Verdict.timeout)
      const other = attest(network, context, 2, { beacon, verdicts, addresses: [] })
      return encodeProof(createProof(attest(network, context, 2, { beacon }), other))
    }
    const forged = await proofOf(firstOpen + 3, seedOf('another branch'))
    const good = await proofOf(firstOpen + 1)
    // Until the epoch is in no memory any more.
    for (let epoch = 2; epoch < current; epoch++) await node.daemon.node.epochs.get(epoch % firstOpen)
    snapshots = []
    expect(await collector.takeProof(forged, 'gossip')).toMatchObject({
      is: 'ignore',
      code: 'equivocation-unknown-seat',
    })
    expect(snapshots).toEqual([])
    expect(await collector.takeProof(good, 'gossip')).toMatchObject({ is: 'accept' })
    expect(await collector.takeProof(good, 'gossip')).toMatchObject({ code: 'equivocation-known' })
  })
})

test('R-CHAIN-2 right after a reorganisation gossip of the running epochs is taken', async () => {
  const { collector, node: parts } = node.daemon
  const { bytes } = attest(network, await node.context(current), 1)
  parts.epochs.forgetAbove(network.height(current) - 1)
  expect(parts.epochs.peek(current)).toBeUndefined()
  expect(await collector.take(bytes, 'gossip')).toMatchObject({ is: 'accept' })
})
