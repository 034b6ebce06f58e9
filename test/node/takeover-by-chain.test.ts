import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Epoch, equalBytes, firstEpochOfAnnouncement, type Snapshot } from '../../protocol/index.ts'
import { createNodeKeys, type NodeKeys } from '../../src/keys/node-key.ts'
import { judge } from '../../src/service/self-diagnosis/judge.ts'
import type { TakenOver } from '../../src/node/takeover.ts'
import { createHistoryStore } from '../../src/store/history.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import { createTestNetwork, play, type TestNetwork, type TestNode } from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'
import { observed } from '../service/self-diagnosis/observed.ts'

/** The chain gives the seat to its successor in the first of these, and back in the second. */
const first: Epoch = 5
const back: Epoch = 7

let network: TestNetwork
/** An identity of its own, and the voting key of seat 0. */
let successorKeys: NodeKeys

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 5,
    params: { committee: 3, attestBlocks: 2, retries: 1 },
    genesis: { epochBlocks: 8, confirmations: 2 },
  })
  const [own] = network.keys
  const { blsPublicKey, blsSecretKey } = own!
  successorKeys = {
    ...createNodeKeys((length) => seedOf('successor', length).slice(0, length)),
    blsPublicKey,
    blsSecretKey,
  }
  const changed: Snapshot = network.rows.map((row, i) =>
    i > 0
      ? row
      : {
          ...row,
          peer: successorKeys.peerKey,
          announced: { height: network.height(first - 2, 3), index: 0 },
        },
  )
  network.blocks.snapshotOf = (epoch) => (epoch >= first && epoch < back ? changed : network.rows)
})
afterEach(() => network.stop())

const signedIn = async (node: TestNode): Promise<Epoch[]> => {
  const { attestations } = await createHistoryStore(node.store, 'memory').read()
  return attestations.map(({ epoch }) => epoch)
}

test('R-ATT-8 both alive and cut off from each other, the chain names one of two keys for each epoch: nothing is signed twice', async () => {
  // Each sees one half of the others, and not the other daemon of its seat.
  const half = (seen: readonly number[], own: string) => (host: string) => {
    const index = network.rows.findIndex((row) => row.host === host)
    if (index === 0) return [own]
    return seen.includes(index) ? network.addresses.get(host) : ['127.0.0.1']
  }
  const nodes = await readyNodes(network, (index) => ({
    resolve:
      [half([1, 2], network.ip(0)), half([1, 2], network.ip(0)), half([1, 2], network.ip(0))][index] ??
      half([3, 4], network.ip(20)),
  }))
  const [old] = nodes as [TestNode, ...TestNode[]]
  const successor = await network.start(0, {
    keys: successorKeys,
    ip: network.ip(20),
    height: network.height(2),
    resolve: half([3, 4], network.ip(20)),
  })
  const everybody = [...nodes, successor]
  // Only a part of the others answers: that is known in the next epoch (R-ATT-5).
  await play(everybody, network.height(3))
  await until(() => everybody.every(({ daemon }) => !daemon.isRecovering()))

  await play(everybody, network.height(first - 2, 2))
  expect(old.daemon.takeover.moved()).toBe(null)
  await play(everybody, network.height(first - 2, 4))
  const moved = { seat: old.row.seat, peer: successorKeys.peerId, from: first }
  expect(old.daemon.takeover.moved()).toEqual(moved)
  const codes = judge(observed({ moved })).findings.map(({ code, severity }) => [code, severity])
  expect(codes).toEqual([['seat-moved', 'warning']])

  await play(everybody, network.height(back + 2))
  const byOld = await signedIn(old)
  const bySuccessor = await signedIn(successor)
  expect(bySuccessor).toEqual([first, first + 1])
  expect(byOld.filter((epoch) => epoch > 2)).toEqual([3, 4, back, back + 1])
  for (const one of everybody) expect(await one.count('equivocations')).toBe(0)
  // The way back asks for nothing but the announcement: the old daemon, which has run on, goes on.
  expect(old.daemon.takeover.moved()).toBe(null)
})

test('R-ATT-8 of an epoch in which the chain names the other key it gives no receipt, and owes no place', async () => {
  const nodes = await readyNodes(network)
  const [old] = nodes as [TestNode, ...TestNode[]]
  await play(nodes, network.height(first, 1))
  const context = await old.context(first)
  expect(old.daemon.node.ownSeat()).toBe(old.row.seat)
  expect(old.daemon.node.ownRowIn(context)).toBe(undefined)
  expect(old.daemon.challenger.state()?.epoch).not.toBe(first)
  expect(old.daemon.askedBy(first).size).toBe(0)
})

test('R-ATT-8 a standby is the seat as soon as the chain names its own key, before the first epoch that is its own', async () => {
  const nodes = await readyNodes(network)
  const standby = await network.start(0, {
    isStandby: true,
    keys: successorKeys,
    ip: network.ip(20),
    height: network.height(2),
  })
  const due: TakenOver[] = []
  standby.daemon.takeover.onDue((as) => due.push(as))
  await play([...nodes, standby], network.height(first - 3, 7))
  expect(due).toEqual([])
  await play([...nodes, standby], network.height(first - 2, 4))
  expect(due[0]).toBe('successor')
  expect(await signedIn(standby)).toEqual([])
  // By word it could not go on: the seat will not be its configuration's.
  await play([...nodes, standby], network.height(first, 1))
  await expect(standby.daemon.takeover.mayTakeOver()).rejects.toMatchObject({ code: 'TAKEOVER_KEYS' })
})

test('R-ATT-8 the first epoch of an announcement is the second after its own, or the next after a block that opens one', () => {
  const { genesis } = network
  expect(firstEpochOfAnnouncement(genesis, network.height(4, 1))).toBe(6)
  expect(firstEpochOfAnnouncement(genesis, network.height(5, -1))).toBe(6)
  expect(firstEpochOfAnnouncement(genesis, network.height(5))).toBe(6)
  expect(firstEpochOfAnnouncement(genesis, network.height(5, 1))).toBe(7)
  expect(equalBytes(successorKeys.blsPublicKey, network.keys[0]!.blsPublicKey)).toBe(true)
})
