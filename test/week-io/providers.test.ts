import { afterEach, beforeEach, expect, test } from 'vitest'
import { cidOf } from '../../protocol/index.ts'
import { createProviders } from '../../src/week-io/providers.ts'
import { realWorld } from '../../src/world.ts'
import { type LocalHost, registerAll, startHost, until } from '../net/local-hosts.ts'

const checkpoint = cidOf(Uint8Array.of(7, 7, 7))
const protocol = 'checkpoint/1'
let hosts: LocalHost[] = []

/** Three nodes in a row: the last has never heard of the first. */
beforeEach(async () => {
  hosts = []
  for (let i = 1; i <= 3; i++) hosts.push(await startHost(`127.61.0.${i}`))
  registerAll(...hosts)
  for (let i = 1; i < hosts.length; i++) await hosts[i]!.dial(hosts[i - 1]!.target())
})
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
})

test('R-CP-8 whoever said in the DHT that he has a week is found and asked', async () => {
  const [holder, , asker] = hosts as [LocalHost, LocalHost, LocalHost]
  const limits = {
    maxRequestBytes: 10,
    maxResponseBytes: 10,
    timeoutMs: 60_000,
    maxConcurrentPerPeer: 2,
    maxConcurrent: 4,
  }
  await holder.handle(protocol, limits, async (request) => Uint8Array.from(request, (byte) => byte + 1))
  await until(async () => (await holder.provide(checkpoint)) > 0)
  await until(async () => (await asker.findProviders(checkpoint)).length > 0)

  const signal = AbortSignal.timeout(90_000)
  const found = await Array.fromAsync(createProviders(asker, realWorld()).of(checkpoint, signal))
  expect(found.map(({ name }) => name)).toEqual([holder.peerId])
  expect(await found[0]!.ask(protocol, Uint8Array.of(1), 10, signal)).toEqual(Uint8Array.of(2))
})

test('one search serves all that is asked of a week; a node does not ask itself', async () => {
  const [holder] = hosts as [LocalHost]
  await until(async () => (await holder.provide(checkpoint)) > 0)
  let searches = 0
  const counting: LocalHost = {
    ...holder,
    findProviders: (...args) => {
      searches++
      return holder.findProviders(...args)
    },
  }
  const providers = createProviders(counting, realWorld())
  const signal = AbortSignal.timeout(90_000)
  for (let i = 0; i < 3; i++) expect(await Array.fromAsync(providers.of(checkpoint, signal))).toEqual([])
  expect(searches).toBe(1)
})

test('a node without a neighbour does not search', async () => {
  await using alone = await startHost('127.61.0.20')
  let searches = 0
  const counting: LocalHost = {
    ...alone,
    findProviders: (...args) => {
      searches++
      return alone.findProviders(...args)
    },
  }
  const providers = createProviders(counting, realWorld())
  expect(await Array.fromAsync(providers.of(checkpoint, AbortSignal.timeout(90_000)))).toEqual([])
  expect(searches).toBe(0)
})
