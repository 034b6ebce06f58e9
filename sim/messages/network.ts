import type { EventQueue } from './events.ts'
import type { NodeChance } from './chance.ts'

/** What lies between nodes. */
export interface Network {
  /**
   * Sends `bytes` from a node to another; unless it is lost or cut off, the event (kind, to, a, b) comes when the last
   * byte is there: after what the sender has still to send, the time its line takes, and the way. False if it is lost.
   */
  readonly send: (from: number, to: number, bytes: number, kind: number, a: number, b: number) => boolean
  /** From when on, if not now: a node that works on something before it sends. In microseconds. */
  readonly sendAt: (
    at: number,
    from: number,
    to: number,
    bytes: number,
    kind: number,
    a: number,
    b: number,
  ) => boolean
  /** Nodes of different sides do not reach each other; null ends a partition. */
  readonly partition: (sides: Uint16Array | null) => void
  readonly isCut: (from: number, to: number) => boolean
  /** Bytes that each node has sent, lost ones included. */
  readonly sentBytes: Float64Array
  readonly sentMessages: Float64Array
}

/** The way between two nodes. */
export type Latency =
  /** Uniform, for every pair of nodes. */
  | { is: 'uniform'; fromMs: number; toMs: number }
  /** The median between two regions, times 1 … 1 + spread. `medianMs` is a square of `regions` rows. */
  | { is: 'regions'; regionOf: Uint8Array; medianMs: Float64Array; regions: number; spread: number }

export interface NetworkOptions {
  nodes: number
  latency: Latency
  /** Of each node's line, outwards; Infinity for none that counts. */
  megabitsPerSecond: number
  /** Share of all messages that never come, whatever was tried below. */
  loss: number
}

export const createNetwork = (queue: EventQueue, chance: NodeChance, options: NetworkOptions): Network => {
  const { nodes, latency, loss } = options
  const microsPerByte = 8 / options.megabitsPerSecond
  const busyUntil = new Float64Array(nodes)
  const sentBytes = new Float64Array(nodes)
  const sentMessages = new Float64Array(nodes)
  const { word, uniform } = chance
  let sides: Uint16Array | null = null
  // Microseconds of the way: base + a word · slope; both alike for all pairs, or by pair of regions.
  const isUniform = latency.is === 'uniform'
  const base = isUniform ? latency.fromMs * 1_000 : 0
  const slope = isUniform ? ((latency.toMs - latency.fromMs) * 1_000) / 2 ** 32 : latency.spread / 2 ** 32
  const regionOf = isUniform ? new Uint8Array(nodes) : latency.regionOf
  const regions = isUniform ? 1 : latency.regions
  const medianMicros = isUniform ? new Float64Array(1) : latency.medianMs.map((ms) => ms * 1_000)

  const isCut = (from: number, to: number): boolean => sides !== null && sides[from] !== sides[to]

  const sendAt = (
    at: number,
    from: number,
    to: number,
    bytes: number,
    kind: number,
    a: number,
    b: number,
  ): boolean => {
    sentBytes[from]! += bytes
    sentMessages[from]!++
    const start = busyUntil[from]! > at ? busyUntil[from]! : at
    const sent = start + bytes * microsPerByte
    busyUntil[from] = sent
    if (sides !== null && sides[from] !== sides[to]) return false
    if (loss > 0 && uniform(from) < loss) return false
    const drawn = word(from) * slope
    const way = isUniform
      ? base + drawn
      : medianMicros[regionOf[from]! * regions + regionOf[to]!]! * (1 + drawn)
    queue.schedule(Math.ceil(sent + way), kind, to, a, b)
    return true
  }

  return {
    send: (from, to, bytes, kind, a, b) => sendAt(queue.now(), from, to, bytes, kind, a, b),
    sendAt,
    partition: (drawn) => {
      sides = drawn
    },
    isCut,
    sentBytes,
    sentMessages,
  }
}
