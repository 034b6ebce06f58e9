import { streamPair } from '@libp2p/utils'
import { afterEach, describe, expect, test } from 'vitest'
import { cellPayloadBytes, encodeCell, maxCellsBack, maxCellsForth } from '../../protocol/index.ts'
import { CellStream, type LinkEnd } from '../../src/net/cell-stream.ts'
import { createTurns, type Turn } from '../../src/net/turns.ts'
import { realWorld } from '../../src/world.ts'
import { until } from '../net/local-hosts.ts'
import { type RelayNetwork, startRelayNetwork, withinIdleMs } from './relay-network.ts'

const forever = new AbortController().signal
const running: RelayNetwork[] = []
const start: typeof startRelayNetwork = async (options) => {
  const network = await startRelayNetwork(options)
  running.push(network)
  return network
}
afterEach(async () => {
  for (const network of running.splice(0)) await network[Symbol.asyncDispose]()
})

const sent = (bytes: Uint8Array) => Promise.resolve(['sent', bytes.slice(0, 32)] as ['sent', Uint8Array])

describe('R-RELAY-6 quotas', () => {
  test('R-RELAY-6 one neighbour has a bounded number of circuits, and gets more as they end', async () => {
    const network = await start({
      hops: 2,
      block: 3,
      limits: { maxPerPeer: 3, maxPerStranger: 3 },
      exit: sent,
    })
    const client = await network.client()
    const bytes = new Uint8Array(300)
    const circuits = await Promise.all([0, 1, 2].map(() => network.build(client, [0, 1])))
    await expect(network.build(client, [0, 1])).rejects.toMatchObject({ code: 'RELAY_BROKEN', link: 0 })
    // A fourth of hop 0 takes the place of one of its own.
    const other = await network.client('127.41.3.249')
    const fourth = await network.build(other, [0, 1])
    expect(network.hops[1]!.hop.status()).toMatchObject({
      circuits: { registered: 3 },
      refusals: { busy: 1 },
    })
    expect(await fourth.broadcast(bytes, forever)).toMatchObject(['sent', expect.anything()])
    for (const circuit of circuits) circuit.end()
    await until(() => network.openStreams() === 0, withinIdleMs)
    const circuit = await network.build(client, [0, 1])
    expect(await circuit.broadcast(bytes, forever)).toMatchObject(['sent', expect.anything()])
  })

  test('R-RELAY-6 where there is no room, the neighbour with the most circuits loses its oldest, and reads that the hop is busy', async () => {
    const network = await start({ hops: 3, block: 4, limits: { maxRegistered: 3 }, exit: sent })
    const client = await network.client()
    const build = () => network.build(client, [0, 2])
    const [oldest, second, third] = [await build(), await build(), await build()]
    const other = await network.build(client, [1, 2])
    const bytes = new Uint8Array(300)
    await expect(oldest.broadcast(bytes, forever)).rejects.toThrow('busy')
    // Hop 0 has two of three still, so that one more of its own costs it its own.
    const fourth = await build()
    await expect(second.broadcast(bytes, forever)).rejects.toThrow('busy')
    expect(network.hops[2]!.hop.status()).toMatchObject({
      circuits: { registered: 3, strangers: 0 },
      refusals: { busy: 2 },
    })
    for (const kept of [third, other, fourth]) {
      expect(await kept.broadcast(bytes, forever)).toMatchObject(['sent', expect.anything()])
    }
    await until(() => network.openStreams() === 0)
    expect(network.hops[2]!.hop.status().circuits.registered).toBe(0)
  })

  test('R-RELAY-6 strangers pass the gate: without room they pay, and one who pays comes before one who waits', async () => {
    const network = await start({
      hops: 2,
      block: 5,
      exit: sent,
      gate: { places: 1, maxWaiting: 1, waitMs: 60_000 },
    })
    const clients = await Promise.all([1, 2, 3].map((i) => network.client(`127.41.5.${240 + i}`)))
    const inside = await network.build(clients[0]!, [0, 1])
    // Waits without having paid; then comes one for whom there is no room, who is told the price, and pays it.
    const waiting = network.build(clients[1]!, [0, 1])
    await until(() => network.hops[0]!.gate.status().waiting === 1)
    const paying = network.build(clients[2]!, [0, 1])
    await until(() => (network.hops[0]!.hop.status().refusals['unpaid'] ?? 0) >= 2)
    expect(network.hops[0]!.hop.status().effort).toBeGreaterThan(0)
    // The other one pays, too, now that he was told.
    inside.end()
    const circuits = await Promise.all([
      paying.then((circuit) => circuit.broadcast(new Uint8Array(300), forever)),
      waiting.then((circuit) => circuit.broadcast(new Uint8Array(300), forever)),
    ])
    expect(circuits).toHaveLength(2)
    // Hop 1 was called by a registered peer only, and asked for nothing.
    expect(network.hops[1]!.hop.status()).toMatchObject({ refusals: {}, effort: 0 })
  })

  test('R-RELAY-6 a circuit that is silent, or old, is ended', async () => {
    const timers: (() => void)[] = []
    const setTimer = (_: number, callback: () => void) => {
      timers.push(callback)
      return () => undefined
    }
    const network = await start({
      hops: 2,
      block: 6,
      limits: { idleMs: 10_000, maxAgeMs: 20_000 },
      timers: { setTimer },
    })
    const client = await network.client()
    await network.build(client, [0, 1])
    const counts = () => network.hops.map(({ hop }) => hop.status().circuits)
    const sweep = (): void => timers.splice(0).forEach((timer) => timer())
    sweep()
    sweep()
    expect(counts()).toMatchObject([{ strangers: 1 }, { registered: 1 }])
    sweep()
    await until(() => network.openStreams() === 0, withinIdleMs)
    expect(network.hops[0]!.hop.status().refusals).toMatchObject({ idle: 1 })
  })
})

describe('R-RELAY-6 turns', () => {
  test('R-RELAY-6 whoever has work has one piece done in each round, however much others have', async () => {
    const turns = createTurns()
    const done: string[] = []
    const worker = (name: string, pieces: number): Turn => {
      let left = pieces
      return () => {
        done.push(name)
        return --left > 0
      }
    }
    turns.ready(worker('a', 200))
    turns.ready(worker('b', 3))
    turns.ready(worker('c', 2))
    await until(() => done.length === 205)
    expect(done.slice(0, 8).join('')).toBe('abcabcab')
  })

  test('R-RELAY-6 other work of the process has its turn between', async () => {
    const turns = createTurns()
    let pieces = 0
    turns.ready(() => ++pieces < 10_000)
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    expect(pieces).toBeGreaterThan(0)
    expect(pieces).toBeLessThan(500)
    await until(() => pieces === 10_000)
  })
})

describe('R-RELAY-6 back-pressure', () => {
  test('R-RELAY-6 a link on hold takes out nothing and stops the stream of the other side', async () => {
    const [far, near] = await streamPair()
    const ended = Promise.withResolvers<LinkEnd>()
    const opened = Promise.withResolvers<Uint8Array>()
    const options = { turns: createTurns(), world: realWorld(), onOpen: opened.resolve, onEnd: ended.resolve }
    const cells = new CellStream(near, options)
    let got = 0
    cells.addEventListener('message', () => got++)
    far.send(encodeCell({ kind: 'open', payload: new Uint8Array() }))
    await opened.promise
    cells.admit()
    cells.hold()
    const cell = encodeCell({ kind: 'data', payload: new Uint8Array(cellPayloadBytes) })
    for (let i = 0; i < 100; i++) far.send(cell)
    await until(() => near.readStatus === 'paused')
    expect(got).toBe(0)
    cells.release()
    await until(() => got === 100)
    expect(near.readStatus).toBe('readable')
    cells.end('done')
    expect(await ended.promise).toMatchObject({ code: 'done', fault: 'none' })
    far.abort(new Error('over'))
  })

  test('R-RELAY-6 nothing behind the first cell is looked at before the link is admitted', async () => {
    const [far, near] = await streamPair()
    let opened = 0
    const options = {
      turns: createTurns(),
      world: realWorld(),
      onOpen: () => opened++,
      onEnd: () => undefined,
    }
    const cells = new CellStream(near, options)
    let got = 0
    cells.addEventListener('message', () => got++)
    for (const cell of [opening, fullCell, fullCell]) far.send(cell)
    await until(() => opened === 1 && cells.cells.received === 3)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(got).toBe(0)
    cells.admit()
    await until(() => got === 2)
    cells.end('done')
    far.abort(new Error('over'))
  })

  test('R-RELAY-6 a stream is closed at the end of its link, and cut off if the other side leaves it open', async () => {
    const [far, near] = await streamPair()
    const cells = new CellStream(near, { turns: createTurns(), world: realWorld(), onEnd: () => undefined })
    cells.end('done')
    await until(() => far.remoteWriteStatus === 'closed')
    await until(() => near.status !== 'open' && near.status !== 'closing')
    expect(near.status).toBe('aborted')
  })

  const full = new Uint8Array(cellPayloadBytes)
  const fullCell = encodeCell({ kind: 'data', payload: full })
  const opening = encodeCell({ kind: 'open', payload: new Uint8Array() })
  const called = { onOpen: () => undefined }

  test.each([
    ['512 cells to the side that was called', called, [opening], maxCellsForth],
    ['16 cells back', {}, [], maxCellsBack],
  ])('R-RELAY-3 a link carries %s, not one more', async (_, side, before, most) => {
    const [far, near] = await streamPair()
    const ended = Promise.withResolvers<LinkEnd>()
    const cells = new CellStream(near, {
      turns: createTurns(),
      world: realWorld(),
      ...side,
      onEnd: ended.resolve,
    })
    let got = 0
    cells.addEventListener('message', () => got++)
    for (const cell of before) far.send(cell)
    await until(() => cells.cells.received === before.length)
    cells.admit()
    for (let i = before.length; i < most; i++) far.send(fullCell)
    await until(() => got === most - before.length)
    expect(cells.status).toBe('open')
    // The one above might be an END, which is not taken for too many.
    for (let i = 0; i < 2; i++) far.send(fullCell)
    expect(await ended.promise).toEqual({ code: 'too-many-cells', fault: 'link', toll: null })
    far.abort(new Error('over'))
  })

  test.each([
    ['512 cells as the side that calls', {}, maxCellsForth],
    ['16 cells back', called, maxCellsBack],
  ])('R-RELAY-3 this side sends %s, not one more', async (_, side, most) => {
    const [sending, receiving] = await streamPair()
    const over = Promise.withResolvers<LinkEnd>()
    const sender = new CellStream(sending, {
      turns: createTurns(),
      world: realWorld(),
      ...side,
      onEnd: over.resolve,
    })
    receiving.addEventListener('message', () => undefined)
    while (sender.status === 'open') {
      if (sender.send(full)) continue
      await new Promise<void>((resolve) => {
        for (const event of ['drain', 'close'])
          sender.addEventListener(event, () => resolve(), { once: true })
      })
    }
    expect(await over.promise).toMatchObject({ code: 'too-many-cells', fault: 'none' })
    expect(sender.cells.sent).toBe(most)
    receiving.abort(new Error('over'))
  })
})
