import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createActorStream } from '../../../sim/actor-stream.ts'
import { createNodeChance } from '../../../sim/messages/chance.ts'
import { createEventQueue, type EventQueue } from '../../../sim/messages/events.ts'
import { runFloods } from '../../../sim/messages/flood.ts'
import { graphOf, randomGraph } from '../../../sim/messages/graph.ts'
import { createNetwork, type NetworkOptions } from '../../../sim/messages/network.ts'
import { createHeapQueue } from './heap-queue.ts'

describe('the event queue', () => {
  /** Every event may schedule others, at once, soon, at the end of the wheel, or far behind it. */
  const play = (queue: EventQueue, starts: readonly number[], delays: readonly number[], until: number) => {
    const seen: number[] = []
    let named = 0
    for (const at of starts) queue.schedule(at, 1, named++, 7, 8)
    const handle = (kind: number, node: number, a: number, b: number): void => {
      seen.push(queue.now(), kind, node, a, b)
      for (let i = 0; i < 2 && named < 400; i++) {
        const delay = delays[(node + i) % delays.length]!
        queue.schedule(queue.now() + delay, (node % 5) + 2, named++, node, i)
      }
    }
    const before = queue.run(until, handle)
    const left = queue.size()
    const after = queue.run(Infinity, handle)
    return { seen, before, left, after, end: queue.size() }
  }

  test('gives events in the order of their times, equal ones as they were scheduled: as a heap does', () => {
    const at = fc.oneof(
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 5_000 }),
      fc.integer({ min: 0, max: 3_000_000 }),
      fc.integer({ min: 0, max: 10 ** 12 }),
    )
    const delay = fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 2_000 }),
      fc.integer({ min: 1_040_000, max: 1_060_000 }),
      fc.integer({ min: 0, max: 10 ** 9 }),
    )
    fc.assert(
      fc.property(
        fc.array(at, { minLength: 1, maxLength: 60 }),
        fc.array(delay, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: 4_000_000 }),
        (starts, delays, until) => {
          const wheel = play(createEventQueue(), starts, delays, until)
          expect(wheel).toEqual(play(createHeapQueue(), starts, delays, until))
          expect(wheel.end).toBe(0)
          const times = wheel.seen.filter((_, i) => i % 5 === 0)
          expect(times).toEqual(times.toSorted((a, b) => a - b))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('holds more events than a chunk, a bucket and its first memory', () => {
    const queue = createEventQueue()
    const stream = createActorStream(1, 0, 'many')
    const times = Array.from({ length: 200_000 }, () => 5_000 + stream.below(3_000))
    for (const [i, at] of times.entries()) queue.schedule(at, 0, i, 0, 0)
    const order: number[] = []
    expect(queue.run(Infinity, (_kind, node) => order.push(node))).toBe(200_000)
    const expected = [...times.keys()].sort((a, b) => times[a]! - times[b]! || a - b)
    expect(order).toEqual(expected)
    expect(queue.bytes()).toBeGreaterThan(200_000 * 16)
  })

  test('refuses what is past', () => {
    const queue = createEventQueue()
    queue.schedule(5_000, 0, 0, 0, 0)
    queue.run(Infinity, () => undefined)
    expect(() => queue.schedule(4_999, 0, 0, 0, 0)).toThrow(/at 4999 µs is scheduled at 5000 µs/)
  })
})

const networkOf = (queue: EventQueue, changes: Partial<NetworkOptions>) => {
  const nodes = changes.nodes ?? 4
  const chance = createNodeChance(nodes, (node) => createActorStream(3, 0, 'chance', node))
  return createNetwork(queue, chance, {
    nodes,
    latency: { is: 'uniform', fromMs: 10, toMs: 10 },
    megabitsPerSecond: Infinity,
    loss: 0,
    ...changes,
  })
}

describe('the network', () => {
  const timesOf = (queue: EventQueue): number[] => {
    const times: number[] = []
    queue.run(Infinity, () => times.push(queue.now()))
    return times
  }

  test('a line sends one byte after the other: 8 Mbit/s are a microsecond a byte', () => {
    const queue = createEventQueue()
    const network = networkOf(queue, { megabitsPerSecond: 8 })
    for (let i = 0; i < 3; i++) network.send(0, 1, 1_000, 0, i, 0)
    network.send(2, 1, 500, 0, 9, 0)
    expect(timesOf(queue)).toEqual([10_500, 11_000, 12_000, 13_000])
    expect([...network.sentBytes]).toEqual([3_000, 0, 500, 0])
  })

  test('sides of a partition do not reach each other, until it ends', () => {
    const queue = createEventQueue()
    const network = networkOf(queue, {})
    network.partition(Uint16Array.of(0, 0, 1, 1))
    expect(network.send(0, 2, 1, 0, 0, 0)).toBe(false)
    expect(network.send(2, 3, 1, 0, 0, 0)).toBe(true)
    network.partition(null)
    expect(network.send(0, 2, 1, 0, 0, 0)).toBe(true)
    expect(timesOf(queue)).toHaveLength(2)
  })

  test('loss is a share of the messages, and latencies of regions lie between the median and its spread', () => {
    const queue = createEventQueue()
    const lossy = networkOf(queue, { loss: 0.2 })
    let lost = 0
    for (let i = 0; i < 10_000; i++) if (!lossy.send(0, 1, 1, 0, 0, 0)) lost++
    expect(Math.abs(lost / 10_000 - 0.2)).toBeLessThan(0.02)
    const far = createEventQueue()
    const regional = networkOf(far, {
      latency: {
        is: 'regions',
        regionOf: Uint8Array.of(0, 1, 1, 1),
        medianMs: Float64Array.of(1, 80, 80, 2),
        regions: 2,
        spread: 0.5,
      },
    })
    for (let i = 0; i < 1_000; i++) regional.send(0, 1, 1, 0, 0, 0)
    const times = timesOf(far)
    expect(times[0]).toBeGreaterThanOrEqual(80_000)
    expect(times[0]).toBeLessThan(81_000)
    expect(times.at(-1)).toBeLessThanOrEqual(120_000)
    expect(times.at(-1)).toBeGreaterThan(119_000)
  })
})

describe('floods', () => {
  test('along a line, each node hears of it one latency later than the one before it, and once from each side', () => {
    const queue = createEventQueue()
    const line = graphOf(5, Uint32Array.of(0, 1, 1, 2, 2, 3, 3, 4))
    const flooded = runFloods(
      queue,
      networkOf(queue, { nodes: 5 }),
      line,
      Uint32Array.of(0),
      Float64Array.of(0),
      1,
    )
    expect(flooded).toEqual({ arrivals: 8, firsts: 4, lastFirstAt: 40_000 })
  })

  test('each flood crosses each edge twice, and wheel and heap agree to the microsecond', () => {
    const floods = (queue: EventQueue) => {
      const stream = createActorStream(9, 0, 'flood')
      const graph = randomGraph(500, 16, stream)
      const network = networkOf(queue, { nodes: 500, latency: { is: 'uniform', fromMs: 10, toMs: 100 } })
      const origins = Uint32Array.from({ length: 10 }, () => stream.below(500))
      return runFloods(queue, network, graph, origins, new Float64Array(10), 200)
    }
    const flooded = floods(createEventQueue())
    expect(flooded).toMatchObject({ arrivals: 2 * 4_000 * 10, firsts: 499 * 10 })
    expect(flooded).toEqual(floods(createHeapQueue()))
  })
})
