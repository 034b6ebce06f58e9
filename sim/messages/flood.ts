import type { EventQueue } from './events.ts'
import type { Graph } from './graph.ts'
import type { Network } from './network.ts'

/** What a run of floods came to. */
export interface Flooded {
  /** Messages that came to a node, first ones and duplicates: 2 · edges for each flood of a graph in one piece. */
  arrivals: number
  /** Those that were the first of their flood at their node; the nodes that began one are not counted. */
  firsts: number
  /** Microseconds of the last first arrival. */
  lastFirstAt: number
}

const arrival = 0

/**
 * The simplest network there is, for measuring the core: flood f begins at node `origins[f]` at `startsAt[f]`
 * microseconds, and every node sends what it sees for the first time to all of its neighbours.
 */
export const runFloods = (
  queue: EventQueue,
  network: Network,
  graph: Graph,
  origins: Uint32Array,
  startsAt: Float64Array,
  messageBytes: number,
): Flooded => {
  const { first, neighbours } = graph
  const nodes = first.length - 1
  const floods = origins.length
  const seen = new Uint8Array(nodes * floods)
  const flooded: Flooded = { arrivals: 0, firsts: 0, lastFirstAt: 0 }
  const { sendAt } = network
  const pass = (now: number, node: number, flood: number): void => {
    const end = first[node + 1]!
    for (let i = first[node]!; i < end; i++)
      sendAt(now, node, neighbours[i]!, messageBytes, arrival, flood, 0)
  }
  for (let flood = 0; flood < floods; flood++) {
    seen[origins[flood]! * floods + flood] = 1
    pass(startsAt[flood]!, origins[flood]!, flood)
  }
  flooded.arrivals = queue.run(Infinity, (_kind, node, flood) => {
    const at = node * floods + flood
    if (seen[at] === 1) return
    seen[at] = 1
    flooded.firsts++
    const now = queue.now()
    flooded.lastFirstAt = now
    pass(now, node, flood)
  })
  return flooded
}
