import { type ActorStream, createActorStream } from './actor-stream.ts'
import { weeklyCost } from './costs.ts'
import { defaultRegionShares, drawRegion, sharesByRegion } from './regions.ts'
import {
  type AddressPlan,
  attackerNodes,
  planOf,
  type Scenario,
  type Strategy,
  type StrategyKind,
} from './scenario.ts'

/** Somebody with nodes: one kind of honest nodes, or one attacker. */
export interface Actor {
  name: string
  index: number
  isAttacker: boolean
  /** Its nodes are those from `first` on. */
  first: number
  nodes: number
  availability: number
  outageEpochs: number
  missRate: number
  lifetimeWeeks: number | undefined
  strategies: ReadonlyMap<StrategyKind, Strategy>
  /** For a stake, addresses, machines. */
  usdPerWeek: number
}

/** All nodes, actor after actor, in typed arrays. A node is a machine with a stake; its seat may change. */
export interface Population {
  actors: readonly Actor[]
  nodes: number
  actorOf: Uint8Array
  /** Counted over all actors; an attacker is one operator. */
  operatorOf: Uint32Array
  operators: number
  addressOf: Uint32Array
  /** Hosting networks, counted over all actors. */
  networkOf: Uint32Array
  /** Positions in `regionNames`. */
  regionOf: Uint8Array
}

export const createPopulation = (scenario: Scenario, repeat: number): Population => {
  const actors: Actor[] = []
  const attackers = attackerNodes(scenario)
  let first = 0
  const add = (actor: Omit<Actor, 'index' | 'first'>): void => {
    actors.push({ ...actor, index: actors.length, first })
    first += actor.nodes
  }
  for (const group of scenario.population) {
    const usdPerWeek = weeklyCost(scenario, group.addresses, group.nodes, group.nodes)
    add({
      ...group,
      isAttacker: false,
      lifetimeWeeks: group.lifetimeWeeks,
      strategies: new Map(),
      usdPerWeek,
    })
  }
  for (const [i, attacker] of scenario.attackers.entries()) {
    const nodes = attackers[i]!
    const machines = attacker.machines ?? nodes
    const plan = planOf(attacker, nodes)
    add({
      name: attacker.name,
      nodes,
      isAttacker: true,
      // Who attacks keeps his machines up: what he fails at is his strategies' doing.
      availability: 1,
      outageEpochs: 1,
      missRate: 0,
      lifetimeWeeks: undefined,
      strategies: new Map(attacker.strategies.map((strategy) => [strategy.kind, strategy])),
      usdPerWeek: weeklyCost(scenario, plan, nodes, machines),
    })
  }
  const actorOf = new Uint8Array(first)
  const operatorOf = new Uint32Array(first)
  const addressOf = new Uint32Array(first)
  const networkOf = new Uint32Array(first)
  const regionOf = new Uint8Array(first)
  let operators = 0
  let prefix16 = firstPrefix16
  for (const actor of actors) {
    actorOf.fill(actor.index, actor.first, actor.first + actor.nodes)
    const group = scenario.population[actor.index]
    const attacker = scenario.attackers[actor.index - scenario.population.length]
    const plan = group?.addresses ?? planOf(attacker!, actor.nodes)
    const regions = (group ?? attacker!).regions
    settle(regionOf, actor, regions, createActorStream(scenario.seed, repeat, actor.name, 'regions'))
    placeNodes(addressOf, actor, plan, prefix16)
    for (let node = actor.first; node < actor.first + actor.nodes; node++) {
      const in16 = (addressOf[node]! >>> 16) - prefix16
      networkOf[node] = prefix16 + (in16 % (plan.networks ?? plan.prefixes16))
    }
    prefix16 += plan.prefixes16
    operators =
      group === undefined
        ? ownAll(operatorOf, actor, operators)
        : shareOut(operatorOf, actor, operators, {
            seed: scenario.seed,
            repeat,
            largest: group.largestOperator,
            exponent: group.operatorExponent,
          })
  }
  return { actors, nodes: first, actorOf, operatorOf, operators, addressOf, networkOf, regionOf }
}

/** 1.0.0.0/16: addresses need only be different here, not routable. */
const firstPrefix16 = 0x0100

const placeNodes = (addressOf: Uint32Array, actor: Actor, plan: AddressPlan, prefix16: number): void => {
  const ips = Math.min(plan.ips ?? actor.nodes, actor.nodes)
  for (let i = 0; i < actor.nodes; i++) {
    const ip = i % ips
    const in24 = ip % plan.prefixes24
    const in16 = in24 % plan.prefixes16
    const host = 1 + Math.floor(ip / plan.prefixes24)
    const third = Math.floor(in24 / plan.prefixes16)
    addressOf[actor.first + i] = ((prefix16 + in16) * 65_536 + third * 256 + host) >>> 0
  }
}

/** Each node in a region drawn by itself: operators rent where it is cheap, not all in one place. */
const settle = (
  regionOf: Uint8Array,
  { first, nodes }: Actor,
  regions: Readonly<Record<string, number>> | undefined,
  stream: ActorStream,
): void => {
  const shares = regions === undefined ? defaultRegionShares() : sharesByRegion(regions)
  for (let node = first; node < first + nodes; node++) regionOf[node] = drawRegion(shares, stream)
}

const ownAll = (operatorOf: Uint32Array, actor: Actor, operators: number): number => {
  operatorOf.fill(operators, actor.first, actor.first + actor.nodes)
  return operators + 1
}

/** Operators with 1 … largest nodes; P(more than x) falls as x^(1 − exponent), a discrete Pareto distribution. */
const shareOut = (
  operatorOf: Uint32Array,
  actor: Actor,
  operators: number,
  law: { seed: number; repeat: number; largest: number; exponent: number },
): number => {
  const stream = createActorStream(law.seed, law.repeat, actor.name, 'operators')
  let next = operators
  for (let i = 0; i < actor.nodes;) {
    const drawn = law.exponent > 1 ? Math.floor(stream.uniform() ** (1 / (1 - law.exponent))) : law.largest
    const size = Math.min(drawn, law.largest, actor.nodes - i)
    operatorOf.fill(next++, actor.first + i, actor.first + i + size)
    i += size
  }
  return next
}
