import {
  type AnchorCandidate,
  type ChainTip,
  type ChainWeeks,
  createFlatEpoch,
  type Epoch,
  epochOfHeight,
  epochPhases,
  epochStart,
  frameOf,
  hash,
  type Height,
  judgeFlatEpoch,
  noWeeks,
  type Seat,
  stepWeeks,
  viewOpening,
  type Week,
  type WeekRecord,
  registryRootOf,
  whyNotTaken,
} from '../../protocol/index.ts'
import { createActorStream } from '../actor-stream.ts'
import { freePlaces, placesFound } from '../places.ts'
import { type Actor, createPopulation } from '../population.ts'
import { regionLatenciesMs, regionNames } from '../regions.ts'
import { rulesOf } from '../rules.ts'
import type { Scenario } from '../scenario.ts'
import { createAccount, type Measures, type WeekRow } from '../statistical/account.ts'
import { createAvailability } from '../statistical/availability.ts'
import { drawBeacon, type DrawnBeacon } from '../statistical/beacons.ts'
import { countView, createViewCounts, type WeekFate } from '../statistical/certification.ts'
import { createMembership } from '../statistical/membership.ts'
import { createRing, type IndexedSnapshot, indexSnapshot } from '../statistical/ring.ts'
import { createCertifying } from './certifying.ts'
import { createChainClock } from './chain-clock.ts'
import { createChallenges } from './challenges.ts'
import { createNodeChance } from './chance.ts'
import type { EpochContext } from './epoch-context.ts'
import { createEventQueue } from './events.ts'
import { createGossip } from './gossip.ts'
import { createHoldings } from './holdings.ts'
import { kinds } from './kinds.ts'
import { createMesh, drawConnections } from './mesh.ts'
import { createNetwork } from './network.ts'
import { NetworkPlan } from './network-plan.ts'
import { createObserved, type Traffic } from './observed.ts'
import { createPropagationCount, type Propagation } from './propagation.ts'
import { createPublishing } from './publishing.ts'
import { blsStandIn } from './stand-ins.ts'
import { createStarts } from './starts.ts'
import { createSync } from './sync.ts'
import { drawVictims, sidesOf } from './victims.ts'

export interface MessageRunResult {
  measures: Measures
  weeks: WeekRow[]
  propagation: Propagation
}

/** Epochs whose attestations travel at a time: one closes when the third after it opens. */
const openEpochs = 3
/** Groups of message ids: no id of a closed epoch is still on its way when it is given again. */
const groups = openEpochs + 1
/** Of an attestation of a closed epoch, with its signature: what one with eleven verdicts takes. */
const attestationBytes = 400
/** Ids of certificates: more than come in a run, in the order in which they are heard of. */
const certificateIds = 256

/**
 * One run of the message engine: every attestation, visit, exchange, proposal and vote is a message that takes its way.
 * Who comes and goes, who is down, and the account are the statistical engine's, draw for draw.
 */
export const runMessages = (
  scenario: Scenario,
  repeat: number,
  onProgress: (share: number) => void = () => undefined,
): MessageRunResult => {
  const rules = rulesOf(scenario)
  const { genesis, params, networkId, weekOf } = rules
  const { seed } = scenario
  const plan = scenario.network ?? NetworkPlan.parse({})
  const population = createPopulation(scenario, repeat)
  const { nodes, actors, actorOf } = population
  const actorOfNode = (node: number): Actor => actors[actorOf[node]!]!
  const streamOf = (purpose: string) => (node: number) => {
    const actor = actorOfNode(node)
    return createActorStream(seed, repeat, actor.name, purpose, node - actor.first)
  }
  const membership = createMembership(scenario, repeat, population, genesis, networkId, rules.epochsPerWeek)
  const availability = createAvailability(scenario, repeat, population)
  const account = createAccount(population, params, scenario.protocol.fundCoins)
  const chain = createActorStream(seed, repeat, 'chain')

  const queue = createEventQueue()
  const chance = createNodeChance(nodes, streamOf('messages'))
  const network = createNetwork(queue, chance, {
    nodes,
    latency:
      plan.latencyMs === undefined
        ? {
            is: 'regions',
            regionOf: population.regionOf,
            medianMs: regionLatenciesMs(),
            regions: regionNames.length,
            spread: plan.latencySpread,
          }
        : { is: 'uniform', fromMs: plan.latencyMs[0], toMs: plan.latencyMs[1] },
    megabitsPerSecond: plan.megabitsPerSecond,
    loss: plan.loss,
  })
  const clock = createChainClock(
    {
      from: genesis.activationHeight,
      blockSeconds: scenario.protocol.blockSeconds,
      confirmations: genesis.confirmations,
      delays: Float64Array.from({ length: nodes }, (_, node) =>
        Math.floor(-Math.log(streamOf('blocks')(node).uniform()) * plan.blockDelaySeconds * 1e6),
      ),
    },
    createActorStream(seed, repeat, 'block times'),
  )
  const isUp = new Uint8Array(nodes)
  const { isVictim, isCutOff, taken: takenLinks, passes } = drawVictims(scenario, repeat, actors, nodes, plan)
  const connections = drawConnections(nodes, plan, takenLinks, streamOf('connections'))
  const mesh = createMesh(connections, plan.gossip, streamOf('mesh'))
  const holdings = createHoldings(nodes)
  const propagation = createPropagationCount()

  const contexts = new Map<Epoch, EpochContext>()
  let open: EpochContext[] = []
  const idsPerEpoch = 32 * Math.ceil(nodes / 32)
  const contextOfGroup: (EpochContext | undefined)[] = Array.from({ length: groups })
  const certificates: Uint8Array[] = []

  const ranThrough = (node: number, epoch: Epoch): boolean =>
    contexts.get(epoch)?.isUp[node] === 1 && contexts.get(epoch + 1)?.isUp[node] !== 0
  const observed = createObserved(population, holdings, isVictim, ranThrough)

  /** All follow one chain here, and nobody names epochs that do not exist. */
  const tip: ChainTip = { height: 0, ageSeconds: null, spacingSeconds: 0 }
  const freshness = { genesis, confirmedHeight: 0, tip: () => tip, isCompared: () => true }

  const heightOf = (node: number): Height => clock.confirmedBy(node, queue.now())

  /** An attestation has come to a node, in whatever way; false if it was held before. */
  const take = (node: number, context: EpochContext, index: number, isGossip: boolean): boolean => {
    if (!holdings.take(node, context.epoch, index, heightOf(node), 'verified')) return false
    observed.taken(node, isGossip)
    const from = context.nodeOfIndex[index]!
    const isCounted = node !== from && context.isUp[node] === 1 && !actorOfNode(from).isAttacker
    if (isCounted) propagation.add(queue.now() - publishing.publishedAt(context.firstMessage + index))
    return true
  }

  const onFirst = (node: number, message: number): boolean => {
    const group = Math.floor(message / idsPerEpoch)
    if (group === groups) {
      certifying.hear(node, certificates[message - groups * idsPerEpoch]!)
      return true
    }
    const context = contextOfGroup[group]!
    // R-ATT-6: what is right in itself, and for everybody the same, was judged when it was made.
    freshness.confirmedHeight = heightOf(node)
    if (whyNotTaken('gossip', context.epoch, true, freshness) !== null) return false
    return take(node, context, message - context.firstMessage, true)
  }

  const gossip = createGossip(queue, network, chance, {
    nodes,
    messages: groups * idsPerEpoch + certificateIds,
    plan,
    connections,
    mesh,
    isUp,
    onFirst,
    passes,
  })
  const sync = createSync(queue, network, chance, {
    nodes,
    plan,
    isUp,
    holdings,
    openEpochs: () => open,
    take: (node, epoch, indexes) => {
      // Its week may have been fixed meanwhile.
      if (!holdings.isKnown(epoch)) return 0
      if (!holdings.isOpen(epoch)) return holdings.addLate(node, epoch, indexes)
      const context = contexts.get(epoch)!
      let fresh = 0
      for (const index of indexes) {
        gossip.markSeen(node, context.firstMessage + index)
        if (take(node, context, index, false)) fresh++
      }
      return fresh
    },
    bytesOf: (epoch, index) =>
      holdings.isOpen(epoch)
        ? publishing.bytesOf(contexts.get(epoch)!.firstMessage + index)
        : attestationBytes,
  })

  const places = freePlaces(actors)

  const challenges = createChallenges(queue, network, chance, {
    nodes,
    retries: params.retries,
    responseMs: params.responseMs,
    confirmations: genesis.confirmations,
    serviceMs: plan.serviceMs,
    placesFor: (target, challenger) =>
      actorOfNode(target).isAttacker ? Infinity : placesFound(places, actorOfNode(challenger), 'challenge'),
    isUp,
    attendanceOf: (node) => starts.state(node),
    // As in the statistical engine the rate is that of all tries together, so each fails with its root.
    missRateOf: (node) => actorOfNode(node).missRate ** (1 / (params.retries + 1)),
    addressOf: (node) => {
      const address = population.addressOf[node]!
      return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address)
    },
    secretsOf: streamOf('secrets'),
    clock,
    onAttest: (node, context, findings) => {
      if (!actorOfNode(node).strategies.has('silent')) publishing.attest(node, context, findings)
    },
  })
  const publishing = createPublishing(queue, chance, {
    genesis,
    networkId,
    population,
    actorOfNode,
    messages: groups * idsPerEpoch,
    spreadSeconds: plan.spreadSeconds,
    isUp,
    clock,
    heightOf,
    holdings,
    openEpochs: () => open,
    onWithheld: (epoch, index, until) => observed.withheld(epoch, index, until),
    onHeld: (node, context) => {
      if (!actorOfNode(node).isAttacker) propagation.expect(context.isUp.reduce((sum, up) => sum + up, 0) - 1)
    },
    send: (node, message, bytes) => gossip.publish(node, message, bytes),
  })
  const starts = createStarts(queue, network, chance, {
    nodes,
    isUp,
    heldOf: (node, seatOf) =>
      open.filter(({ epoch, indexOfNode }) => {
        const index = indexOfNode[seatOf]!
        return index !== -1 && holdings.holds(node, epoch, index)
      }).length,
    sendAgain: (node) => publishing.sendAgain(node),
    goOn: (node) => challenges.begin(node),
  })

  const mempool: string[] = []
  const candidates = new Map<Height, AnchorCandidate[]>()
  let isAnchorMined = false
  const views = createViewCounts()
  const fates: WeekFate[] = []
  const capturedWeeks = new Set<Week>()
  let working: WeekRecord | null = null

  const certifying = createCertifying(queue, network, {
    rules,
    isUp,
    clock,
    holdings,
    nodeOfSeat: (seat) => membership.nodeOfSeat(seat),
    takesPart: (seat) =>
      membership.isHeld(seat) && !actorOfNode(membership.nodeOfSeat(seat)).strategies.has('stall'),
    dribbles: (seat) => actorOfNode(membership.nodeOfSeat(seat)).strategies.has('dribble'),
    canBeAsked: (node) => places.propose > 0 || actorOfNode(node).isAttacker,
    ranThrough,
    seatsOf: (epoch) => contexts.get(epoch)!.snapshot.map(({ seat }) => seat),
    take: (node, epoch, seats) => {
      const context = contexts.get(epoch)!
      const indexes = seats.map((seat: Seat) => context.indexOfSeat.get(seat)!)
      if (holdings.isOpen(epoch)) for (const index of indexes) take(node, context, index, false)
      else holdings.addLate(node, epoch, indexes)
    },
    publish: (node, certificate) => {
      const message = groups * idsPerEpoch + (certificates.length % certificateIds)
      certificates[message - groups * idsPerEpoch] = certificate
      gossip.publish(node, message, certificate.length)
    },
    post: (memo) => {
      // Who sees an anchor at the tip posts none (R-CP-5).
      if (!isAnchorMined) mempool.push(memo)
    },
    onView: (_view, seniors, certifiers) => {
      const isAttacker = (seat: Seat): boolean => actorOfNode(membership.nodeOfSeat(seat)).isAttacker
      if (countView(views, seniors, certifiers, params, isAttacker)) capturedWeeks.add(working!.week)
    },
  })

  const handle = (kind: number, node: number, a: number, b: number): void => {
    switch (kind) {
      case kinds.gossip:
      case kinds.heartbeat:
      case kinds.ihave:
      case kinds.iwant:
        return gossip.handle(kind, node, a, b)
      case kinds.syncDue:
      case kinds.sync:
        return sync.handle(kind, node, a, b)
      case kinds.publish:
      case kinds.release:
        return publishing.handle(kind, node, a, b)
      case kinds.ownAsked:
      case kinds.ownAnswered:
      case kinds.ownSilent:
      case kinds.askOwnDue:
        return starts.handle(kind, node, a, b)
      case kinds.certifierDue:
      case kinds.certifier:
      case kinds.certifierSilence:
        return certifying.handle(kind, node, a, b)
      case kinds.block:
        return
      default:
        challenges.handle(kind, node, a, b)
    }
  }

  /** Sent up to the end of the last week: what follows is only there to close it. */
  let traffic: Traffic | null = null

  /** Weeks in the order in which they begin; the first has only the two epochs without a snapshot. */
  const weekNumbers = new Map<Week, number>()
  const numberOf = (week: Week): number => {
    if (!weekNumbers.has(week)) weekNumbers.set(week, weekNumbers.size)
    return weekNumbers.get(week)!
  }
  const settled = new Set<Week>()
  /** Of an epoch that is closed and whose set is fixed, nobody asks any more. */
  const forget = (epoch: Epoch): void => {
    holdings.forget(epoch)
    contexts.delete(epoch)
  }

  let known: IndexedSnapshot = { snapshot: [], nodeOfIndex: new Uint32Array(), seats: new Uint32Array() }
  let indexOfSeat: ReadonlyMap<Seat, number> = new Map()

  /** What every node finds at block b(e); null while snapshots are empty. */
  const openEpoch = (epoch: Epoch): DrawnBeacon | null => {
    availability.step(epoch - 2)
    const week = numberOf(weekOf(epoch))
    const snapshot = membership.snapshotAt(epoch)
    if (snapshot.length === 0) return null
    const wasUp = isUp.slice()
    isUp.set(availability.up)
    network.partition(sidesOf(availability.sides, isCutOff))
    if (snapshot !== known.snapshot) {
      known = indexSnapshot(snapshot, membership)
      indexOfSeat = new Map(snapshot.map(({ seat }, index) => [seat, index]))
    }
    const { nodeOfIndex, seats } = known
    const drawn = drawBeacon(networkId, epoch, params.committee, nodeOfIndex, population, chain)
    const flat = createFlatEpoch(drawn.committees)
    const indexOfNode = new Int32Array(nodes).fill(-1)
    for (const [index, node] of nodeOfIndex.entries())
      if (membership.isHeld(seats[index]!)) indexOfNode[node] = index
    const group = epoch % groups
    const context: EpochContext = {
      epoch,
      week,
      beacon: drawn.beacon,
      committees: drawn.committees,
      drawn,
      snapshot,
      seats,
      nodeOfIndex,
      indexOfNode,
      indexOfSeat,
      phases: epochPhases(genesis, params.attestBlocks, epoch),
      isUp: isUp.slice(),
      ring: createRing(epoch, drawn, flat, known, population, availability, membership),
      flat,
      firstMessage: group * idsPerEpoch,
    }
    contexts.set(epoch, context)
    const over = open.length === openEpochs ? open[0]! : null
    if (over !== null) {
      holdings.close(over.epoch)
      if (over.week > 0 && over.week <= scenario.weeks) observed.closed(over)
      if (settled.has(weekOf(over.epoch))) forget(over.epoch)
    }
    open = [...open.slice(over === null ? 0 : 1), context]
    gossip.forget(context.firstMessage, context.firstMessage + idsPerEpoch)
    contextOfGroup[group] = context
    holdings.open(context)
    mesh.settle(isUp, network.isCut)
    for (let node = 0; node < nodes; node++) {
      if (isUp[node] === wasUp[node]) continue
      if (isUp[node] === 0) {
        publishing.lose(node)
        continue
      }
      sync.start(node)
      starts.start(node, epoch - 1)
    }
    starts.open(context)
    // Runs on after the last week, until that week's window is over; nothing is asked or attested then.
    if (week <= scenario.weeks) challenges.open(context)
    else {
      challenges.close()
      traffic ??= { bytes: sumOf(network.sentBytes), messages: sumOf(network.sentMessages) }
    }
    onProgress(Math.min(1, (epoch - 2) / (scenario.weeks * rules.epochsPerWeek)))
    return drawn
  }

  const judge = (record: WeekRecord, checkpoint: Parameters<typeof certifying.contentsOf>[0]): void => {
    const number = numberOf(record.week)
    for (let epoch = record.first; epoch <= record.last!; epoch++) {
      const context = contexts.get(epoch)
      if (context === undefined) continue
      if (number >= 1 && number <= scenario.weeks) {
        const { committees, flat, ring, seats, drawn } = context
        const isListed = new Uint8Array(committees.size)
        for (const { seat } of certifying.contentsOf(checkpoint)!.get(epoch)!)
          isListed[context.indexOfSeat.get(seat)!] = 1
        for (let index = 0; index < committees.size; index++)
          flat.attests[committees.positions[index]!] = isListed[index]!
        const { outcomes } = judgeFlatEpoch(committees, flat, params)
        account.epoch(ring, seats, outcomes, drawn)
        observed.anchored(context, isListed, outcomes)
      }
    }
    if (number >= 1 && number <= scenario.weeks) account.weekOver(number, membership)
  }

  let weeks: ChainWeeks = noWeeks
  const onConfirmed = (height: Height): void => {
    const epoch = epochOfHeight(genesis, height)!
    // They change as the epoch opens, and the chain's weeks ask for those before it.
    const isStart = epochStart(genesis, epoch) === height
    const seatsBefore = isStart ? membership.seats.slice() : []
    const drawn = isStart ? openEpoch(epoch) : null
    weeks = stepWeeks(
      { genesis, networkId, schedule: [{ from: weekOf(0), params }], voided: [] },
      weeks,
      {
        height,
        hash: drawn?.blockHash ?? hash('simulated block', seed, repeat, height),
        medianTime: rules.secondsOf(epoch),
        snapshotSeats: drawn?.committees.size ?? 0,
        seatsBefore: () => seatsBefore,
        candidates: candidates.get(height) ?? [],
      },
      blsStandIn,
    ).weeks
    candidates.delete(height)
    for (const record of weeks.records) if (!settled.has(record.week)) settle(record)
    const due = weeks.records.findLast(({ freeze }) => freeze !== null && freeze.hash !== null)
    const isDue = due !== undefined && due.anchor === null && !due.isPending && due.list !== null
    if (working !== null && (!isDue || working.week !== due.week)) {
      certifying.end()
      working = null
    }
    if (isDue && working === null) {
      working = due
      isAnchorMined = false
      certifying.begin({
        frame: frameOf({ genesis, networkId, schedule: [{ from: weekOf(0), params }] }, weeks, due.week, {
          registryRoot: registryRootOf(membership.seats),
          incomeOf: () => (params.fund.kind === 'fixed' ? params.fund.amount : 0n),
          epochOf: (framed) => {
            const context = contexts.get(framed)
            return {
              beacon: context?.beacon ?? hash('simulated beacon', framed),
              seats: context?.committees.size ?? 0,
              // All nodes see one chain here: what a root is over tells nothing.
              snapshotRoot: hash('simulated snapshot', framed),
            }
          },
        }),
        freeze: due.freeze!.height,
        seniors: due.list!.seniors,
        beacon: contexts.get(due.last! + 2)!.beacon,
        params,
      })
    }
  }

  /** R-CP-5, R-CP-6: what the chain says of a week. */
  const settle = (record: WeekRecord): void => {
    if (record.anchor === null && !record.isPending) return
    const number = numberOf(record.week)
    const isCounted = number >= 1 && number <= scenario.weeks
    const fate = fates.find(({ week }) => week === number)
    const isCaptured = capturedWeeks.has(record.week)
    if (record.isPending && fate === undefined && isCounted)
      fates.push({ week: number, view: null, blocks: null, isCaptured })
    if (record.anchor === null) return
    settled.add(record.week)
    const { view, checkpoint, week } = record.anchor
    if (week === record.week && isCounted) {
      const freeze = record.freeze!.height
      const blocks = viewOpening(genesis, params, freeze, view) - freeze
      fates.push({ week: number, view, blocks, isCaptured })
    }
    judge(record, checkpoint)
    for (let epoch = record.first; epoch <= record.last!; epoch++) if (!holdings.isOpen(epoch)) forget(epoch)
  }

  for (let tip = genesis.activationHeight; fates.length < scenario.weeks; tip++) {
    const at = clock.minedAt(tip)
    // Nothing happens in it but that the clock stands there.
    queue.schedule(at, kinds.block, 0, 0, 0)
    queue.run(at, handle)
    if (mempool.length > 0) {
      candidates.set(
        tip,
        mempool.splice(0).map((memo, index) => ({ index, memo })),
      )
      isAnchorMined = true
    }
    const confirmed = tip - genesis.confirmations
    if (confirmed < genesis.activationHeight) continue
    onConfirmed(confirmed)
    certifying.onBlock(confirmed, tip)
  }
  const epochs = Math.floor(scenario.weeks * rules.epochsPerWeek)
  const measures = {
    ...account.measures({ fates, views }),
    ...observed.measures({
      gossip,
      sync,
      traffic: traffic ?? { bytes: 0, messages: 0 },
      certifying: certifying.counts,
      propagation,
      epochs,
    }),
  }
  return { measures, weeks: account.rows, propagation: propagation.curve() }
}

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0)
