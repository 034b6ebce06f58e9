import { createActorStream } from '../actor-stream.ts'
import type { Actor } from '../population.ts'
import type { Scenario } from '../scenario.ts'
import type { NetworkPlan } from './network-plan.ts'

/** Sides of a partition, and nodes that are cut off from everybody. */
export const sidesOf = (sides: Uint8Array | null, isCutOff: Uint8Array): Uint16Array | null => {
  if (sides === null && !isCutOff.includes(1)) return null
  let alone = 1
  return Uint16Array.from(isCutOff, (cut, node) => (cut === 1 ? ++alone : (sides?.[node] ?? 0)))
}

/** Who is eclipsed, by whom, and what is passed on between them. */
export const drawVictims = (
  scenario: Scenario,
  repeat: number,
  actors: readonly Actor[],
  nodes: number,
  plan: NetworkPlan,
) => {
  const isVictim = new Uint8Array(nodes)
  const isCutOff = new Uint8Array(nodes)
  const eclipsers = new Uint8Array(nodes)
  const taken = new Map<number, number[]>()
  for (const actor of actors) {
    const strategy = actor.strategies.get('eclipse')
    if (strategy?.kind !== 'eclipse') continue
    const stream = createActorStream(scenario.seed, repeat, actor.name, 'victims')
    eclipsers.fill(1, actor.first, actor.first + actor.nodes)
    const honest = actors
      .filter(({ isAttacker }) => !isAttacker)
      .flatMap(({ first, nodes: count }) => Array.from({ length: count }, (_, i) => first + i))
    for (let left = strategy.victims; left > 0; left--) {
      const [victim] = honest.splice(stream.below(honest.length), 1) as [number]
      isVictim[victim] = 1
      if (strategy.of === 'all') isCutOff[victim] = 1
      // As many neighbours as others have, those that dialled in included.
      const links = Math.min(actor.nodes, 2 * plan.connections)
      const from = stream.below(actor.nodes)
      taken.set(
        victim,
        Array.from({ length: links }, (_, i) => actor.first + ((from + i) % actor.nodes)),
      )
    }
  }
  const passes = (from: number, to: number): boolean =>
    !(eclipsers[from] === 1 && isVictim[to] === 1) && !(isVictim[from] === 1 && eclipsers[to] === 1)
  return { isVictim, isCutOff, taken, passes }
}
