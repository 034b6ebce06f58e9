import type { Height } from '../../protocol/index.ts'
import { createActorStream } from '../actor-stream.ts'
import { type Actor, createPopulation } from '../population.ts'
import { regionLatenciesMs, regionNames } from '../regions.ts'
import { rulesOf } from '../rules.ts'
import type { Scenario } from '../scenario.ts'
import { createAccount } from '../statistical/account.ts'
import { createAvailability } from '../statistical/availability.ts'
import { createMembership } from '../statistical/membership.ts'
import { createChainClock } from './chain-clock.ts'
import { createNodeChance } from './chance.ts'
import { createEventQueue } from './events.ts'
import { createHoldings } from './holdings.ts'
import { createMesh, drawConnections } from './mesh.ts'
import { createNetwork } from './network.ts'
import { NetworkPlan } from './network-plan.ts'
import { createPropagationCount } from './propagation.ts'
import { drawVictims } from './victims.ts'

/** What a run stands on before anything happens: rules, nodes, their network, their chain, what they hold, chance. */
export type Ground = ReturnType<typeof createGround>

export const createGround = (scenario: Scenario, repeat: number) => {
  const rules = rulesOf(scenario)
  const { genesis, params, networkId } = rules
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
  const victims = drawVictims(scenario, repeat, actors, nodes, plan)
  const connections = drawConnections(nodes, plan, victims.taken, streamOf('connections'))
  const mesh = createMesh(connections, plan.gossip, streamOf('mesh'))
  const holdings = createHoldings(nodes)
  const propagation = createPropagationCount()
  const heightOf = (node: number): Height => clock.confirmedBy(node, queue.now())

  return {
    scenario,
    repeat,
    rules,
    plan,
    population,
    actorOfNode,
    streamOf,
    membership,
    availability,
    account,
    chain,
    queue,
    chance,
    network,
    clock,
    isUp,
    victims,
    connections,
    mesh,
    holdings,
    propagation,
    heightOf,
  }
}
