import { createActorStream } from '../actor-stream.ts'
import type { Actor, Population } from '../population.ts'
import { regionNames } from '../regions.ts'
import type { Scenario } from '../scenario.ts'

/** Which nodes are up, and on which side of a partition they are, epoch by epoch. */
export interface Availability {
  /** 1 if the node is up for the whole of this epoch. */
  up: Uint8Array
  /** Side of a partition that lasts, or null: nodes of different sides do not reach each other. */
  sides: Uint8Array | null
  /** Epochs come in order. `epoch` counts from the first of the first week. */
  step(epoch: number): void
}

/** Nodes go down and come back as a Markov chain with the actor's availability and mean length of outages. */
export const createAvailability = (
  scenario: Scenario,
  repeat: number,
  population: Population,
): Availability => {
  const { nodes, actors, actorOf, regionOf } = population
  const own = new Uint8Array(nodes)
  const up = new Uint8Array(nodes)
  const flipsAt = new Float64Array(nodes).fill(Infinity)
  const streams = actors.flatMap((actor) =>
    Array.from({ length: actor.nodes }, (_, i) =>
      actor.availability >= 1
        ? null
        : createActorStream(scenario.seed, repeat, actor.name, 'availability', i),
    ),
  )
  const hitBy = scenario.incidents.map((incident, i) => {
    const hit = new Uint8Array(nodes)
    const share = incident.share ?? 1
    const isHitRegion = regionNames.map((name) => incident.regions?.includes(name) ?? true)
    for (const actor of actors) {
      // What takes a region down takes his machines there too; else an attacker keeps them up.
      if (incident.kind === 'outage' && actor.isAttacker && incident.regions === undefined) continue
      const stream = createActorStream(scenario.seed, repeat, actor.name, 'incident', i)
      for (let node = actor.first; node < actor.first + actor.nodes; node++) {
        hit[node] = stream.uniform() < share && isHitRegion[regionOf[node]!]! ? 1 : 0
      }
    }
    return hit
  })
  for (let node = 0; node < nodes; node++) {
    const actor = actors[actorOf[node]!]!
    const stream = streams[node]
    own[node] = stream === null || stream === undefined || stream.uniform() < actor.availability ? 1 : 0
    if (stream !== null && stream !== undefined) {
      // Geometric lengths have no memory, so the first state may begin anywhere in its length.
      flipsAt[node] = stream.duration(meanStay(actor, own[node] === 1))
    }
  }
  const availability: Availability = { up, sides: null, step: () => undefined }
  let passed = 0
  availability.step = (epoch) => {
    for (let node = 0; node < nodes; node++) {
      if (flipsAt[node]! > passed) continue
      const actor = actors[actorOf[node]!]!
      own[node] = 1 - own[node]!
      flipsAt[node] = passed + streams[node]!.duration(meanStay(actor, own[node] === 1))
    }
    passed++
    up.set(own)
    for (const actor of actors) {
      if (actor.strategies.has('absent')) up.fill(0, actor.first, actor.first + actor.nodes)
    }
    availability.sides = null
    for (const [i, incident] of scenario.incidents.entries()) {
      if (epoch < incident.from || epoch >= incident.from + incident.epochs) continue
      const hit = hitBy[i]!
      if (incident.kind === 'partition') availability.sides = hit
      else for (let node = 0; node < nodes; node++) if (hit[node] === 1) up[node] = 0
    }
  }
  return availability
}

/** Mean epochs in a state: outages last as the actor says, and what lies between follows from its availability. */
const meanStay = (actor: Actor, isUp: boolean): number =>
  isUp ? (actor.outageEpochs * actor.availability) / (1 - actor.availability) : actor.outageEpochs
