import {
  createFlatEpoch,
  epochPhases,
  epochStart,
  type FlatEpoch,
  Genesis,
  judgeFlatEpoch,
  networkIdOf,
  Params,
  type Snapshot,
  startOfWeek,
  type Week,
  weekOfTime,
} from '../../protocol/index.ts'
import { type ActorStream, createActorStream } from '../actor-stream.ts'
import { createPopulation, type Population } from '../population.ts'
import type { Scenario } from '../scenario.ts'
import { createAccount, type Measures, type WeekRow } from './account.ts'
import { answerFromPartialChain, answerFromSharedCopy, type ChallengeRules } from './answers.ts'
import { attestAsAttackers } from './attest.ts'
import { type Availability, createAvailability } from './availability.ts'
import { drawBeacon, type DrawnBeacon } from './beacons.ts'
import { createCertification, type SimulatedWeek } from './certification.ts'
import { createMembership, type Membership } from './membership.ts'
import { createRelayUse } from './relay.ts'
import { abstainWhereCutOff, addMisses, audit, type Misses, observe } from './observe.ts'
import type { Ring } from './ring.ts'

export interface RunResult {
  measures: Measures
  weeks: WeekRow[]
}

/** Any Monday does: only weeks and their length matter. */
const firstWeek = '2026-W01' as Week

/**
 * One run of the statistical engine: seats × epochs. Committees, certifiers, snapshots, classes, credits and shares of
 * the fund are the protocol's own functions; the simulator decides who is up and who says what.
 */
export const runStatistical = (scenario: Scenario, repeat: number): RunResult => {
  const rules = scenario.protocol
  const genesis = Genesis.parse({
    chain: 'zcash-regtest',
    activationHeight: rules.activationHeight,
    announceAddress: scenario.name,
    viewingKey: 'simulated',
    minStake: BigInt(rules.minStakeCoins) * 100_000_000n,
    minSeniors: rules.minSeniors,
    epochBlocks: rules.epochBlocks,
    confirmations: rules.confirmations,
    announceBlocks: 1_000,
  })
  const { committee, samples, responseMs, retries, attestBlocks, minAvailability, maxPerPrefix } = rules
  const { certifiers, viewBlocks, anchorBlocks } = rules
  const params = Params.parse({
    committee,
    samples,
    responseMs,
    retries,
    attestBlocks,
    minAvailability,
    maxPerPrefix,
    certifiers,
    viewBlocks,
    anchorBlocks,
    fund: { kind: 'fixed', amount: 0n },
  })
  const networkId = networkIdOf(genesis)
  const epochSeconds = rules.epochBlocks * rules.blockSeconds
  const epochsPerWeek = (7 * 86_400) / epochSeconds
  const population = createPopulation(scenario, repeat)
  const membership = createMembership(scenario, repeat, population, genesis, networkId, epochsPerWeek)
  const availability = createAvailability(scenario, repeat, population)
  const certification = createCertification(genesis, networkId, params, membership, population)
  const account = createAccount(population, params, rules.fundCoins)
  const relay = createRelayUse(scenario, repeat, population, Math.floor(scenario.weeks * epochsPerWeek))
  const chain = createActorStream(scenario.seed, repeat, 'chain')
  const attackerStreams = population.actors.map(({ name }) =>
    createActorStream(scenario.seed, repeat, name, 'attack'),
  )
  const misses = createMisses(scenario, repeat, population)
  /** Nodes that attested without receipts in the epoch before, and in the one before that. */
  let unproved: Uint8Array[] = [new Uint8Array(population.nodes), new Uint8Array(population.nodes)]

  // Snapshots of the first two epochs are empty, so the first week begins with the third.
  const startSeconds = startOfWeek(firstWeek) - 2 * epochSeconds
  const weekOfEpoch = (epoch: number): Week => weekOfTime(startSeconds + epoch * epochSeconds)
  let running: SimulatedWeek = { week: 0, first: 0, last: 0 }
  let previousFirst: number | null = null
  let flat: FlatEpoch | null = null
  let known: IndexedSnapshot = { snapshot: [], nodeOfIndex: new Uint32Array(), seats: new Uint32Array() }

  for (let epoch = 0; ; epoch++) {
    if (epoch > 0 && weekOfEpoch(epoch) !== weekOfEpoch(epoch - 1)) {
      if (running.week > 0) {
        account.weekOver(running.week, membership)
        certification.weekOver(running, previousFirst)
      }
      previousFirst = running.first
      running = { week: running.week + 1, first: epoch, last: epoch }
    }
    running.last = epoch
    // Runs on after the last week, until that week's window is over; nothing is counted then.
    const isOver = running.week > scenario.weeks
    if (isOver && certification.fates.length >= scenario.weeks) break
    availability.step(epoch - 2)
    certification.step(epoch, chain.bytes(), availability)
    const snapshot = membership.snapshotAt(epoch)
    if (snapshot.length === 0 || isOver) continue

    relay?.step(
      epoch - 2,
      membership,
      (node) => availability.up[node] === 1 && availability.sides?.[node] !== 1,
    )
    if (snapshot !== known.snapshot) known = indexSnapshot(snapshot, membership)
    const { nodeOfIndex, seats } = known
    const drawn = drawBeacon(networkId, epoch, committee, nodeOfIndex, population, chain)
    const { committees } = drawn
    if (flat === null || flat.attests.length !== committees.size) flat = createFlatEpoch(committees)
    const ring = createRing(epoch, drawn, flat, nodeOfIndex, population, availability)
    for (let position = 0; position < committees.size; position++) {
      // The seat of a node that has gone and come back under another stays in a snapshot for a while.
      if (!membership.isHeld(seats[committees.ring[position]!]!)) ring.isUp[position] = 0
      const isAway = population.actors[ring.actorAt[position]!]!.strategies.has('absent')
      ring.signs[position] = ring.isUp[position] === 1 || isAway ? 1 : 0
    }

    const phases = epochPhases(genesis, attestBlocks, epoch)
    const windowBlocks = phases.attests - phases.opens
    const challenge: ChallengeRules = {
      networkId,
      samples,
      responseMs,
      lastHeight: epochStart(genesis, epoch),
      windowBlocks,
      firstVisitBlocks: windowBlocks - Math.floor(windowBlocks / 4),
    }
    observe(ring, population.addressOf)
    addMisses(ring, misses)
    for (const actor of population.actors) {
      const stream = attackerStreams[actor.index]!
      const copy = actor.strategies.get('shared-copy')
      if (copy?.kind === 'shared-copy') answerFromSharedCopy(ring, actor, copy, challenge, stream)
      const part = actor.strategies.get('partial-chain')
      if (part?.kind === 'partial-chain') answerFromPartialChain(ring, actor, part, challenge, stream)
    }
    const [before, twoBefore] = unproved as [Uint8Array, Uint8Array]
    audit(ring, twoBefore)
    abstainWhereCutOff(ring, misses.streamOf)
    const now = new Uint8Array(population.nodes)
    attestAsAttackers(ring, attackerStreams, now)
    unproved = [now, before]

    const { outcomes } = judgeFlatEpoch(committees, flat, maxPerPrefix)
    account.epoch(ring, seats, outcomes, drawn)
    relay?.closed(seats, outcomes)
  }
  const measures = { ...account.measures(certification), ...relay?.measures() }
  return { measures, weeks: account.rows }
}

/** Seat and node at each index of a snapshot, which stays the same for as long as nobody comes or goes. */
interface IndexedSnapshot {
  snapshot: Snapshot
  nodeOfIndex: Uint32Array
  seats: Uint32Array
}

const indexSnapshot = (snapshot: Snapshot, membership: Membership): IndexedSnapshot => {
  const nodeOfIndex = new Uint32Array(snapshot.length)
  const seats = new Uint32Array(snapshot.length)
  for (const [index, { seat }] of snapshot.entries()) {
    nodeOfIndex[index] = membership.nodeOfSeat(seat)
    seats[index] = seat
  }
  return { snapshot, nodeOfIndex, seats }
}

/** Who stands where, and who is up. */
const createRing = (
  epoch: number,
  { beacon, committees }: DrawnBeacon,
  flat: FlatEpoch,
  nodeOfIndex: Uint32Array,
  { actors, actorOf }: Population,
  { up, sides }: Availability,
): Ring => {
  const { size, ring: indexes } = committees
  const nodeAt = new Uint32Array(size)
  const actorAt = new Uint8Array(size)
  const isUp = new Uint8Array(size)
  const sideAt = sides === null ? null : new Uint8Array(size)
  for (let position = 0; position < size; position++) {
    const node = nodeOfIndex[indexes[position]!]!
    nodeAt[position] = node
    actorAt[position] = actorOf[node]!
    isUp[position] = up[node]!
    if (sideAt !== null) sideAt[position] = sides![node]!
  }
  return {
    epoch,
    beacon,
    committees,
    flat,
    nodeAt,
    actorAt,
    isUp,
    signs: new Uint8Array(size),
    sideAt,
    actors,
  }
}

const createMisses = (scenario: Scenario, repeat: number, population: Population): Misses => {
  const streams: (ActorStream | undefined)[] = Array.from({ length: population.nodes })
  const streamOf = (node: number): ActorStream => {
    const actor = population.actors[population.actorOf[node]!]!
    return (streams[node] ??= createActorStream(
      scenario.seed,
      repeat,
      actor.name,
      'visits',
      node - actor.first,
    ))
  }
  const next = new Float64Array(population.nodes).fill(Infinity)
  for (const actor of population.actors) {
    if (actor.missRate === 0) continue
    for (let node = actor.first; node < actor.first + actor.nodes; node++) {
      next[node] = streamOf(node).failuresBefore(actor.missRate)
    }
  }
  return { next, streamOf }
}
