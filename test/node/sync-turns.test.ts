import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createProof,
  encodeProof,
  protocols,
  type Seat,
  type SyncAnswer,
  syncAnswerCodec,
  syncRequestCodec,
} from '../../protocol/index.ts'
import { createAskingOrder, drawOthersOf } from '../../src/node/asking-order.ts'
import { createSyncTurns } from '../../src/node/sync-turns.ts'
import {
  attest,
  attestOtherwise,
  createTestNetwork,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { type LocalHost, until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

const epoch = 2
const signal = (): AbortSignal => AbortSignal.timeout(90_000)

let network: TestNetwork
const useNetwork = (nodes: number): void => {
  beforeEach(async () => {
    network = await createTestNetwork({ nodes, params: { committee: 3 }, epochsPerWeek: 3 })
  })
  afterEach(() => network.stop())
}

/** Of a stake without a seat, so that it asks only when the test says so. */
const startVictim = (options: object = {}): Promise<TestNode> =>
  network.start(0, { stake: seedOf('nobody').slice(0, 20), ...options })

/** A seat without a daemon that answers sync as the test wants it, and counts questions for proofs. */
const startHostile = async (
  index: number,
  answerOf: (kind: string) => Promise<SyncAnswer | Uint8Array>,
): Promise<LocalHost & { asked(): number }> => {
  const host = await network.startPeer({ index })
  let asked = 0
  const limits = {
    maxRequestBytes: 10_000,
    maxResponseBytes: 500_000,
    timeoutMs: 60_000,
    maxConcurrentPerPeer: 8,
    maxConcurrent: 8,
  }
  await host.handle(protocols.sync, limits, async (bytes) => {
    const request = syncRequestCodec.decode(bytes)
    const kind = request.is === 'ok' ? request.value[0] : ''
    if (kind === 'proofs') asked++
    const answer = await answerOf(kind)
    return answer instanceof Uint8Array ? answer : syncAnswerCodec.encode(answer)
  })
  return { ...host, asked: () => asked }
}

/** Hides everything, and says nothing that can be shown to be wrong. */
const hiding = async (kind: string): Promise<SyncAnswer> =>
  kind === 'proofs' ? ['proofs', []] : ['roots', []]

/** Turns of a daemon with a contact that says what the test wants; it takes none by itself. */
const turnsOf = ({ daemon }: TestNode, isAlone: boolean) => {
  const answered: boolean[] = []
  const node = { ...daemon.node, ownSeat: () => network.rows[0]!.seat }
  const turns = createSyncTurns(node, {
    sync: daemon.sync,
    contact: {
      ...daemon.contact,
      isAlone: () => isAlone,
      onSyncTurn: (isAnswered) => void answered.push(isAnswered),
    },
    askCertificate: () => Promise.resolve(),
  })
  return {
    answered,
    take: async () => {
      const context = (await daemon.epochs.get(epoch))!
      await turns.take(context, epoch, signal())
    },
  }
}

/** Of the seat at `index`, held by a node that nobody in gossip hears of it any more. */
const giveProof = async (node: TestNode, index: number): Promise<Seat> => {
  const context = await node.context(epoch)
  const proof = createProof(attest(network, context, index), attestOtherwise(network, context, index))
  expect(await node.daemon.collector.takeProof(encodeProof(proof))).toMatchObject({ is: 'accept' })
  return network.rows[index]!.seat
}

const proofsOf = async (node: TestNode): Promise<Seat[]> => {
  const { week } = await node.context(epoch)
  return [...(await node.daemon.collector.equivocators(week)).keys()]
}

describe('R-SYNC-2 whom a node asks', () => {
  useNetwork(24)

  const orderOf = (addressOf: (index: number) => string, salt = 0) => {
    let drawn = 0
    return createAskingOrder({
      ownSeat: () => network.rows[0]!.seat,
      world: {
        now: () => 0,
        monotonicMs: () => 0,
        randomBytes: (length) => seedOf(`order ${salt}`, drawn++).slice(0, length),
        setTimer: () => () => undefined,
      },
      resolveHost: (host) => Promise.resolve([addressOf(network.rows.findIndex((row) => row.host === host))]),
      allowLoopback: false,
    })
  }

  test('none twice before all others were asked, and never itself', async () => {
    const order = orderOf((index) => `81.${index}.0.1`)
    const asked: Seat[] = []
    for (let i = 0; i < 46; i++) asked.push((await order.next(network.rows, signal()))!.seat)
    const others = network.rows.slice(1).map(({ seat }) => seat)
    expect(asked.slice(0, 23).toSorted((a, b) => a - b)).toEqual(others)
    expect(asked.slice(23).toSorted((a, b) => a - b)).toEqual(others)
    expect(asked.slice(0, 23)).not.toEqual(others)
  })

  test('of those that it looks up, one that shares no prefix with the eight asked last', async () => {
    // Half of the seats live in one /16, as those of one owner may.
    const first: number[] = []
    for (let salt = 0; salt < 40; salt++) {
      const order = orderOf((index) => (index < 12 ? `81.7.0.${index}` : `81.${index}.0.1`), salt)
      for (let i = 0; i < 6; i++) {
        const row = await order.next(network.rows, signal())
        first.push(network.rows.indexOf(row!))
      }
    }
    // By chance it were half of them. One is asked before any, and others where all four that were drawn are of it.
    expect(first.filter((index) => index < 12).length / 40).toBeLessThan(1.5)
  })

  test('where all live behind one prefix, or no name is found, it asks them all the same', async () => {
    const together = orderOf(() => '81.7.0.1')
    const nameless = orderOf(() => 'not an address')
    for (const order of [together, nameless]) {
      const asked = new Set<Seat>()
      for (let i = 0; i < 23; i++) asked.add((await order.next(network.rows, signal()))!.seat)
      expect(asked.size).toBe(23)
    }
  })

  test('those who ask at the same time ask different seats', async () => {
    const order = orderOf((index) => `81.${index}.0.1`)
    const asked = await Promise.all([1, 2, 3].map(() => order.next(network.rows, signal())))
    expect(new Set(asked.map((row) => row!.seat)).size).toBe(3)
  })

  test('whatever was asked: others than that, until none is left', () => {
    const seats = network.rows.map(({ seat }) => seat)
    fc.assert(
      fc.property(fc.subarray(seats), fc.integer({ min: 1, max: 8 }), (before, count) => {
        const asked = new Set(before)
        const drawn = drawOthersOf(network.rows, seats[0], asked, seedOf('draw'), count)
        const left = seats.slice(1).filter((seat) => !before.includes(seat))
        const from = left.length === 0 ? seats.slice(1) : left
        expect(drawn.every(({ seat }) => from.includes(seat))).toBe(true)
        expect(drawn).toHaveLength(Math.min(count, from.length))
      }),
    )
    expect(drawOthersOf(network.rows.slice(0, 1), seats[0], new Set(), seedOf('draw'), 4)).toEqual([])
  })
})

describe('R-SYNC-2 a turn', () => {
  useNetwork(4)

  test('goes on to other seats when one refuses and one answers garbage, and learns of an equivocation', async () => {
    const honest = await network.start(3)
    const equivocator = await giveProof(honest, 2)
    const busy = await startHostile(1, async () => ['refused', 'busy'])
    const garbage = await startHostile(2, async () => Uint8Array.of(0xff, 0xff))
    const victim = await startVictim()
    // It knows both, and is connected to nobody else.
    for (const peer of [busy, garbage]) await victim.daemon.host.dial(peer.target())
    const turns = turnsOf(victim, false)
    // Three seats are tried in a turn, and there are three: whatever the order, the honest one is among them.
    await turns.take()
    expect(await proofsOf(victim)).toEqual([equivocator])
    expect(turns.answered).toEqual([true])
  })

  test('goes on when a seat keeps silent, after the time of one request', async () => {
    const honest = await network.start(3)
    const equivocator = await giveProof(honest, 2)
    for (const index of [1, 2]) await startHostile(index, () => new Promise(() => undefined))
    const victim = await startVictim()
    await turnsOf(victim, false).take()
    expect(await proofsOf(victim)).toEqual([equivocator])
  })

  test('of a node whom nobody answers ends, and is known as such', async () => {
    await startHostile(1, async () => ['refused', 'busy'])
    const victim = await startVictim()
    const turns = turnsOf(victim, false)
    await turns.take()
    expect(turns.answered).toEqual([false])
    expect(await victim.count('syncExchanges', { outcome: 'failed' })).toBe(3)
  })

  test('of a node that is alone asks three seats, so that one that hides what it holds hides nothing', async () => {
    const honest = await network.start(3)
    const equivocator = await giveProof(honest, 2)
    const hostile = [await startHostile(1, hiding), await startHostile(2, hiding)]
    const victim = await startVictim()
    const turns = turnsOf(victim, true)
    await turns.take()
    expect(await proofsOf(victim)).toEqual([equivocator])
    expect(hostile.map((one) => one.asked())).toEqual([1, 1])
  })

  test('of a node that is not alone asks one; those that hide what they hold are not asked again before all were', async () => {
    const honest = await network.start(3)
    const equivocator = await giveProof(honest, 2)
    const hostile = [await startHostile(1, hiding), await startHostile(2, hiding)]
    const victim = await startVictim()
    const turns = turnsOf(victim, false)
    for (let turn = 0; turn < 3; turn++) await turns.take()
    expect(await proofsOf(victim)).toEqual([equivocator])
    expect(hostile.map((one) => one.asked())).toEqual([1, 1])
  })
})

describe('R-SYNC-2 R-ATT-3 a node whose neighbours drop all gossip', () => {
  useNetwork(6)

  test('learns an equivocation by itself before the week freezes', async () => {
    const honest = [await network.start(4), await network.start(5)]
    let equivocator: Seat | undefined
    for (const node of honest) equivocator = await giveProof(node, 3)
    const victim = await startVictim({ syncIntervalMs: 100 })
    const hostile = await Promise.all([1, 2, 3].map((index) => startHostile(index, hiding)))
    for (const peer of hostile) {
      for (const topic of ['attestations', 'equivocations', 'certificates']) {
        const name = `/secnode/${network.networkId}/${topic}/1`
        peer.subscribe(name, () => ({ is: 'ignore', code: 'dropped' }))
      }
      await peer.dial(victim.target)
    }
    await until(async () => (await proofsOf(victim)).length > 0)
    expect(await proofsOf(victim)).toEqual([equivocator])
    expect(victim.chain.view.confirmedHeight).toBeLessThan(network.height(4))
  })
})
