import { utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { bytesToHex } from '../../protocol/index.ts'
import { scattered, startFlood, startSlowLine } from './flood.ts'
import { type LocalHost, startHost, until } from './local-hosts.ts'

/** A quarter of a second there and back. */
const delayMs = 125

/** As a client begins: the protocols of the handshake, and the first message of Noise, a key that nothing follows. */
const halfNoise = Buffer.concat([
  utf8ToBytes('\x13/multistream/1.0.0\n\x07/noise\n'),
  Uint8Array.of(0, 32),
  new Uint8Array(32).fill(9),
])

const displaced = (host: LocalHost, stage: string): number =>
  host.counts.get(`connections_displaced p2p ${stage}`) ?? 0

/** Dials over a long line, under which the host sees the address `from`, until every place was taken anew meanwhile. */
const dialFromAfar = async (
  honest: LocalHost,
  host: LocalHost,
  from: string,
  isTakenAnew: () => boolean,
): Promise<void> => {
  const to = host.target().address!
  await using line = await startSlowLine({ listen: '127.9.0.1', to, from, delayMs })
  const target = { peerKey: host.peerKey, address: { ip: '127.9.0.1', port: line.port } }
  const isConnected = (): boolean => host.peers().some(({ peerId }) => peerId === honest.peerId)
  do {
    await honest.dial(target, { timeoutMs: 60_000 })
    await until(isConnected)
    await honest.disconnect(host.peerKey)
    await until(() => !isConnected())
  } while (!isTakenAnew())
}

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
    await dialFromAfar(honest, host, '127.9.3.1', () => gone() - before > limits.maxPending)
  })

  test('from a network each, silent: one that speaks ends its handshake', async () => {
    await using host = await startHost('127.9.0.4', { limits })
    await using honest = await startHost('127.9.0.5')
    const to = host.target().address!
    await using _flood = startFlood({ to, from: scattered(210, 160), perAddress: 1, pauseMs: 100 })
    const gone = (): number => displaced(host, 'handshake silent')
    await until(() => gone() >= limits.maxPending)
    const before = gone()
    await dialFromAfar(honest, host, '127.9.3.2', () => gone() - before > limits.maxPending)
  })

  test('from a network each, as far as it comes: where a registered peer was, it has a place of its own', async () => {
    const maxPending = 16
    await using host = await startHost('127.9.0.6', { limits: { ...limits, maxPending } })
    await using honest = await startHost('127.9.3.3')
    host.setRegistered(new Set([bytesToHex(honest.peerKey)]))
    await honest.dial(host.target())
    await until(() => host.peers().length === 1)
    await honest.disconnect(host.peerKey)
    await until(() => host.peers().length === 0)
    const to = host.target().address!
    const from = scattered(211, 160)
    await using _flood = startFlood({ to, from, perAddress: 1, bytes: halfNoise, pauseMs: 20 })
    const gone = (): number => displaced(host, 'handshake noise')
    await until(() => gone() >= maxPending)
    const before = gone()
    await dialFromAfar(honest, host, '127.9.3.3', () => gone() - before > maxPending)
    expect(displaced(host, 'known handshake noise')).toBe(0)
  })
})
