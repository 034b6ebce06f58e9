import { afterEach, expect, test } from 'vitest'
import { isSecnodeError } from '../../src/errors.ts'
import { watchStore } from '../../src/service/watched-store.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { put, type Store } from '../../src/store/store.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import { createFailingStore } from '../fixtures/stores.ts'
import { attest, attestedBy, createTestNetwork, play, type TestNetwork } from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'
import { storeCompliance } from '../store/compliance.ts'

storeCompliance('watched', async () =>
  watchStore(createMemoryStore(), (error) => {
    throw error
  }),
)

let network: TestNetwork | null = null
afterEach(async () => {
  await network?.stop()
  network = null
})

test('whatever fails is told, wherever it comes to light, and thrown as well', async () => {
  const told: unknown[] = []
  const broken = new Error('broken disk')
  const failing: Store = {
    ...createMemoryStore(),
    get: () => Promise.reject(broken),
    getMany: () => Promise.reject(broken),
    batch: () => Promise.reject(broken),
    // oxlint-disable-next-line require-yield
    async *range() {
      throw broken
    },
    close: () => Promise.reject(broken),
  }
  const store = watchStore(failing, (error) => told.push(error))
  const key = Uint8Array.of(1)
  const works = [
    () => store.get(key),
    () => store.getMany([key]),
    () => store.batch([put(key, key)]),
    async () => {
      for await (const _row of store.range());
    },
    () => store.close(),
  ]
  for (const [i, work] of works.entries()) {
    await expect(work()).rejects.toBe(broken)
    expect(told).toHaveLength(i + 1)
  }
})

test('a store that is closed is what the last requests meet, and no failure', async () => {
  const told: unknown[] = []
  const store = watchStore(createMemoryStore(), (error) => told.push(error))
  await store.close()
  await expect(store.get(Uint8Array.of(1))).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  expect(told).toEqual([])
})

const small = {
  nodes: 4,
  params: { committee: 3, attestBlocks: 2 },
  genesis: { epochBlocks: 8, confirmations: 2 },
}

test('a full disk in the collector reaches the daemon’s owner; the attestation is not passed on', async () => {
  network = await createTestNetwork(small)
  const told: unknown[] = []
  const failing = createFailingStore(createMemoryStore())
  const node = await network.start(0, { store: watchStore(failing, (error) => told.push(error)) })
  const context = await node.context(2)
  failing.failAfter(0)
  await expect(node.daemon.collector.take(attest(network, context, 1).bytes, 'gossip')).rejects.toMatchObject(
    {
      code: 'STORE_FULL',
    },
  )
  expect(told.every((error) => isSecnodeError(error, 'STORE_FULL'))).toBe(true)
  expect(told.length).toBeGreaterThan(0)
  await node.stop()
})

test('R-ATT-5 a full disk in the challenger reaches the daemon’s owner, and nothing is published', async () => {
  network = await createTestNetwork(small)
  const told: unknown[] = []
  const failing = createFailingStore(createMemoryStore())
  let published = 0
  const nodes = await readyNodes(network, (i) =>
    i !== 0
      ? {}
      : {
          store: watchStore(failing, (error) => told.push(error)),
          conduct: () => ({
            publish: () => {
              published++
              return Promise.resolve()
            },
          }),
        },
  )
  const node = nodes[0]!
  const attests = (await node.context(2)).phases.attests
  await play(nodes, attests - 1)
  failing.failAfter(0)
  node.chain.mayFail = true
  await play(nodes, attests, (one) => one === node)
  await until(() => told.length > 0)
  expect(isSecnodeError(told[0], 'STORE_FULL')).toBe(true)
  // Stops as ever: nothing waits for the store.
  await node.stop()
  expect(published).toBe(0)
  failing.failAfter(Infinity)
  expect(await attestedBy(node, 2)).toBeUndefined()
})
