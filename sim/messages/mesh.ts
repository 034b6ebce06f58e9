import type { ActorStream } from '../actor-stream.ts'
import { type Graph, graphOf } from './graph.ts'
import type { NetworkPlan } from './network-plan.ts'

/** Whose neighbours an attacker has taken: node by node the nodes that it is linked with instead, or undefined. */
export type TakenLinks = ReadonlyMap<number, readonly number[]>

/**
 * Connections: every node dials so many others at random, and others dial it. A node whose links are taken has those
 * and no others.
 */
export const drawConnections = (
  nodes: number,
  plan: Pick<NetworkPlan, 'connections'>,
  taken: TakenLinks,
  streamOf: (node: number) => ActorStream,
): Graph => {
  const known = new Set<number>()
  const pairs: number[] = []
  const link = (a: number, b: number): boolean => {
    const key = Math.min(a, b) * nodes + Math.max(a, b)
    if (a === b || known.has(key)) return false
    known.add(key)
    pairs.push(a, b)
    return true
  }
  for (let node = 0; node < nodes; node++) {
    const links = taken.get(node)
    for (const other of links ?? []) link(node, other)
    if (links !== undefined) continue
    const stream = streamOf(node)
    let dialled = 0
    // In a network of few nodes there may be nobody left to dial.
    for (let tries = 0; dialled < plan.connections && tries < 20 * plan.connections; tries++) {
      const other = stream.below(nodes)
      if (!taken.has(other) && link(node, other)) dialled++
    }
  }
  return graphOf(nodes, Uint32Array.from(pairs))
}

/**
 * The meshes of gossipsub over those connections: whom each node passes messages on to, at once and whole. They are
 * taken as its heartbeats have settled them when an epoch begins: links to nodes that are gone are dropped, who has
 * fewer than D_low grafts up to D, and nobody is grafted beyond D_high.
 */
export interface Mesh {
  /** Of node n: `links[n · most …]`, `degree[n]` of them. */
  links: Uint32Array
  degree: Uint8Array
  most: number
  has(node: number, other: number): boolean
  settle(isUp: Uint8Array, isCut: (a: number, b: number) => boolean): void
}

export const createMesh = (
  connections: Graph,
  gossip: NetworkPlan['gossip'],
  streamOf: (node: number) => ActorStream,
): Mesh => {
  const { first, neighbours } = connections
  const nodes = first.length - 1
  const most = gossip.degreeHigh
  const links = new Uint32Array(nodes * most)
  const degree = new Uint8Array(nodes)
  const streams: (ActorStream | undefined)[] = Array.from({ length: nodes })
  const has = (node: number, other: number): boolean => {
    for (let i = 0; i < degree[node]!; i++) if (links[node * most + i] === other) return true
    return false
  }
  const add = (node: number, other: number): void => {
    links[node * most + degree[node]!++] = other
  }
  return {
    links,
    degree,
    most,
    has,
    settle: (isUp, isCut) => {
      for (let node = 0; node < nodes; node++) {
        let kept = 0
        for (let i = 0; i < degree[node]!; i++) {
          const other = links[node * most + i]!
          const stays = isUp[node] === 1 && isUp[other] === 1 && !isCut(node, other)
          if (stays) links[node * most + kept++] = other
        }
        degree[node] = kept
      }
      for (let node = 0; node < nodes; node++) {
        if (isUp[node] === 0 || degree[node]! >= gossip.degreeLow) continue
        const stream = (streams[node] ??= streamOf(node))
        const candidates = neighbours.slice(first[node], first[node + 1])
        // Fisher–Yates as far as needed.
        for (let left = candidates.length; left > 0 && degree[node]! < gossip.degree; left--) {
          const i = stream.below(left)
          const other = candidates[i]!
          candidates[i] = candidates[left - 1]!
          if (isUp[other] === 0 || degree[other]! >= most || isCut(node, other) || has(node, other)) continue
          add(node, other)
          add(other, node)
        }
      }
    },
  }
}
