import { connect, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { World } from '../../src/world.ts'
import { clientHello, neighbours, scattered, startFlood, startSlowLine } from './flood.ts'
import { createCounts, until } from './local-hosts.ts'
import { good, host, probe, startEndpoint, world } from './tls-world.ts'

const challenger = '127.0.7.7'

const countsOf = (counts: Map<string, number>, start: string): number =>
  [...counts].reduce((sum, [name, count]) => (name.startsWith(start) ? sum + count : sum), 0)

describe('R-PROBE-1 places of the endpoint', () => {
  test('idle connections of 18 addresses, more than there are places, keep no challenger out', async () => {
    const { metrics, counts } = createCounts()
    await using endpoint = await startEndpoint(good, { metrics })
    const to = { ip: '127.0.0.1', port: endpoint.port() }
    await using flood = startFlood({ to, from: neighbours(200, 18), perAddress: 15 })
    await until(() => countsOf(counts, 'connections_displaced tls silent') >= 15)
    for (let i = 0; i < 15; i++) {
      expect(await probe(endpoint.port(), { localAddress: challenger })).toMatchObject({ is: 'ok' })
    }
    expect(countsOf(counts, 'connections_displaced')).toBe(
      countsOf(counts, 'connections_displaced tls silent'),
    )
    expect(flood.opened()).toBeGreaterThan(270)
  })

  test('nor does a botnet with a connection from each of its networks, while it is silent', async () => {
    const { metrics, counts } = createCounts()
    await using endpoint = await startEndpoint(good, { metrics })
    const to = { ip: '127.0.0.1', port: endpoint.port() }
    await using _flood = startFlood({ to, from: scattered(201, 400), perAddress: 1 })
    await until(() => countsOf(counts, 'connections_displaced tls silent') >= 256)
    // The challenger is a quarter of a second away.
    await using line = await startSlowLine({ listen: '127.0.7.1', to, from: challenger, delayMs: 125 })
    for (let i = 0; i < 5; i++)
      expect(await probe(line.port, { ip: '127.0.7.1' })).toMatchObject({ is: 'ok' })
  })

  test('an address that is expected has places of its own, however far the others have come', async () => {
    const { metrics, counts } = createCounts()
    await using endpoint = await startEndpoint(good, {
      metrics,
      places: { maxPlaces: 8, maxPerAddress: 8 },
      isExpected: (ip) => ip === challenger,
    })
    const to = { ip: '127.0.0.1', port: endpoint.port() }
    const bytes = await clientHello(host)
    await using _flood = startFlood({ to, from: scattered(203, 40), perAddress: 1, bytes })
    await until(() => countsOf(counts, 'connections_displaced tls hello') >= 8)
    await using line = await startSlowLine({ listen: '127.0.7.1', to, from: challenger, delayMs: 125 })
    for (let i = 0; i < 3; i++)
      expect(await probe(line.port, { ip: '127.0.7.1' })).toMatchObject({ is: 'ok' })
  })

  test('one address loses its own connections at its bound', async () => {
    const { metrics, counts } = createCounts()
    const places = { maxPlaces: 8, maxPerAddress: 3 }
    await using endpoint = await startEndpoint(good, { metrics, places })
    const closed: number[] = []
    const sockets = Array.from({ length: 6 }, (_, i) => {
      const socket = connect({ host: '127.0.0.1', port: endpoint.port(), localAddress: '127.0.6.6' })
      socket.on('error', () => undefined)
      socket.on('close', () => closed.push(i))
      return socket
    })
    await until(() => counts.get('connections_displaced tls silent') === 3 && closed.length === 3)
    expect(await probe(endpoint.port(), { localAddress: '127.0.6.6' })).toMatchObject({ is: 'ok' })
    expect(counts.get('connections_displaced tls silent')).toBe(4)
    for (const socket of sockets) socket.destroy()
  })

  test('while all places are taken, and only then, a handshake has a shorter time', async () => {
    const { metrics, counts } = createCounts()
    const fullTimeoutMs = 1_234
    const timers: (() => void)[] = []
    const stopped: World = {
      ...world,
      setTimer: (ms, callback) => {
        if (ms !== fullTimeoutMs) return world.setTimer(ms, callback)
        timers.push(callback)
        return () => undefined
      },
    }
    const places = { maxPlaces: 4, maxPerAddress: 4 }
    const options = { metrics, places, fullTimeoutMs, timeoutMs: 60_000, world: stopped }
    await using endpoint = await startEndpoint(good, options)
    const closed: string[] = []
    const keepSilent = (localAddress: string): Socket =>
      connect({ host: '127.0.0.1', port: endpoint.port(), localAddress })
        .on('error', () => undefined)
        .on('close', () => closed.push(localAddress))
        .resume()
    const sockets = scattered(204, 3).map(keepSilent)
    await until(() => timers.length === 3)
    for (const timeIsUp of timers) timeIsUp()
    expect(counts.size).toBe(0)
    sockets.push(keepSilent('127.0.6.9'))
    await until(() => timers.length === 4)
    timers[0]!()
    expect(counts.get('connections_refused tls slow')).toBe(1)
    await until(() => closed.length === 1)
    for (const socket of sockets) socket.destroy()
  })
})
