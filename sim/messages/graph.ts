import type { RandomStream } from '../../protocol/index.ts'

/** Who is linked with whom: the neighbours of node n are `neighbours[first[n]] … neighbours[first[n + 1] − 1]`. */
export interface Graph {
  first: Uint32Array
  neighbours: Uint32Array
}

/** From pairs [2·i], [2·i + 1] without repetition; both ends are linked. Neighbours stand in the order of the pairs. */
export const graphOf = (nodes: number, pairs: Uint32Array): Graph => {
  const first = new Uint32Array(nodes + 1)
  for (const node of pairs) first[node + 1]!++
  for (let node = 0; node < nodes; node++) first[node + 1]! += first[node]!
  const at = first.slice(0, nodes)
  const neighbours = new Uint32Array(pairs.length)
  for (let i = 0; i < pairs.length; i += 2) {
    const [a, b] = [pairs[i]!, pairs[i + 1]!]
    neighbours[at[a]!++] = b
    neighbours[at[b]!++] = a
  }
  return { first, neighbours }
}

/** A random graph of this mean degree: as many different pairs as that takes, each as likely as any other (Gilbert). */
export const randomGraph = (nodes: number, meanDegree: number, stream: RandomStream): Graph => {
  const edges = Math.round((nodes * meanDegree) / 2)
  if (edges > (nodes * (nodes - 1)) / 4)
    throw new RangeError(`no ${edges} sparse edges between ${nodes} nodes`)
  const known = new Set<number>()
  const pairs = new Uint32Array(2 * edges)
  while (known.size < edges) {
    const a = stream.below(nodes)
    const b = stream.below(nodes)
    const key = Math.min(a, b) * nodes + Math.max(a, b)
    if (a === b || known.has(key)) continue
    pairs[2 * known.size] = a
    pairs[2 * known.size + 1] = b
    known.add(key)
  }
  return graphOf(nodes, pairs)
}
