import {
  beaconOf,
  createFlatEpoch,
  epochPhases,
  epochStart,
  firstVisitsEnd,
  type FlatEpoch,
  hash,
  judgeFlatEpoch,
} from '../../protocol/index.ts'
import { type ActorStream, createActorStream } from '../actor-stream.ts'
import { freePlaces } from '../places.ts'
import { createPopulation, type Population } from '../population.ts'
import { rulesOf } from '../rules.ts'
import type { Scenario } from '../scenario.ts'
import { createAccount, type Measures, type WeekRow } from './account.ts'
import { agreeByClass } from './agreement.ts'
import {
  answerAmongHogs,
  answerFromPartialChain,
  answerFromSharedCopy,
  type ChallengeRules,
} from './answers.ts'
import { attestAsAttackers } from './attest.ts'
import { createAvailability } from './availability.ts'
import { drawBeacon } from './beacons.ts'
import { createCertification, type SimulatedWeek } from './certification.ts'
import { createMembership } from './membership.ts'
import { createRelayUse } from './relay.ts'
import { abstainWhereCutOff, addMisses, audit, type Misses, observe } from './observe.ts'
import { createRing, type IndexedSnapshot, indexSnapshot } from './ring.ts'
import { createTwins } from './twins.ts'

export interface RunResult {
  measures: Measures
  weeks: WeekRow[]
}

/**
 * One run of the statistical engine: seats × epochs. Committees, certifiers, snapshots, classes, credits and shares of
 * the fund are the protocol's own functions; the simulator decides who is up and who says what. `onProgress` hears the
 * share of the run that is done, week by week.
 */
export const runStatistical = (
  scenario: Scenario,
  repeat: number,
  onProgress: (share: number) => void = () => undefined,
): RunResult => {
  const { genesis, params, networkId, epochsPerWeek, weekOf } = rulesOf(scenario)
  const { committee, samples, responseMs, attestBlocks } = params
  const population = createPopulation(scenario, repeat)
  const membership = createMembership(scenario, repeat, population, genesis, networkId, epochsPerWeek)
  const availability = createAvailability(scenario, repeat, population)
  const places = freePlaces(population.actors)
  const twins = createTwins(scenario, repeat, population, weekOf)
  const certification = createCertification(genesis, params, membership, population, places)
  const account = createAccount(population, params, scenario.protocol.fundCoins)
  const relay = createRelayUse(scenario, repeat, population, Math.floor(scenario.weeks * epochsPerWeek))
  const chain = createActorStream(scenario.seed, repeat, 'chain')
  const attackerStreams = population.actors.map(({ name }) =>
    createActorStream(scenario.seed, repeat, name, 'attack'),
  )
  const visitsAmongHogs = createActorStream(scenario.seed, repeat, 'visits among hogs')
  const misses = createMisses(scenario, repeat, population)
  /** Nodes that attested without receipts in the epoch before, and in the one before that. */
  let unproved: Uint8Array[] = [new Uint8Array(population.nodes), new Uint8Array(population.nodes)]

  let running: SimulatedWeek = { week: 0, first: 0, last: 0 }
  let previousFirst: number | null = null
  let flat: FlatEpoch | null = null
  let known: IndexedSnapshot = { snapshot: [], nodeOfIndex: new Uint32Array(), seats: new Uint32Array() }

  for (let epoch = 0; ; epoch++) {
    if (epoch > 0 && weekOf(epoch) !== weekOf(epoch - 1)) {
      if (running.week > 0) {
        account.weekOver(running.week, membership, twins.equivocators)
        certification.weekOver(running, previousFirst)
        onProgress(Math.min(1, running.week / scenario.weeks))
      }
      previousFirst = running.first
      running = { week: running.week + 1, first: epoch, last: epoch }
    }
    running.last = epoch
    if (running.first === epoch) twins.beginWeek(epoch)
    // Runs on after the last week, until that week's window is over; nothing is counted then.
    const isOver = running.week > scenario.weeks
    if (isOver && certification.fates.length >= scenario.weeks) break
    availability.step(epoch - 2)
    const snapshot = membership.snapshotAt(epoch)
    if (snapshot !== known.snapshot) known = indexSnapshot(snapshot, membership)
    const { nodeOfIndex, seats } = known
    const drawn =
      snapshot.length === 0 ? null : drawBeacon(networkId, epoch, committee, nodeOfIndex, population, chain)
    const beacon =
      drawn?.beacon ??
      beaconOf(networkId, epoch, hash('simulated block', scenario.seed, repeat, epochStart(genesis, epoch)))
    certification.step(epoch, beacon, availability)
    if (drawn === null || isOver) continue

    relay?.step(
      epoch - 2,
      membership,
      (node) => availability.up[node] === 1 && availability.sides?.[node] !== 1,
    )
    const { committees } = drawn
    if (flat === null || flat.attests.length !== committees.size) flat = createFlatEpoch(committees)
    const ring = createRing(epoch, drawn, flat, known, population, availability, membership)

    const phases = epochPhases(genesis, attestBlocks, epoch)
    const windowBlocks = phases.attests - phases.opens
    const challenge: ChallengeRules = {
      networkId,
      samples,
      responseMs,
      lastHeight: epochStart(genesis, epoch),
      windowBlocks,
      firstVisitBlocks: firstVisitsEnd(phases) - phases.opens,
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
    answerAmongHogs(ring, places, challenge, visitsAmongHogs)
    const [before, twoBefore] = unproved as [Uint8Array, Uint8Array]
    audit(ring, twoBefore)
    abstainWhereCutOff(ring, misses.streamOf)
    const now = new Uint8Array(population.nodes)
    attestAsAttackers(ring, attackerStreams, now)
    unproved = [now, before]
    twins.strike(ring)

    const judged = judgeFlatEpoch(committees, flat, params)
    if (scenario.comparator.agreement === 'by-class') agreeByClass(committees, flat, judged)
    const { outcomes, attested } = judged
    account.epoch(ring, seats, outcomes, drawn)
    relay?.closed(seats, outcomes, attested)
  }
  const measures = { ...account.measures(certification), ...relay?.measures() }
  return { measures, weeks: account.rows }
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
