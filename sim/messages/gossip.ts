import type { NodeChance } from './chance.ts'
import type { EventQueue } from './events.ts'
import type { Graph } from './graph.ts'
import { kinds } from './kinds.ts'
import type { Mesh } from './mesh.ts'
import type { Network } from './network.ts'
import type { NetworkPlan } from './network-plan.ts'

/** Messages have ids below this number of bits; a group of them is forgotten together. */
export interface Gossip {
  /** A node sends a message of its own to all that it is connected with (flood publishing of gossipsub 1.1). */
  publish(node: number, message: number, bytes: number): void
  /** Whether a node has seen a message in gossip, taken or not. */
  hasSeen(node: number, message: number): boolean
  /** What a node has otherwise is not asked for any more; it is not passed on by this. */
  markSeen(node: number, message: number): void
  /** Forgets messages from `from` up to before `to`, both multiples of 32. */
  forget(from: number, to: number): void
  handle(kind: number, node: number, a: number, b: number): void
  counts: GossipCounts
}

export interface GossipCounts {
  /** Whole messages that came, and those of them that were the first at their node. */
  arrivals: number
  firsts: number
  /** Copies that were asked for because a neighbour named them. */
  asked: number
}

export interface GossipOptions {
  nodes: number
  /** A multiple of 32. */
  messages: number
  plan: NetworkPlan
  connections: Graph
  mesh: Mesh
  isUp: Uint8Array
  /** Takes in what came first; true if it is passed on (accept), false if not (ignore). */
  onFirst: (node: number, message: number) => boolean
  /** Whether `node` passes anything on to `other`: an attacker may not. */
  passes: (node: number, other: number) => boolean
}

/** Of an RPC with control messages: framing of Noise, yamux, protobuf; and the 32 bytes of a message's id. */
const rpcBytes = 64
const idBytes = 34

/**
 * Gossipsub 1.1 as far as it moves messages: meshes, lazy gossip by heartbeat (IHAVE, IWANT), duplicates dropped, flood
 * publishing. Heartbeats of a node without anything to name would send nothing and are left out.
 */
export const createGossip = (
  queue: EventQueue,
  network: Network,
  chance: NodeChance,
  options: GossipOptions,
): Gossip => {
  const { nodes, plan, connections, mesh, isUp, onFirst, passes } = options
  const { first: firstLink, neighbours } = connections
  const { links, degree, most } = mesh
  const { sendAt } = network
  const counts: GossipCounts = { arrivals: 0, firsts: 0, asked: 0 }
  const wordsPerNode = options.messages / 32
  const seen = new Int32Array(nodes * wordsPerNode)
  const bytesOf = new Uint32Array(options.messages)
  const validationMicros = plan.validationMs * 1_000
  const heartbeatMicros = Math.round(plan.gossip.heartbeatMs * 1_000)

  // What a node has to name: a log that goes round, and where each of the last heartbeats stood.
  const logBits = Math.min(16, Math.max(8, Math.ceil(Math.log2(options.messages / 8))))
  const logMask = 2 ** logBits - 1
  const log = new Uint32Array(nodes * (logMask + 1))
  const logged = new Uint32Array(nodes)
  const history = plan.gossip.historyGossip
  const marks = new Uint32Array(nodes * history)
  const isBeating = new Uint8Array(nodes)
  const phase = new Float64Array(nodes)
  for (let node = 0; node < nodes; node++) phase[node] = Math.floor(chance.uniform(node) * heartbeatMicros)
  const wanted = new Map<number, Uint32Array>()
  let lists = 0

  const mark = (node: number, message: number): void => {
    seen[node * wordsPerNode + (message >>> 5)]! |= 1 << (message & 31)
  }
  const hasSeen = (node: number, message: number): boolean =>
    (seen[node * wordsPerNode + (message >>> 5)]! & (1 << (message & 31))) !== 0

  const beat = (node: number, from: number): void => {
    isBeating[node] = 1
    const beats = Math.floor((from - phase[node]!) / heartbeatMicros) + 1
    queue.schedule(phase[node]! + beats * heartbeatMicros, kinds.heartbeat, node, 0, 0)
  }

  const keep = (node: number, message: number): void => {
    log[node * (logMask + 1) + (logged[node]!++ & logMask)] = message
    if (isBeating[node] === 0) {
      marks.fill(logged[node]! - 1, node * history, (node + 1) * history)
      beat(node, queue.now())
    }
  }

  const forward = (node: number, message: number, from: number): void => {
    const at = queue.now() + validationMicros
    const bytes = bytesOf[message]!
    const start = node * most
    const end = start + degree[node]!
    for (let i = start; i < end; i++) {
      const other = links[i]!
      if (other !== from && passes(node, other)) sendAt(at, node, other, bytes, kinds.gossip, message, node)
    }
  }

  const onArrival = (node: number, message: number, from: number): void => {
    if (isUp[node] === 0 || !passes(from, node)) return
    counts.arrivals++
    const at = node * wordsPerNode + (message >>> 5)
    const bit = 1 << (message & 31)
    if ((seen[at]! & bit) !== 0) return
    seen[at] = seen[at]! | bit
    counts.firsts++
    if (!onFirst(node, message)) return
    keep(node, message)
    forward(node, message, from)
  }

  const onHeartbeat = (node: number): void => {
    const own = node * history
    const from = marks[own]!
    const to = logged[node]!
    for (let i = 0; i + 1 < history; i++) marks[own + i] = marks[own + i + 1]!
    marks[own + history - 1] = to
    if (isUp[node] === 0 || to === from) {
      isBeating[node] = 0
      return
    }
    const count = Math.min(to - from, 0xffff, logMask)
    const span = ((((to - count) & logMask) << 16) | count) >>> 0
    const linksOf = firstLink[node + 1]! - firstLink[node]!
    const others = linksOf - degree[node]!
    const lazy = Math.min(
      others,
      Math.max(plan.gossip.lazyDegree, Math.ceil(plan.gossip.gossipFactor * others)),
    )
    // Each of the others with the chance that makes `lazy` of them: one pass, no list.
    let left = others
    let needed = lazy
    for (let i = firstLink[node]!; i < firstLink[node + 1]! && needed > 0; i++) {
      const other = neighbours[i]!
      if (mesh.has(node, other)) continue
      if (left === needed || chance.below(node, left) < needed) {
        needed--
        if (isUp[other] === 1 && passes(node, other))
          sendAt(queue.now(), node, other, rpcBytes + count * idBytes, kinds.ihave, node, span)
      }
      left--
    }
    beat(node, queue.now())
  }

  const onIhave = (node: number, from: number, span: number): void => {
    if (isUp[node] === 0) return
    const start = span >>> 16
    const count = span & 0xffff
    let missing: number[] | null = null
    const base = from * (logMask + 1)
    for (let i = 0; i < count; i++) {
      const message = log[base + ((start + i) & logMask)]!
      if (!hasSeen(node, message)) (missing ??= []).push(message)
    }
    if (missing === null) return
    const list = lists++
    const isSent = sendAt(
      queue.now(),
      node,
      from,
      rpcBytes + missing.length * idBytes,
      kinds.iwant,
      node,
      list,
    )
    if (isSent) wanted.set(list, Uint32Array.from(missing))
  }

  const onIwant = (node: number, from: number, list: number): void => {
    const messages = wanted.get(list)!
    wanted.delete(list)
    if (isUp[node] === 0) return
    for (const message of messages) {
      counts.asked++
      sendAt(queue.now(), node, from, bytesOf[message]!, kinds.gossip, message, node)
    }
  }

  return {
    counts,
    hasSeen,
    markSeen: mark,
    publish: (node, message, bytes) => {
      bytesOf[message] = bytes + rpcBytes
      mark(node, message)
      keep(node, message)
      for (let i = firstLink[node]!; i < firstLink[node + 1]!; i++) {
        const other = neighbours[i]!
        if (isUp[other] === 1 && passes(node, other))
          sendAt(queue.now(), node, other, bytes + rpcBytes, kinds.gossip, message, node)
      }
    },
    forget: (from, to) => {
      for (let node = 0; node < nodes; node++) {
        seen.fill(0, node * wordsPerNode + from / 32, node * wordsPerNode + to / 32)
      }
    },
    handle: (kind, node, a, b) => {
      if (kind === kinds.gossip) onArrival(node, a, b)
      else if (kind === kinds.heartbeat) onHeartbeat(node)
      else if (kind === kinds.ihave) onIhave(node, a, b)
      else onIwant(node, a, b)
    },
  }
}
