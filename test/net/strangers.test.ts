import { expect, test } from 'vitest'
import { bytesToHex, leastAskedEffort } from '../../protocol/index.ts'
import { heapInUse, startCrowd } from '../crowd/start.ts'
import { startHost, until } from './local-hosts.ts'

const workMs = 25
const limits = {
  maxRequestBytes: 1_000,
  maxResponseBytes: 100_000,
  timeoutMs: 15_000,
  maxConcurrentPerPeer: 2,
  maxConcurrent: 2,
}

/** A flood is one when so many were told to pay; how many come in a minute is the machine's affair. */
const leastRefused = 20

test('R-PUZ-5 500 strangers at once: 20 who pay are answered, a registered peer as ever, memory is bounded', async () => {
  await using server = await startHost('127.142.0.1')
  await using registered = await startHost('127.142.0.2')
  server.setRegistered(new Set([bytesToHex(registered.peerKey)]))
  const work = (request: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve) => setTimeout(() => resolve(request), workMs))
  await server.handle('sync/1', limits, work)
  // What no stranger knows of: as slow as the machine is at the moment, and no slower.
  await server.handle('control/1', limits, work)
  const request = Uint8Array.of(1, 2, 3)
  const { address, peerKey } = server.target()
  const task = {
    target: { peerKey: bytesToHex(peerKey), ...address! },
    protocolName: 'sync/1',
    request: bytesToHex(request),
    path: [],
  }
  const asked = { timeoutMs: 15_000, maxResponseBytes: 100_000 }
  const ask = async (protocolName: string): Promise<number> => {
    const startMs = performance.now()
    expect(await registered.request(server.target(), protocolName, request, asked)).toEqual(request)
    return performance.now() - startMs
  }
  const gate = () => server.gates().find(({ purpose }) => purpose === 'sync/1')!
  /** Of strangers; the DHT may dial some of them beside. */
  const inbound = () =>
    server.peers().filter(({ isRegistered, direction }) => !isRegistered && direction === 'inbound').length

  await using flood = await startCrowd({ ...task, is: 'ask', count: 500, block: 1, requests: 0 })
  await using payers = await startCrowd({ ...task, is: 'ask and pay', count: 20, block: 2, requests: 2 })
  await ask('sync/1')
  const heapBefore = heapInUse()
  const flooded = flood.go()
  await until(() => gate().effort >= leastAskedEffort)
  const over = new AbortController()
  const paying = payers.go().finally(() => over.abort())
  const tookMs = { sync: 0, control: 0 }
  const most = { inside: 0, waiting: 0, spent: 0, strangers: 0 }
  while (!over.signal.aborted || (server.counts.get('gate_refusals unpaid') ?? 0) < leastRefused) {
    for (const name of ['sync', 'control', 'control', 'sync'] as const) tookMs[name] += await ask(`${name}/1`)
    const { inside, waiting, spent } = gate()
    const now = { inside, waiting, spent, strangers: inbound() }
    for (const name of Object.keys(now) as (keyof typeof now)[]) most[name] = Math.max(most[name], now[name])
  }
  const heapGrowth = heapInUse() - heapBefore
  const paid = await paying
  flood.stop()
  const unpaid = await flooded

  // Each of those who work gets both of his answers, whatever it takes.
  expect(paid['answered']).toBe(40)
  // In a quiet second the price may be nothing for a moment, and the busier the machine is, the more of them there are.
  expect(paid['worked']).toBeGreaterThanOrEqual(1)
  expect(unpaid['puzzle unpaid']).toBeGreaterThanOrEqual(1)
  // No answer to the registered peer failed, and what strangers ask for is no slower for him than what they do not.
  expect(tookMs.sync / tookMs.control).toBeLessThan(3)
  expect(most.inside).toBeLessThanOrEqual(limits.maxConcurrent / 2)
  expect(most.waiting).toBeLessThanOrEqual(64)
  expect(most.strangers).toBeLessThanOrEqual(128)
  expect(most.spent).toBeLessThanOrEqual(200)
  // 128 connections of some 100 kB, whatever those who hold them and those who do not are trying.
  expect(heapGrowth).toBeLessThan(50_000_000)
}, 400_000)
