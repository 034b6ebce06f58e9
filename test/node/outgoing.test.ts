import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  bytesToHex,
  encodeSigned,
  hasBit,
  indexOfSeat,
  protocols,
  type Signed,
  type SyncAnswer,
  syncAnswerCodec,
  type SyncRequest,
  syncRequestCodec,
  topicsOf,
} from '../../protocol/index.ts'
import { realWorld, type World } from '../../src/world.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import { copyOf } from '../fixtures/stores.ts'
import {
  ask,
  attest,
  attestOtherwise,
  createTestNetwork,
  play,
  type StartOptions,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { type LocalHost, until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

const epoch = 2
/** No other timer of a daemon is half as long. */
const publishSpreadMs = 2 ** 40

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

/** A node whose own attestation waits until the test says that its moment has come. */
const createWaiting = () => {
  const real = realWorld()
  let moments: (() => void)[] = []
  const world: World = {
    ...real,
    // Two bytes are asked for to draw the moment: half of the spread.
    randomBytes: (length) => (length === 2 ? Uint8Array.of(128, 0) : real.randomBytes(length)),
    setTimer: (ms, callback) => {
      if (ms !== publishSpreadMs / 2) return real.setTimer(ms, callback)
      moments.push(callback)
      return () => {
        moments = moments.filter((moment) => moment !== callback)
      }
    },
  }
  return {
    options: { publishSpreadMs, world } satisfies StartOptions,
    isWaiting: () => moments.length > 0,
    pass: () => moments.splice(0).forEach((moment) => moment()),
  }
}

/** All nodes, at the height at which they attest; the first one's attestation waits. */
const untilWaiting = async (options: StartOptions = {}) => {
  const waiting = createWaiting()
  const nodes = await readyNodes(network, (i) => (i === 0 ? { ...waiting.options, ...options } : {}))
  const [node, ...others] = nodes as [TestNode, ...TestNode[]]
  await play(nodes, attests())
  await until(() => waiting.isWaiting())
  return { waiting, nodes, node, others }
}

const question = async (peer: LocalHost, node: TestNode, request: SyncRequest): Promise<SyncAnswer> => {
  const bytes = await ask(peer, node.target, protocols.sync, syncRequestCodec.encode(request))
  const answer = syncAnswerCodec.decode(bytes)
  if (answer.is === 'bad') throw new Error(answer.code)
  return answer.value
}

/** What a node shows to whoever asks of the seat at index 0: in its bits, when asked by epoch, when asked by seat. */
const shownBy = async (node: TestNode, peer: LocalHost): Promise<boolean[]> => {
  const { beacon, snapshot } = await node.context(epoch)
  const { seat } = network.rows[0]!
  const held = await question(peer, node, ['held', epoch, beacon])
  const fetched = await question(peer, node, ['fetch', epoch, beacon, [seat]])
  const ofSeat = await question(peer, node, ['of-seat', seat, epoch, 1])
  return [
    held[0] === 'held' && hasBit(held[1], indexOfSeat(snapshot, seat)),
    fetched[0] === 'attestations' && fetched[1].length > 0,
    ofSeat[0] === 'attestations' && ofSeat[1].length > 0,
  ]
}

const isHeldBy = async (nodes: readonly TestNode[], of = epoch): Promise<boolean> => {
  const held = await Promise.all(
    nodes.map(async (node) => await node.daemon.collector.held(await node.context(of))),
  )
  return held.every((rows) => rows.some(({ seat }) => seat === network.rows[0]!.seat))
}

const ownSigned = async (node: TestNode): Promise<Signed | undefined> =>
  await node.daemon.node.attestations.ownSigned(epoch, network.beacon(epoch))

const exchangeAll = async (others: readonly TestNode[], node: TestNode): Promise<void> => {
  for (const other of others)
    await other.daemon.sync.exchange(node.row, epoch, epoch, AbortSignal.timeout(20_000))
}

/** Until all are connected with this node and have told that they listen: what is sent before goes to fewer. */
const untilHeard = async (node: TestNode, others: readonly TestNode[]): Promise<void> => {
  const context = await node.context(epoch)
  const topic = topicsOf(network.networkId).attestations.name
  for (const other of others) await node.daemon.host.dial(other.target)
  let number = 0
  // Of another branch: ignored, and nobody's fault.
  const filler = () => attest(network, context, 4, { beacon: seedOf('filler', number++) }).bytes
  await until(async () => (await node.daemon.host.publish(topic, filler())) >= others.length)
}

describe('R-ATT-5 an own attestation that is signed and waits', () => {
  test('R-SYNC-1 is on disk and shown to nobody; when its moment comes all have it by gossip', async () => {
    const { waiting, node, others } = await untilWaiting()
    const stranger = await network.startPeer({})
    const signed = await ownSigned(node)
    expect(signed).toBeDefined()
    expect(await shownBy(node, stranger)).toEqual([false, false, false])
    await exchangeAll(others, node)
    expect(await isHeldBy([others[0]!])).toBe(false)
    // Neither does it count in the own root.
    const context = await node.context(epoch)
    const before = await node.daemon.collector.rootOf(context)
    expect(await isHeldBy([node])).toBe(false)

    await untilHeard(node, others)
    waiting.pass()
    // Nobody asks anybody by sync meanwhile.
    await until(() => isHeldBy([node, ...others]))
    expect(await shownBy(node, stranger)).toEqual([true, true, true])
    expect(await node.daemon.collector.rootOf(context)).toMatchObject({ count: before.count + 1 })
    for (const other of others) {
      const [held] = await other.daemon.collector.heldOf(await other.context(epoch), [node.row.seat])
      expect(held!.signed).toEqual(signed)
    }
    // On disk like those of others: a restart reads it back.
    const [kept] = await node.daemon.node.attestations.ofSeats(epoch, context.beacon, [node.row.seat])
    expect(kept).toMatchObject({ signed, heldAt: attests() })
  })

  test('R-CP-3 goes out when its epoch is over, whatever its moment, and at once when its node stops', async () => {
    const { waiting, nodes, node, others } = await untilWaiting()
    await untilHeard(node, others)
    await play(nodes, network.height(3) - 1)
    expect(await isHeldBy([node])).toBe(false)
    await play(nodes, network.height(3))
    await until(() => isHeldBy([node, ...others]))
    // Half an epoch before anybody must hold it.
    expect(network.height(3)).toBe((await node.context(epoch)).phases.mustHold - 4)

    await play(nodes, attests(3))
    await until(() => waiting.isWaiting())
    expect(await isHeldBy([node], 3)).toBe(false)
    await node.stop()
    await until(() => isHeldBy(others, 3))
  })

  test('is sent by the next start after a crash, the same bytes', async () => {
    const sent: string[] = []
    const record = (signed: Signed): void => void sent.push(bytesToHex(encodeSigned(signed)))
    // Of the one that crashes nothing leaves.
    const { node, others } = await untilWaiting({ conduct: () => ({ publish: () => Promise.resolve() }) })
    const signed = (await ownSigned(node))!
    const disk = await copyOf(node.store)
    await node.stop()
    const again = await network.start(0, {
      store: disk,
      height: attests(),
      publishSpreadMs,
      conduct: (honest) => ({
        publish: (context, own, send) => {
          record(own)
          return honest.publish(context, own, send)
        },
      }),
    })
    await until(() => sent.length > 0)
    await until(() => isHeldBy([again]))
    await exchangeAll(others, again)
    expect(await isHeldBy(others)).toBe(true)
    await play([again, ...others], network.height(3))
    expect(sent).toEqual([bytesToHex(encodeSigned(signed))])
    for (const other of others) {
      const [held] = await other.daemon.collector.heldOf(await other.context(epoch), [node.row.seat])
      expect(held!.signed).toEqual(signed)
    }
  })

  test('R-ATT-3 is not sent when another one of the same keys is out: the seat is no equivocator', async () => {
    const { waiting, node, others, nodes } = await untilWaiting()
    const context = await node.context(epoch)
    const twin = attestOtherwise(network, context, 0)
    expect((await ownSigned(node))!.payload).not.toEqual(twin.payload)
    for (const one of nodes) {
      expect(await one.daemon.collector.take(twin.bytes, 'gossip')).toMatchObject({ is: 'accept' })
    }
    await untilHeard(node, others)
    waiting.pass()
    await play(nodes, network.height(3))
    await exchangeAll(others, node)
    for (const one of nodes) {
      expect(await one.count('equivocations')).toBe(0)
      const [held] = await one.daemon.collector.heldOf(await one.context(epoch), [node.row.seat])
      expect(held!.signed.payload).toEqual(twin.payload)
    }
  })

  test('R-CHAIN-2 under a beacon that is gone is never sent', async () => {
    const { waiting, node, others } = await untilWaiting()
    const old = await node.context(epoch)
    await untilHeard(node, others)
    await node.chain.reorganise(network.height(epoch) - 1, network.height(epoch, 3))
    waiting.pass()
    await node.chain.advance(network.height(3))
    expect(await node.daemon.node.attestations.ofSeats(epoch, old.beacon, [node.row.seat])).toEqual([])
    await node.stop()
    expect(await isHeldBy([others[0]!])).toBe(false)
  })
})
