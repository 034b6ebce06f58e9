import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { MultiaddrConnection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { bytesToHex } from '../../protocol/index.ts'
import { createGater } from '../../src/net/gater.ts'
import { defaultHostLimits } from '../../src/net/host.ts'
import { realWorld } from '../../src/world.ts'
import { scattered, startFlood, startSlowLine } from './flood.ts'
import { createCounts, type LocalHost, silent, startHost, until } from './local-hosts.ts'

/** A quarter of a second there and back. */
const delayMs = 125
/** One may get through by luck. */
const leastKnocks = 6

/** As a client begins: the protocols of the handshake, and the first message of Noise, a key that nothing follows. */
const halfNoise = Buffer.concat([
  utf8ToBytes('\x13/multistream/1.0.0\n\x07/noise\n'),
  Uint8Array.of(0, 32),
  new Uint8Array(32).fill(9),
])

const displaced = (host: LocalHost, stage: string): number =>
  host.counts.get(`connections_displaced p2p ${stage}`) ?? 0

/**
 * Knocks over a long line, under which the host sees the address `from`, again and again until every place was taken anew
 * meanwhile. Returns how often it did; a knock that finds no place throws. What the host dials of itself, as its DHT does,
 * is no part of it.
 */
const knockFromAfar = async (
  honest: LocalHost,
  host: LocalHost,
  from: string,
  isTakenAnew: () => boolean,
): Promise<number> => {
  const to = host.target().address!
  await using line = await startSlowLine({ listen: '127.9.0.1', to, from, delayMs })
  const target = { peerKey: host.peerKey, address: { ip: '127.9.0.1', port: line.port } }
  let knocks = 0
  for (; knocks < leastKnocks || !isTakenAnew(); knocks++) await honest.knock(target, { timeoutMs: 60_000 })
  return knocks
}

/** All of a connection that the gater looks at. */
const connectionFrom = (address: string, bytesRead: number) => {
  const closed: (() => void)[] = []
  const connection = {
    status: 'open',
    remoteAddr: multiaddr(`/ip${address.includes(':') ? 6 : 4}/${address}/tcp/4000`),
    socket: { bytesRead },
    addEventListener: (_type: string, listener: () => void) => closed.push(listener),
    abort: () => {
      connection.status = 'aborted'
      for (const listener of closed) listener()
    },
  }
  return connection
}

/** A gater with the limits of a daemon, and a clock of its own. */
const startGater = () => {
  let nowMs = 0
  const { metrics, counts } = createCounts()
  const { libp2p } = createGater({
    limits: defaultHostLimits,
    isServed: () => false,
    hasDuty: () => false,
    allowLoopback: true,
    world: { ...realWorld(), monotonicMs: () => nowMs },
    metrics,
    logger: silent,
  })
  const arrive = (connection: ReturnType<typeof connectionFrom>): boolean =>
    libp2p.denyInboundConnection!(connection as unknown as MultiaddrConnection) === false
  return { arrive, counts, pass: (ms: number) => void (nowMs += ms) }
}

describe('600 new connections a second that end no handshake, whose order is that of the clock', () => {
  test.each([
    ['silent, of 150 addresses', (i: number) => `10.${i % 150}.0.1`, 0],
    ['with half a handshake, of 150 addresses', (i: number) => `10.${i % 150}.0.1`, 62],
    ['with half a handshake, of 150 neighbours', (i: number) => `10.0.0.${i % 150}`, 62],
    [
      'with half a handshake, each of another /64 of a few /48',
      (i: number) => `2001:db8:${i % 30}:${i % 60_000}::1`,
      62,
    ],
    ['silent, each of another network', (i: number) => `10.${i >> 8}.${i & 255}.1`, 0],
    ['with half a handshake, each of another network', (i: number) => `10.${i >> 8}.${i & 255}.1`, 62],
  ])('%s: all that need four round trips of 250 ms end theirs', (_what, addressOf, bytesRead) => {
    const { arrive, pass } = startGater()
    const handshakeMs = 1_000
    const honest: { connection: ReturnType<typeof connectionFrom>; endsAt: number }[] = []
    for (let i = 0; i < 600 * 12; i++) {
      pass(1_000 / 600)
      arrive(connectionFrom(addressOf(i), bytesRead))
      if (i % 60 === 30 && i > 600 * 3) {
        // Its first words come with the last packet of TCP's own handshake.
        const connection = connectionFrom(`11.${i >> 8}.${i & 255}.1`, 28)
        expect(arrive(connection)).toBe(true)
        honest.push({ connection, endsAt: i + (handshakeMs * 600) / 1_000 })
      }
      for (const { connection } of honest.filter(({ endsAt }) => endsAt > i)) {
        expect(connection.status).toBe('open')
      }
      for (const { connection } of honest.filter(({ endsAt }) => endsAt <= i)) connection.abort()
    }
    expect(honest.length).toBeGreaterThan(80)
  })
})

describe('new connections a second', () => {
  test.each([
    ['one IPv4 address', () => '10.0.0.1', 5],
    ['one /24', (i: number) => `10.0.0.${i}`, 20],
    ['one /64', (i: number) => `2001:db8:0:1::${i + 1}`, 5],
    ['one /48', (i: number) => `2001:db8:1:${i}::1`, 20],
    ['an IPv4 address in IPv6', (i: number) => (i % 2 === 0 ? '10.0.0.1' : '::ffff:10.0.0.1'), 5],
  ])('of %s are bounded', (_what, addressOf, most) => {
    const { arrive, counts, pass } = startGater()
    const come = (): number => {
      let arrived = 0
      for (let i = 0; i < 100; i++) if (arrive(connectionFrom(addressOf(i), 0))) arrived++
      return arrived
    }
    expect(come()).toBe(most)
    expect(counts.get('connections_refused p2p rate')).toBe(100 - most)
    pass(1_000)
    expect(come()).toBe(most)
  })
})

describe('a flood of handshakes that do not end', () => {
  const limits = { maxPending: 64, maxKnownPending: 64, maxNewPerSecondPerAddress: 50 }

  test('from 40 addresses, four each: one from elsewhere ends its handshake', async () => {
    await using host = await startHost('127.9.0.2', { limits })
    await using honest = await startHost('127.9.0.3')
    const to = host.target().address!
    const from = scattered(209, 40)
    await using _flood = startFlood({ to, from, perAddress: 4, bytes: halfNoise, pauseMs: 100 })
    const gone = (): number => displaced(host, 'handshake noise')
    await until(() => gone() >= limits.maxPending)
    const before = gone()
    const knocks = await knockFromAfar(honest, host, '127.9.3.1', () => gone() - before > limits.maxPending)
    expect(knocks).toBeGreaterThanOrEqual(leastKnocks)
  })

  test('from a network each, silent: one that speaks ends its handshake', async () => {
    await using host = await startHost('127.9.0.4', { limits })
    await using honest = await startHost('127.9.0.5')
    const to = host.target().address!
    await using _flood = startFlood({ to, from: scattered(210, 160), perAddress: 1, pauseMs: 100 })
    const gone = (): number => displaced(host, 'handshake silent')
    await until(() => gone() >= limits.maxPending)
    const before = gone()
    const knocks = await knockFromAfar(honest, host, '127.9.3.2', () => gone() - before > limits.maxPending)
    expect(knocks).toBeGreaterThanOrEqual(leastKnocks)
  })

  test('from a network each, as far as it comes: where a registered peer was, it has a place of its own', async () => {
    const maxPending = 16
    await using host = await startHost('127.9.0.6', { limits: { ...limits, maxPending } })
    await using honest = await startHost('127.9.3.3')
    host.setRegistered(new Set([bytesToHex(honest.peerKey)]))
    await honest.knock({ peerKey: host.peerKey, address: host.addresses()[0]! })
    const to = host.target().address!
    const from = scattered(211, 160)
    await using _flood = startFlood({ to, from, perAddress: 1, bytes: halfNoise, pauseMs: 20 })
    const gone = (): number => displaced(host, 'handshake noise')
    await until(() => gone() >= maxPending)
    const before = gone()
    const knocks = await knockFromAfar(honest, host, '127.9.3.3', () => gone() - before > maxPending)
    expect(knocks).toBeGreaterThanOrEqual(leastKnocks)
    expect(displaced(host, 'known handshake noise')).toBe(0)
  })
})
