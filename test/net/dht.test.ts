import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bytesToHex, cidOf, type NetworkId } from '../../protocol/index.ts'
import { createNodeKeys } from '../../src/keys/node-key.ts'
import { realWorld } from '../../src/world.ts'
import { registerAll, startHost, until, type LocalHost } from './local-hosts.ts'

const inTime = { timeoutMs: 60_000 }
/** Far above the deadlines below, far below what a search without any takes. */
const longMs = 30_000
const content = cidOf(Uint8Array.of(1, 2, 3))
const keys = createNodeKeys((length) => realWorld().randomBytes(length))
let hosts: LocalHost[] = []

/** Four nodes in a row: each knows only the one before it, the rest through the DHT. */
beforeEach(async () => {
  hosts = []
  for (let i = 1; i <= 4; i++) hosts.push(await startHost(`127.6.0.${i}`))
  registerAll(...hosts)
  for (let i = 1; i < hosts.length; i++) await hosts[i]!.dial(hosts[i - 1]!.target())
})
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
})

describe('finding a peer', () => {
  test('by its key, though nobody gave the address', async () => {
    const [first, , , last] = hosts as [LocalHost, LocalHost, LocalHost, LocalHost]
    const { address } = first.target()
    let found: unknown[] = []
    await until(async () => {
      found = await last.findPeer(first.peerKey, inTime)
      return found.length > 0
    })
    expect(found).toContainEqual(address)
  })

  test('where it has moved to', async () => {
    const moving = await startHost('127.6.0.10', { keys })
    await moving.dial(hosts[0]!.target())
    const before = moving.target().address!
    await until(async () =>
      (await hosts[3]!.findPeer(keys.peerKey, inTime)).some((found) => found.ip === before.ip),
    )
    await moving.stop()

    await using moved = await startHost('127.6.0.11', { keys })
    await moved.dial(hosts[0]!.target())
    const after = moved.target().address!
    await until(async () =>
      (await hosts[3]!.findPeer(keys.peerKey, inTime)).some((found) => found.ip === after.ip),
    )
    // And asked without an address, it is reached there.
    await moved.handle(
      'echo/1',
      {
        maxRequestBytes: 10,
        maxResponseBytes: 10,
        timeoutMs: 60_000,
        maxConcurrentPerPeer: 1,
        maxConcurrent: 1,
      },
      async (request) => request,
    )
    const target = { peerKey: keys.peerKey, address: null }
    const request = Uint8Array.of(1)
    expect(await hosts[3]!.request(target, 'echo/1', request, { ...inTime, maxResponseBytes: 10 })).toEqual(
      request,
    )
  })

  test('that nobody knows is no error, and does not outlast the deadline', async () => {
    const startMs = performance.now()
    expect(await hosts[0]!.findPeer(keys.peerKey, { timeoutMs: 2_000 })).toEqual([])
    expect(performance.now() - startMs).toBeLessThan(longMs)
  })
})

describe('finding content', () => {
  test('names those who provide it, with where they are', async () => {
    const [first, , third, last] = hosts as [LocalHost, LocalHost, LocalHost, LocalHost]
    await until(async () => (await first.provide(content, inTime)) > 0)
    await until(async () => (await third.provide(content, inTime)) > 0)
    const keysOf = (found: { peerKey: Uint8Array }[]) =>
      found.map(({ peerKey }) => bytesToHex(peerKey)).sort()
    const expected = keysOf([first, third])
    await until(async () => keysOf(await last.findProviders(content, inTime)).join() === expected.join())
    const found = await last.findProviders(content, inTime)
    expect(
      found.find(({ peerKey }) => bytesToHex(peerKey) === bytesToHex(first.peerKey))!.addresses,
    ).toContainEqual(first.target().address)
    expect(await last.findProviders(content, { ...inTime, maxProviders: 1 })).toHaveLength(1)
  })

  test('that nobody has gives nobody', async () => {
    expect(await hosts[0]!.findProviders(cidOf(Uint8Array.of(9)), { timeoutMs: 3_000 })).toEqual([])
  })

  test('an abort is an error', async () => {
    const options = { ...inTime, signal: AbortSignal.abort() }
    await expect(hosts[0]!.findProviders(content, options)).rejects.toMatchObject({ code: 'NET_ABORTED' })
  })
})

test('a node that knows nobody gives up at the deadline', async () => {
  await using alone = await startHost('127.6.0.20')
  const startMs = performance.now()
  expect(await alone.provide(content, { timeoutMs: 300 })).toBe(0)
  expect(await alone.findPeer(hosts[0]!.peerKey, { timeoutMs: 300 })).toEqual([])
  expect(performance.now() - startMs).toBeLessThan(longMs)
})

test('networks with other ids do not mix: no provider, no peer, no protocol in common', async () => {
  await using other = await startHost('127.6.0.21', { networkId: 'cd'.repeat(16) as NetworkId })
  await other.dial(hosts[0]!.target())
  expect(await other.findPeer(hosts[2]!.peerKey, { timeoutMs: 500 })).toEqual([])
})
