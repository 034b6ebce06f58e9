import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeSigned, protocols, type Seat, topicsOf } from '../../../protocol/index.ts'
import { realWorld } from '../../../src/world.ts'
import {
  attest,
  createTestNetwork,
  type StartOptions,
  type TestNetwork,
  type TestNode,
} from '../../fixtures/test-network.ts'
import { createTestChain } from '../../fixtures/test-chain.ts'
import { type LocalHost, until } from '../../net/local-hosts.ts'
import { startRawPeer } from '../../net/raw-peer.ts'
import { seedOf } from '../../protocol/fixture.ts'

const epoch = 2
const seats = 8

let network: TestNetwork
/** Of the nodes of a test; goes on only when the test says so. */
let nowMs: number
beforeEach(async () => {
  nowMs = realWorld().monotonicMs()
  network = await createTestNetwork({ nodes: seats, params: { committee: 3 } })
})
afterEach(() => network.stop())

/** Of a stake without a seat, at the first height of epoch 2: it challenges nobody. */
const start = (index: number, options: StartOptions = {}): Promise<TestNode> =>
  network.start(index, {
    stake: seedOf('nobody').slice(0, 20),
    world: { ...realWorld(), monotonicMs: () => nowMs },
    ...options,
  })

/** Minutes go by, and the node looks four times in each. */
const pass = ({ daemon }: TestNode, minutes: number): void => {
  for (let look = 0; look <= 4 * minutes; look++) {
    daemon.contact.look()
    nowMs += 15_000
  }
}

const mesh = ({ daemon }: TestNode): number =>
  Math.min(
    ...Object.values(topicsOf(network.networkId)).map(({ name }) => daemon.host.gossipNeighbours(name)),
  )

/** Takes part in gossip and passes nothing on. */
const dropAll = (peer: LocalHost): void => {
  for (const { name } of Object.values(topicsOf(network.networkId))) {
    peer.subscribe(name, () => ({ is: 'ignore', code: 'dropped' }))
  }
}

describe('R-SYNC-3 neighbours in gossip', () => {
  test('peers that are connected and take no part in gossip: known after two minutes, over after two good ones', async () => {
    const victim = await start(0)
    for (const index of [1, 2, 3]) await (await network.startPeer({ index })).dial(victim.target)
    await until(() => victim.daemon.host.peers().filter(({ isRegistered }) => isRegistered).length === 3)
    expect(mesh(victim)).toBe(0)
    pass(victim, 1)
    expect(victim.daemon.contact.observed()).toMatchObject({ neighbours: 0, isAlone: false })
    pass(victim, 1)
    expect(victim.daemon.contact.observed()).toMatchObject({ isWithoutNeighbour: true, isAlone: true })

    const honest = await start(4)
    await honest.daemon.host.dial(victim.target)
    await until(() => mesh(victim) === 1)
    pass(victim, 1)
    expect(victim.daemon.contact.isAlone()).toBe(true)
    pass(victim, 2)
    expect(victim.daemon.contact.observed()).toMatchObject({ isWithoutNeighbour: false, isAlone: false })
  })

  test('a network of three, over ten minutes and a restart of both others: never alone', async () => {
    const nodes = [await start(0), await start(1), await start(2)] as const
    const [own, ...others] = nodes
    for (const other of others) await other.daemon.host.dial(own.target)
    await until(() => mesh(own) > 0)
    const alone: boolean[] = []
    const watch = (minutes: number): void => {
      for (let minute = 0; minute < minutes; minute++) {
        pass(own, 1)
        alone.push(own.daemon.contact.isAlone())
      }
    }
    watch(4)
    for (const other of others) await other.stop()
    await until(() => own.daemon.host.peers().length === 0)
    watch(4)
    for (const index of [1, 2]) await (await start(index)).daemon.host.dial(own.target)
    await until(() => mesh(own) > 0)
    watch(4)
    expect(alone).toEqual(Array(12).fill(false))
  })
})

test('R-SYNC-3 a node whose chain is a day behind has its neighbours, and is not alone', async () => {
  const chain = createTestChain(network.blocks, network.height(epoch))
  chain.isBehind = true
  const victim = await start(0, { chain })
  const ahead = await start(1, { height: network.height(8) })
  await ahead.daemon.host.dial(victim.target)
  await until(() => ahead.daemon.host.gossipPeers(topicsOf(network.networkId).attestations.name) === 1)
  await until(() => victim.daemon.host.peers().length === 1)
  pass(victim, 10)
  expect(victim.daemon.contact.observed()).toMatchObject({ isWithoutNeighbour: false, isAlone: false })
})

describe('R-SYNC-3 attestations that are heard', () => {
  const context = (node: TestNode) => node.context(epoch)
  /** A node that follows the chain to mustHold of the epoch, with as many turns as a real one has. */
  const follow = async (node: TestNode, from = epoch, to = epoch): Promise<void> => {
    for (let one = from; one <= to; one++) {
      await node.chain.advance(network.attests(one))
      for (let turn = 0; turn < 8; turn++) node.daemon.contact.onSyncTurn(false)
      await node.chain.advance(network.height(one + 1, network.genesis.epochBlocks / 2))
    }
  }
  const take = async (node: TestNode, indexes: readonly number[]): Promise<void> => {
    for (const index of indexes) {
      const { bytes } = attest(network, await context(node), index)
      expect(await node.daemon.collector.take(bytes, 'gossip')).toMatchObject({ is: 'accept' })
    }
  }

  test('neighbours that drop what they should pass on: known at mustHold, and the epoch was not run through', async () => {
    const victim = await start(0, { height: network.height(epoch) - 1 })
    const hostile = await Promise.all([1, 2, 3].map((index) => network.startPeer({ index })))
    for (const peer of hostile) {
      dropAll(peer)
      await peer.dial(victim.target)
    }
    await until(() => mesh(victim) === 3)
    await victim.chain.advance(network.height(epoch))
    await take(victim, [1])
    await follow(victim)
    expect(victim.daemon.contact.observed()).toMatchObject({
      isAlone: true,
      isWithoutNeighbour: false,
      hearing: { epoch, heard: 1, others: seats, inARow: 1 },
    })
    // Mesh and chain were there all the time.
    await victim.chain.advance((await context(victim)).phases.closes)
    expect(victim.daemon.contact.wasInTouch(await context(victim))).toBe(false)
  })

  test('sync brings what gossip does not: nothing is found, and the epoch was run through', async () => {
    const honest = await start(4, { height: network.height(epoch) })
    await take(honest, [1, 2, 3, 5, 6, 7])
    const victim = await start(0, { height: network.height(epoch) - 1 })
    const hostile = await network.startPeer({ index: 1 })
    dropAll(hostile)
    await hostile.dial(victim.target)
    await until(() => mesh(victim) === 1)
    await victim.chain.advance(network.height(epoch))
    await victim.daemon.sync.exchange(honest.row, epoch, epoch, AbortSignal.timeout(60_000))
    await follow(victim)
    expect(victim.daemon.contact.observed()).toMatchObject({
      isAlone: false,
      hearing: { epoch, heard: 6, others: seats, inARow: 0 },
    })
    await victim.chain.advance((await context(victim)).phases.closes)
    expect(victim.daemon.contact.wasInTouch(await context(victim))).toBe(true)
  })

  test('what comes after mustHold was not heard by then', async () => {
    const victim = await start(0, { height: network.height(epoch) - 1 })
    await victim.chain.advance(network.attests(epoch))
    for (let turn = 0; turn < 8; turn++) victim.daemon.contact.onSyncTurn(false)
    const { mustHold } = (await context(victim)).phases
    await victim.chain.advance(mustHold - 1)
    await take(victim, [1, 2])
    // The same block brings mustHold and what comes with it.
    await victim.chain.advance(mustHold)
    await take(victim, [3, 4, 5, 6])
    expect(victim.daemon.contact.observed().hearing).toMatchObject({ heard: 2, inARow: 1 })
  })

  test('a node that is a day behind, or has just started, finds nothing', async () => {
    const chain = createTestChain(network.blocks, network.height(epoch))
    chain.isBehind = true
    const victim = await start(0, { chain })
    await victim.chain.advance(network.height(8))
    chain.isBehind = false
    // Into the middle of an epoch, whose attestations it did not see come.
    await victim.chain.advance(network.height(9) - 1)
    await victim.chain.jump(network.height(12))
    expect(victim.daemon.contact.observed()).toMatchObject({ hearing: null, branch: null })
  })

  test('a chain that stood still for more than attestBlocks: the epochs about it were not run through', async () => {
    const victim = await start(0, { height: network.height(epoch) - 1 })
    const peer = await network.startPeer({ index: 1 })
    dropAll(peer)
    await peer.dial(victim.target)
    await until(() => mesh(victim) === 1)
    await victim.chain.advance(network.height(3) + 1)
    await victim.chain.jump(network.height(3, 2 + network.params.attestBlocks))
    await victim.chain.advance(network.height(6))
    const ran = []
    for (const one of [2, 3, 4]) ran.push(victim.daemon.contact.wasInTouch(await victim.context(one)))
    expect(ran).toEqual([false, false, true])
  })
})

describe('R-SYNC-3 seats under another beacon', () => {
  /** A node whose chain forked off below the running epoch. */
  const forked = async (index = 0): Promise<TestNode> => {
    const victim = await start(index)
    await victim.chain.reorganise(network.height(epoch) - 1, network.height(epoch, 1))
    return victim
  }
  const branch = ({ daemon }: TestNode) => daemon.contact.observed().branch

  test('known by what they sign, however it came here; over when its chain is theirs again', async () => {
    const victim = await forked()
    const theirs = await start(7)
    const context = await theirs.context(epoch)
    const peer = await network.startPeer({ index: 6 })
    const topic = topicsOf(network.networkId).attestations.name
    dropAll(peer)
    await peer.dial(victim.target)
    await until(() => mesh(victim) === 1)
    for (const index of [1, 2, 3, 4]) {
      await peer.publish(topic, encodeSigned(attest(network, context, index)))
    }
    await until(
      async () => (await victim.count('messages', { kind: 'attestation', code: 'attestation-beacon' })) === 4,
    )
    // Half of eight.
    expect(branch(victim)).toBeNull()
    await peer.publish(topic, encodeSigned(attest(network, context, 5)))
    await until(() => branch(victim) !== null)
    expect(branch(victim)).toEqual({ epoch, is: 'other', other: 5, seats })
    expect(victim.daemon.contact.isAlone()).toBe(true)
    expect(await victim.penalties()).toBe(0)

    await victim.chain.reorganise(network.height(epoch) - 1, network.height(epoch, 2))
    expect(branch(victim)).toBeNull()
    expect(victim.daemon.contact.isAlone()).toBe(false)
  })

  test('not known by what is only said of them: a stranger makes nobody alone', async () => {
    const victim = await forked()
    const context = await (await start(7)).context(epoch)
    const peer = await network.startPeer({ index: 6 })
    const topic = topicsOf(network.networkId).attestations.name
    dropAll(peer)
    await peer.dial(victim.target)
    await until(() => mesh(victim) === 1)
    for (const index of [1, 2, 3, 4, 5]) {
      const { payload, signature } = attest(network, context, index)
      const forged = signature.map((byte, i) => (i === 40 ? byte ^ 1 : byte))
      await peer.publish(topic, encodeSigned({ payload, signature: forged }))
    }
    await until(
      async () => (await victim.count('messages', { kind: 'attestation', code: 'attestation-beacon' })) === 5,
    )
    expect(branch(victim)).toBeNull()
  })

  test('known by whom they are when they are asked, with all gossip cut', async () => {
    const victim = await forked()
    const asked: Seat[] = []
    for (const index of [1, 2, 3, 4, 5]) {
      const other = await start(index)
      asked.push(other.row.seat)
      expect(branch(victim)).toBeNull()
      await victim.daemon.sync.exchange(other.row, epoch, epoch, AbortSignal.timeout(60_000))
    }
    expect(asked).toHaveLength(5)
    expect(branch(victim)).toEqual({ epoch, is: 'other', other: 5, seats })
  })

  test('a hostile third says nothing, nor do peers that are behind', async () => {
    const victim = await start(0)
    const other = await forked(4)
    const context = await other.context(epoch)
    for (const index of [1, 2]) {
      const { bytes } = attest(network, context, index)
      await victim.daemon.collector.take(bytes, 'gossip')
    }
    const behind = await start(3, { height: network.height(1) })
    await victim.daemon.sync.exchange(behind.row, epoch, epoch, AbortSignal.timeout(60_000))
    expect(branch(victim)).toBeNull()
    for (const index of [3, 4, 5, 6, 7]) {
      const { bytes } = attest(network, await victim.context(epoch), index)
      await victim.daemon.collector.take(bytes, 'gossip')
    }
    expect(branch(victim)).toMatchObject({ is: 'ours', other: 2 })
  })
})

describe('R-ADM-1 streams of others on which nothing is asked', () => {
  const raised = ({ daemon }: TestNode): boolean => daemon.contact.observed().streams.isRaised

  test('held by some seats: known after two minutes, over when they are gone', async () => {
    const victim = await start(0)
    const hogs = []
    for (const index of [1, 2, 3]) {
      const hog = await startRawPeer(
        network.ip(index),
        await generateKeyPairFromSeed('Ed25519', network.keys[index]!.seed),
      )
      hogs.push(hog)
      const connection = await hog.connect(victim.target.address!)
      for (let i = 0; i < 4; i++) {
        await connection.newStream(`/secnode/${network.networkId}/${protocols.challenge}`)
      }
    }
    const unread = (): number => victim.daemon.contact.observed().streams.unread
    await until(() => unread() === 12)
    pass(victim, 1)
    expect(raised(victim)).toBe(false)
    pass(victim, 2)
    expect(raised(victim)).toBe(true)
    for (const hog of hogs) await hog[Symbol.asyncDispose]()
    await until(() => unread() === 0)
    pass(victim, 3)
    expect(raised(victim)).toBe(false)
  })

  test('eight slow ones are nothing', async () => {
    const victim = await start(0)
    await using hog = await startRawPeer(
      network.ip(1),
      await generateKeyPairFromSeed('Ed25519', network.keys[1]!.seed),
    )
    await using other = await startRawPeer(
      network.ip(2),
      await generateKeyPairFromSeed('Ed25519', network.keys[2]!.seed),
    )
    for (const peer of [hog, other]) {
      const connection = await peer.connect(victim.target.address!)
      for (let i = 0; i < 4; i++) {
        await connection.newStream(`/secnode/${network.networkId}/${protocols.challenge}`)
      }
    }
    await until(() => victim.daemon.contact.observed().streams.unread === 8)
    pass(victim, 10)
    expect(raised(victim)).toBe(false)
  })
})
