import { describe, expect, test } from 'vitest'
import {
  bytesToHex,
  cidOf,
  compareContents,
  createFlatEpoch,
  epochPhases,
  epochRoot,
  hash,
  signPayload,
  type SignedAttestation,
} from '../../../protocol/index.ts'
import { createActorStream } from '../../../sim/actor-stream.ts'
import { createChainClock } from '../../../sim/messages/chain-clock.ts'
import { createNodeChance } from '../../../sim/messages/chance.ts'
import type { EpochContext } from '../../../sim/messages/epoch-context.ts'
import { createEventQueue } from '../../../sim/messages/events.ts'
import { createGossip } from '../../../sim/messages/gossip.ts'
import { createHoldings, type Holdings } from '../../../sim/messages/holdings.ts'
import { createMesh, drawConnections } from '../../../sim/messages/mesh.ts'
import { createNetwork } from '../../../sim/messages/network.ts'
import { NetworkPlan } from '../../../sim/messages/network-plan.ts'
import { createPropagationCount } from '../../../sim/messages/propagation.ts'
import { createPublishing } from '../../../sim/messages/publishing.ts'
import { createStarts } from '../../../sim/messages/starts.ts'
import {
  aggregateStandIns,
  blsStandIn,
  signStandIn,
  verifyStandIn,
  voteStandIn,
} from '../../../sim/messages/stand-ins.ts'
import { rulesOf } from '../../../sim/rules.ts'
import { parseScenario } from '../../../sim/scenario.ts'
import { drawBeacon } from '../../../sim/statistical/beacons.ts'
import { createMembership } from '../../../sim/statistical/membership.ts'
import { createRing, indexSnapshot } from '../../../sim/statistical/ring.ts'
import { createPopulation } from '../../../sim/population.ts'

const streamOf = (node: number) => createActorStream(4, 0, 'parts', node)

const scenario = parseScenario(
  {
    name: 'parts',
    weeks: 1,
    engine: 'messages',
    population: [{ name: 'honest', nodes: 40, addresses: { prefixes24: 40, prefixes16: 2 } }],
  },
  'parts',
)

const contextOf = (epoch: number): EpochContext => {
  const { genesis, params, networkId, epochsPerWeek } = rulesOf(scenario)
  const population = createPopulation(scenario, 0)
  const membership = createMembership(scenario, 0, population, genesis, networkId, epochsPerWeek)
  const snapshot = membership.snapshotAt(epoch)
  const known = indexSnapshot(snapshot, membership)
  const drawn = drawBeacon(networkId, epoch, params.committee, known.nodeOfIndex, population, streamOf(99))
  const flat = createFlatEpoch(drawn.committees)
  const isUp = new Uint8Array(40).fill(1)
  return {
    epoch,
    week: 1,
    beacon: drawn.beacon,
    committees: drawn.committees,
    drawn,
    ...known,
    indexOfNode: Int32Array.from(known.nodeOfIndex.keys()),
    indexOfSeat: new Map(snapshot.map(({ seat }, index) => [seat, index])),
    phases: epochPhases(genesis, params.attestBlocks, epoch),
    isUp,
    ring: createRing(epoch, drawn, flat, known, population, { up: isUp, sides: null }, membership),
    flat,
    firstMessage: 0,
  }
}

const attestationOf = (context: EpochContext, index: number): SignedAttestation => {
  const { networkId } = rulesOf(scenario)
  const { seat, stake } = context.snapshot[index]!
  const payload = hash('payload', index)
  const cid = cidOf(payload)
  const { epoch, beacon } = context
  const attestation = {
    networkId,
    epoch,
    beacon,
    seat,
    stake,
    previous: null,
    verdicts: new Uint8Array(0),
    addresses: [],
    evidence: cid,
  }
  return { attestation, cid, signed: signPayload('att', networkId, payload, () => new Uint8Array(64)) }
}

const digestOf = (holdings: Holdings, node: number): string => {
  const { low, high } = holdings.digests(2)!
  return `${low[node]} ${high[node]}`
}

describe('what nodes hold', () => {
  const setUp = () => {
    const context = contextOf(2)
    const holdings = createHoldings(40)
    holdings.open(context)
    for (let index = 0; index < 40; index++) holdings.exists(2, index, attestationOf(context, index))
    return { context, holdings }
  }

  test('R-SYNC-1 digests are equal exactly where roots are, in whatever order things came', () => {
    const { context, holdings } = setUp()
    const { opens } = context.phases
    const sets = [[3, 1, 2], [1, 2, 3], [1, 2], [], [5], [2, 3, 1, 5]]
    for (const [node, set] of sets.entries())
      for (const index of set) holdings.take(node, 2, index, opens, 'verified')
    const said = sets.map((_, node) => {
      const { rows } = holdings.holding(node, 2, true).holding
      return { digest: digestOf(holdings, node), root: bytesToHex(epochRoot(rows)) }
    })
    for (const a of said) for (const b of said) expect(a.digest === b.digest).toBe(a.root === b.root)
    expect(said[0]!.root).toBe(said[1]!.root)
    expect(new Set(said.map(({ root }) => root)).size).toBe(5)
  })

  test('R-CP-3 an epoch that is closed says what it said when it was open: what must, what may, what came too late', () => {
    const { context, holdings } = setUp()
    const { opens, mustHold, closes } = context.phases
    expect(holdings.take(7, 2, 0, opens, 'verified')).toBe(true)
    expect(holdings.take(7, 2, 0, opens + 1, 'verified')).toBe(false)
    holdings.take(7, 2, 1, mustHold - 1, 'verified')
    holdings.take(7, 2, 2, mustHold, 'verified')
    holdings.take(7, 2, 3, closes - 1, 'verified')
    holdings.take(7, 2, 4, closes, 'verified')
    const proposals = [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4], [0]].map((indexes) => {
      const rows = indexes.map((index) => ({
        seat: context.snapshot[index]!.seat,
        cid: attestationOf(context, index).cid,
      }))
      return { contents: { count: rows.length, root: epochRoot(rows) }, set: { is: 'leaves' as const, rows } }
    })
    const judge = () =>
      proposals.map(({ contents, set }) =>
        compareContents(holdings.holding(7, 2, true).holding, new Set(), contents, set),
      )
    const open = judge()
    holdings.close(2)
    expect(judge()).toEqual(open)
    expect(open.map(({ is }) => is)).toEqual(['agrees', 'agrees', 'differs', 'differs'])
    expect(open[2]).toMatchObject({ missing: [], late: [context.snapshot[4]!.seat] })
    expect(open[3]).toMatchObject({ missing: [{ seat: context.snapshot[1]!.seat }], late: [] })
    expect(holdings.spans(7, 2)).toEqual([35, 2, 2, 1])
    // Fetched afterwards: held, and late.
    const missing = (): number[] =>
      Array.from({ length: holdings.sizeOf(2)! }, (_, index) => index).filter(
        (index) => holdings.holds(7, 2, index) && !holdings.holds(8, 2, index),
      )
    expect(missing()).toEqual([0, 1, 2, 3, 4])
    expect(holdings.addLate(8, 2, [0, 4])).toBe(2)
    expect(holdings.addLate(8, 2, [0, 4])).toBe(0)
    expect(missing()).toEqual([1, 2, 3])
    // R-SYNC-1: what a digest says of an epoch that is closed.
    expect(digestOf(holdings, 8)).not.toBe(digestOf(holdings, 7))
    holdings.addLate(8, 2, missing())
    expect(digestOf(holdings, 8)).toBe(digestOf(holdings, 7))
    expect(holdings.span(8, 2, 0)).toBe(3)
    expect(holdings.holding(9, 2, true).key).toBe(holdings.holding(10, 2, true).key)
    expect(holdings.holding(9, 2, true).key).not.toBe(holdings.holding(8, 2, true).key)
  })
})

describe('gossip', () => {
  const nodes = 60
  const play = (changes: object, spreads: boolean) => {
    const plan = NetworkPlan.parse({ latencyMs: [20, 20], ...changes })
    const queue = createEventQueue()
    const chance = createNodeChance(nodes, streamOf)
    const network = createNetwork(queue, chance, {
      nodes,
      latency: { is: 'uniform', fromMs: 20, toMs: 20 },
      megabitsPerSecond: Infinity,
      loss: plan.loss,
    })
    const connections = drawConnections(nodes, plan, new Map(), streamOf)
    const mesh = createMesh(connections, plan.gossip, streamOf)
    const isUp = new Uint8Array(nodes).fill(1)
    mesh.settle(isUp, network.isCut)
    const arrivedAt = new Float64Array(nodes).fill(Infinity)
    const gossip = createGossip(queue, network, chance, {
      nodes,
      messages: 64,
      plan,
      connections,
      mesh,
      isUp,
      onFirst: (node) => {
        arrivedAt[node] = queue.now()
        return spreads
      },
      passes: () => true,
    })
    queue.schedule(1_000_000, 99, 0, 0, 0)
    queue.run(Infinity, (kind, node, a, b) => {
      if (kind === 99) gossip.publish(5, 7, 400)
      else gossip.handle(kind, node, a, b)
    })
    return { gossip, mesh, arrivedAt, connections }
  }

  test('meshes keep to D_low and D_high and are symmetric', () => {
    const { mesh } = play({}, true)
    for (let node = 0; node < nodes; node++) {
      expect(mesh.degree[node]).toBeGreaterThanOrEqual(6)
      expect(mesh.degree[node]).toBeLessThanOrEqual(12)
      for (let i = 0; i < mesh.degree[node]!; i++)
        expect(mesh.has(mesh.links[node * mesh.most + i]!, node)).toBe(true)
    }
  })

  test('everybody hears of a message once, after a few hops, and the heartbeats end', () => {
    const { gossip, arrivedAt } = play({}, true)
    expect(gossip.counts.firsts).toBe(nodes - 1)
    expect(arrivedAt[5]).toBe(Infinity)
    for (let node = 0; node < nodes; node++) if (node !== 5) expect(arrivedAt[node]).toBeLessThan(1_080_000)
  })

  test('what is ignored is not passed on: only those that are connected with the publisher have it', () => {
    const { gossip, connections } = play({}, false)
    expect(gossip.counts.firsts).toBe(connections.first[6]! - connections.first[5]!)
    expect(gossip.counts.asked).toBe(0)
  })

  test('what is lost on the way is asked for after a heartbeat named it', () => {
    const { gossip, arrivedAt } = play(
      { loss: 0.5, gossip: { degree: 3, degreeLow: 2, degreeHigh: 3 } },
      true,
    )
    expect(gossip.counts.asked).toBeGreaterThan(0)
    expect(arrivedAt.filter((at) => at < Infinity).length).toBeGreaterThan(0.9 * nodes)
    const deaf = play(
      { loss: 0.5, gossip: { degree: 3, degreeLow: 2, degreeHigh: 3, lazyDegree: 0, gossipFactor: 0 } },
      true,
    )
    expect(deaf.gossip.counts.asked).toBe(0)
    expect(deaf.gossip.counts.firsts).toBeLessThan(gossip.counts.firsts)
  })
})

describe("the chain's clock", () => {
  test('R-CHAIN-2 a node knows the confirmed height of the blocks that it has heard of', () => {
    const clock = createChainClock(
      { from: 100, blockSeconds: 75, confirmations: 10, delays: Float64Array.of(0, 3_000_000) },
      streamOf(1),
    )
    const at = clock.minedAt(150)
    expect(clock.confirmedBy(0, at - 1)).toBe(139)
    expect(clock.confirmedBy(0, at)).toBe(140)
    expect(clock.confirmedBy(1, at + 2_999_999)).toBeLessThan(140)
    expect(clock.confirmedBy(1, at + 3_000_000)).toBeGreaterThanOrEqual(140)
    expect(clock.heardAt(1, 150)).toBe(at + 3_000_000)
    // Poisson: 4,000 intervals have a mean within some per cent of 75 s.
    expect(Math.abs(clock.minedAt(4_100) / 4_000 / 75e6 - 1)).toBeLessThan(0.06)
  })
})

describe('propagation', () => {
  test('shares are of all who should have got it; a curve rises to what was reached', () => {
    const count = createPropagationCount()
    count.expect(4)
    for (const ms of [10, 20, 3_000]) count.add(ms * 1_000)
    expect(count.quantile(0.5)).toBe(21)
    expect(count.quantile(0.75)).toBeGreaterThanOrEqual(3_000)
    expect(count.quantile(0.75)).toBeLessThanOrEqual(3_060)
    expect(count.quantile(1)).toBeNull()
    const { ms, share } = count.curve()
    expect(share).toEqual([0, 0.25, 0.5, 0.75])
    expect(ms.slice(0, 3)).toEqual([0, 11, 21])
    expect(createPropagationCount().curve()).toEqual({ ms: [0], share: [0] })
  })
})

describe('stand-ins of signatures', () => {
  test('hold for their key and message only; a sum of votes holds for just these keys', () => {
    const [one, two, three] = [1, 2, 3].map((n) => hash('key', n)) as [Uint8Array, Uint8Array, Uint8Array]
    const message = hash('message')
    expect(verifyStandIn(one, message, signStandIn(one, message))).toBe(true)
    expect(verifyStandIn(two, message, signStandIn(one, message))).toBe(false)
    expect(verifyStandIn(one, one, signStandIn(one, message))).toBe(false)
    const sum = aggregateStandIns([one, two].map((key) => voteStandIn(key, message)))
    expect(blsStandIn.verifyAggregate([one, two], message, sum)).toBe(true)
    expect(blsStandIn.verifyAggregate([one, three], message, sum)).toBe(false)
    expect(blsStandIn.verifyAggregate([one, two, three], message, sum)).toBe(false)
    expect(blsStandIn.verifyAggregate([], message, new Uint8Array(96))).toBe(false)
  })
})

describe('R-ATT-5 nodes that come up', () => {
  const createUp = () => {
    const context = contextOf(3)
    const queue = createEventQueue()
    const chance = createNodeChance(40, streamOf)
    const network = createNetwork(queue, chance, {
      nodes: 40,
      latency: { is: 'uniform', fromMs: 10, toMs: 100 },
      megabitsPerSecond: Infinity,
      loss: 0,
    })
    const isUp = new Uint8Array(40).fill(1)
    const log: string[] = []
    const starts = createStarts(queue, network, chance, {
      nodes: 40,
      isUp,
      heldOf: () => 1,
      sendAgain: (node) => log.push(`${node} sends again`),
      goOn: (node) => log.push(`${node} goes on`),
    })
    const runFor = (seconds: number) =>
      queue.run(queue.now() + seconds * 1e6, (...event) => starts.handle(...event))
    return { context, network, isUp, log, starts, runFor }
  }

  test('ask three others and begin the epoch that opens', () => {
    const { context, network, log, starts, runFor } = createUp()
    starts.open(context)
    runFor(1)
    expect(log.filter((line) => line.endsWith('goes on'))).toHaveLength(40)
    expect(log.filter((line) => line.endsWith('sends again'))).toHaveLength(40)
    expect(starts.state(7)).toMatchObject({ start: 3, asking: 'done', fence: 'open' })
    // Three questions and three answers for each.
    expect(network.sentMessages.reduce((sum, sent) => sum + sent)).toBe(40 * 6)
    // One that was down comes up in the last block of the epoch, and may work in the next.
    starts.start(7, 3)
    expect(starts.state(7)).toMatchObject({ start: 3, asking: 'asking', fence: 'pending' })
    starts.open(contextOf(4))
    runFor(1)
    expect(starts.state(7)).toMatchObject({ start: 3, asking: 'done', fence: 'open' })
  })

  test('do nothing while nobody answers, whatever epoch opens, and ask those that are left of the others', () => {
    const { context, network, isUp, log, starts, runFor } = createUp()
    network.partition(Uint16Array.from({ length: 40 }, (_, node) => (node === 0 ? 1 : 0)))
    isUp.fill(0, 20)
    starts.open(context)
    runFor(40 * 15)
    starts.open(contextOf(4))
    // A round takes ten minutes: one that began in this epoch is over too.
    runFor(80 * 15)
    expect(starts.state(0)).toMatchObject({ start: 4, asking: 'asking', fence: 'pending' })
    expect(log.filter((line) => line === '0 goes on')).toEqual([])
    // Half of all are down: the others find three that answer.
    for (let node = 1; node < 20; node++) expect(log).toContain(`${node} goes on`)
    network.partition(null)
    runFor(40 * 15)
    expect(starts.state(0)).toMatchObject({ start: 4, asking: 'done', fence: 'open' })
  })

  test('R-SYNC-1 hold what was signed and not sent when they went down, or send it if gossip still takes it', () => {
    const context = contextOf(3)
    const { genesis, networkId } = rulesOf(scenario)
    const queue = createEventQueue()
    const holdings = createHoldings(40)
    holdings.open(context)
    const isUp = new Uint8Array(40).fill(1)
    const sent: number[] = []
    let height = context.phases.attests
    const publishing = createPublishing(queue, createNodeChance(40, streamOf), {
      genesis,
      networkId,
      population: createPopulation(scenario, 0),
      actorOfNode: () => createPopulation(scenario, 0).actors[0]!,
      messages: 64,
      spreadSeconds: 300,
      isUp,
      clock: createChainClock(
        { from: 0, blockSeconds: 75, confirmations: 2, delays: new Float64Array(40) },
        createActorStream(4, 0, 'blocks'),
      ),
      heightOf: () => height,
      holdings,
      openEpochs: () => [context],
      onWithheld: () => undefined,
      onHeld: () => undefined,
      send: (node) => sent.push(node),
    })
    const { k } = context.committees
    const evidence = {
      verdict: 0,
      receipt: { payload: new Uint8Array(0), signature: new Uint8Array(0) },
    } as const
    const findings = Array.from({ length: k }, () => ({ evidence, address: Uint8Array.of(10, 0, 0, 1) }))
    for (const node of [0, 1, 2]) publishing.attest(node, context, findings)
    expect(sent).toEqual([])
    // The first two go down while theirs wait.
    for (const node of [0, 1]) {
      isUp[node] = 0
      publishing.lose(node)
    }
    queue.run(300e6, (...event) => publishing.handle(...event))
    expect(sent).toEqual([2])
    expect([0, 1, 2].map((node) => holdings.holds(node, 3, node))).toEqual([false, false, true])
    publishing.sendAgain(0)
    height = context.phases.closes
    publishing.sendAgain(1)
    publishing.sendAgain(2)
    expect(sent).toEqual([2, 0])
    expect([0, 1, 2].map((node) => holdings.holds(node, 3, node))).toEqual([true, true, true])
  })
})
