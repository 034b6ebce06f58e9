import type { Epoch, Week } from '../../protocol/index.ts'
import { createActorStream } from '../actor-stream.ts'
import type { Population } from '../population.ts'
import type { Scenario } from '../scenario.ts'
import type { Ring } from './ring.ts'

/** Nodes that run twice under one key: a second signature of one epoch costs the seat its whole week (R-ATT-3). */
export interface Twins {
  /** By node: 1 if it signs some epoch of the running week twice. */
  equivocators: Uint8Array
  beginWeek(first: Epoch): void
  /** Takes out of the epoch what equivocators attested, as the tally of the week will. */
  strike(ring: Ring): void
}

export const createTwins = (
  scenario: Scenario,
  repeat: number,
  { actors, nodes }: Pick<Population, 'actors' | 'nodes'>,
  weekOf: (epoch: Epoch) => Week,
): Twins => {
  const equivocators = new Uint8Array(nodes)
  const draws = actors.flatMap((actor) => {
    const twin = actor.strategies.get('twin')
    if (twin?.kind !== 'twin') return []
    const stream = createActorStream(scenario.seed, repeat, actor.name, 'twins')
    /** Of each of its nodes, the next epoch that is signed twice. */
    const next = Float64Array.from({ length: actor.nodes }, () => stream.failuresBefore(twin.share))
    return [{ actor, stream, next, share: twin.share }]
  })
  return {
    equivocators,
    beginWeek: (first) => {
      const week = weekOf(first)
      for (const { actor, stream, next, share } of draws) {
        for (let i = 0; i < actor.nodes; i++) {
          while (next[i]! < first) next[i]! += 1 + stream.failuresBefore(share)
          const signed = next[i]!
          equivocators[actor.first + i] = Number.isFinite(signed) && weekOf(signed) === week ? 1 : 0
        }
      }
    },
    strike: (ring) => {
      for (let position = 0; position < ring.committees.size; position++) {
        if (equivocators[ring.nodeAt[position]!] === 1) ring.flat.attests[position] = 0
      }
    },
  }
}
