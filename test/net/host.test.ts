import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { createNodeKeys } from '../../src/keys/node-key.ts'
import { createHost } from '../../src/net/host.ts'
import { realWorld } from '../../src/world.ts'
import { networkId, silent, startHost, topics, until } from './local-hosts.ts'
import { startEndpoint, probe } from './tls-world.ts'

const limits = {
  maxRequestBytes: 10,
  maxResponseBytes: 10,
  timeoutMs: 60_000,
  maxConcurrentPerPeer: 4,
  maxConcurrent: 4,
}
const asked = { timeoutMs: 60_000, maxResponseBytes: 10 }
const request = Uint8Array.of(1)
const world = realWorld()

describe('a host', () => {
  test('starts and stops as often as it is told to, and once for many at a time', async () => {
    await using other = await startHost('127.7.0.1')
    await other.handle('echo/1', limits, async (bytes) => bytes)
    const host = createHost({
      keys: createNodeKeys((length) => world.randomBytes(length)),
      networkId,
      listen: { address: '127.7.0.2', port: 0 },
      localAddress: '127.7.0.2',
      allowLoopback: true,
      topics,
      logger: silent,
      world,
    })
    await host.handle('echo/1', limits, async (bytes) => bytes)
    host.subscribe('attestations', () => ({ is: 'accept', value: undefined }))
    await host.stop()
    for (let round = 0; round < 2; round++) {
      await Promise.all([host.start(), host.start()])
      expect(await host.request(other.target(), 'echo/1', request, asked)).toEqual(request)
      const [address] = host.addresses()
      // What was declared before the start serves after every start.
      const peerKey = other.peers()[0]!.peerKey
      expect(await other.request({ peerKey, address: address! }, 'echo/1', request, asked)).toEqual(request)
      await Promise.all([host.stop(), host.stop()])
      expect(() => host.peers()).toThrow(expect.objectContaining({ code: 'NET_STOPPED' }) as Error)
    }
    // The last word counts, in the order in which they were said.
    await Promise.all([host.start(), host.stop(), host.start(), host.stop()])
    expect(() => host.addresses()).toThrow(expect.objectContaining({ code: 'NET_STOPPED' }) as Error)
  })

  test('that cannot listen says so with a code, and can be stopped', async () => {
    await using first = await startHost('127.7.0.3')
    const { port } = first.addresses()[0]!
    const starting = startHost('127.7.0.3', { listen: { address: '127.7.0.3', port } })
    await expect(starting).rejects.toMatchObject({ code: 'NET_CANNOT_LISTEN', hint: expect.any(String) })
  })

  test('refuses to be told twice what a topic or a protocol means', async () => {
    await using host = await startHost('127.7.0.4')
    const validate = () => ({ is: 'accept', value: undefined }) as const
    host.subscribe('attestations', validate)
    expect(() => host.subscribe('attestations', validate)).toThrow('already')
    await host.handle('echo/1', limits, async (bytes) => bytes)
    await expect(host.handle('echo/1', limits, async (bytes) => bytes)).rejects.toThrow('already')
  })

  test('announces what it is told to, and nothing that others could not dial', async () => {
    await using told = await startHost('127.7.0.5', { announce: [{ ip: '127.7.9.9', port: 4_001 }] })
    expect(told.addresses()).toEqual([{ ip: '127.7.9.9', port: 4_001 }])
    await using silenced = await startHost('127.7.0.6', { allowLoopback: false })
    expect(silenced.addresses()).toEqual([])
    await using open = await startHost('127.7.0.7', {
      allowLoopback: false,
      announce: [
        { ip: '10.0.0.1', port: 4_001 },
        { ip: '9.9.9.9', port: 4_001 },
      ],
    })
    expect(open.addresses()).toEqual([{ ip: '9.9.9.9', port: 4_001 }])
  })
})

test('R-PROBE-2 IPv6: libp2p and TLS are dialled at the same address', async () => {
  await using host = await startHost('::1', { localAddress: undefined })
  await using asker = await startHost('::1', { localAddress: undefined })
  await host.handle('echo/1', limits, async (bytes) => bytes)
  expect(host.target().address!.ip).toBe('::1')
  expect(await asker.request(host.target(), 'echo/1', request, asked)).toEqual(request)
  await using endpoint = await startEndpoint(undefined, { address: '::1' })
  expect(await probe(endpoint.port(), { ip: '::1' })).toMatchObject({ is: 'ok' })
})

test('R-FAULT-1 an address of a family that this side has not is no verdict', async () => {
  await using host = await startHost('127.7.0.8')
  const target = {
    peerKey: createNodeKeys((length) => world.randomBytes(length)).peerKey,
    address: { ip: '::1', port: 9 },
  }
  await expect(host.request(target, 'echo/1', request, asked)).rejects.toMatchObject({ code: 'NET_UNABLE' })
})

test('nothing is kept of thousands of requests that are over', async () => {
  await using alice = await startHost('127.7.0.9')
  await using bob = await startHost('127.7.0.10')
  await bob.handle(
    'echo/1',
    { ...limits, maxConcurrentPerPeer: 40, maxConcurrent: 40 },
    async (bytes) => bytes,
  )
  const burst = async (times: number) => {
    for (let i = 0; i < times; i++) {
      await Promise.all(
        Array.from({ length: 25 }, () => alice.request(bob.target(), 'echo/1', request, asked)),
      )
    }
    await until(() => alice.openStreams('echo/1') + bob.openStreams('echo/1') === 0)
  }
  const heapAfterCollection = () => {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  await burst(20)
  const before = heapAfterCollection()
  await burst(80)
  // One kilobyte for each of 2,000 would be 2 MB. What waits for a deadline goes with it.
  await until(() => heapAfterCollection() - before < 2_000_000)
  expect(alice.counts.get('requests_sent ok')).toBe(2_500)
})

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
