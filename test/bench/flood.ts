import { createActorStream } from '../../sim/actor-stream.ts'
import { createNodeChance } from '../../sim/messages/chance.ts'
import { createEventQueue, type EventQueue } from '../../sim/messages/events.ts'
import { type Flooded, runFloods } from '../../sim/messages/flood.ts'
import { randomGraph } from '../../sim/messages/graph.ts'
import { createNetwork } from '../../sim/messages/network.ts'
import { createHeapQueue } from '../sim/messages/heap-queue.ts'

export interface FloodOptions {
  nodes: number
  floods: number
  /** Floods begin at random moments of so many milliseconds; 0 for all at once, when most events wait at a time. */
  spreadMs: number
  runs: number
}

const meanDegree = 16
const messageBytes = 500

/**
 * The core of the message engine: floods over a random graph of mean degree 16, latencies uniform from 10 to 100 ms, so
 * that each flood makes 2 · edges arrivals. The reference is the same flood over a binary heap of the same events, in
 * the same run; both must come to the same microsecond. Goal: 10 million arrivals a second on one core, the memory of
 * all events that wait included.
 */
export const benchFlood = ({ nodes, floods, spreadMs, runs }: FloodOptions): void => {
  const reference = measure(createHeapQueue(), nodes, floods, spreadMs)
  for (let i = 0; i < runs; i++) {
    const measured = measure(createEventQueue(), nodes, floods, spreadMs)
    if (measured.flooded.lastFirstAt !== reference.flooded.lastFirstAt)
      throw new Error('wheel and heap differ')
    process.stdout.write(
      `${JSON.stringify({
        bench: 'sim',
        engine: 'messages',
        nodes,
        meanDegree,
        floods,
        spreadMs,
        arrivals: measured.flooded.arrivals,
        cpuSeconds: round(measured.seconds),
        millionArrivalsPerSecond: round(measured.flooded.arrivals / measured.seconds / 1e6),
        timesBinaryHeap: round(reference.seconds / measured.seconds),
        queueMegabytes: Math.round(measured.queueBytes / 1e6),
        peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1_024),
      })}\n`,
    )
  }
}

const measure = (
  queue: EventQueue,
  nodes: number,
  floods: number,
  spreadMs: number,
): { flooded: Flooded; seconds: number; queueBytes: number } => {
  const stream = createActorStream(1, 0, 'flood')
  const graph = randomGraph(nodes, meanDegree, stream)
  const chance = createNodeChance(nodes, (node) => createActorStream(1, 0, 'flood', node))
  const network = createNetwork(queue, chance, {
    nodes,
    latency: { is: 'uniform', fromMs: 10, toMs: 100 },
    megabitsPerSecond: Infinity,
    loss: 0,
  })
  const origins = Uint32Array.from({ length: floods }, () => stream.below(nodes))
  const startsAt = Float64Array.from({ length: floods }, () =>
    Math.floor(stream.uniform() * spreadMs * 1_000),
  )
  // Of this process: other people's load does not count.
  const before = process.cpuUsage()
  const flooded = runFloods(queue, network, graph, origins, startsAt, messageBytes)
  const { user, system } = process.cpuUsage(before)
  return { flooded, seconds: (user + system) / 1e6, queueBytes: queue.bytes() }
}

const round = (value: number): number => Number(value.toPrecision(4))
