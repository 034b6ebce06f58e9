import type { Connection } from '@libp2p/interface'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBoundedDatastore } from '../../src/net/bounded-datastore.ts'
import { surplusOf, type Occupant } from '../../src/net/capacity.ts'
import { banPoints, createReputation, penalties } from '../../src/net/reputation.ts'
import { realWorld } from '../../src/world.ts'

/** All that the store needs of a key of libp2p is its text. */
const keyOf = (name: string) =>
  ({ toString: () => name }) as Parameters<ReturnType<typeof createBoundedDatastore>['has']>[0]

describe('what libp2p remembers', () => {
  const limits = { maxEntriesPerKind: 5, maxProvidersPerPeer: 2 }
  const value = Uint8Array.of(1)
  const provider = (content: string, peer: string) => keyOf(`/dht/provider/${content}/${peer}`)
  const keysOf = async (store: ReturnType<typeof createBoundedDatastore>, prefix?: string) => {
    const found: string[] = []
    for await (const { key } of store.query(prefix === undefined ? {} : { prefix }))
      found.push(key.toString())
    return found
  }

  test('is what was put, until it is deleted', async () => {
    const store = createBoundedDatastore(limits)
    const key = keyOf('/peers/a')
    expect(await store.has(key)).toBe(false)
    expect(() => store.get(key)).toThrow(expect.objectContaining({ name: 'NotFoundError' }) as Error)
    await store.put(key, value)
    expect(store.get(key)).toEqual(value)
    await store.put(key, Uint8Array.of(2))
    expect(store.get(key)).toEqual(Uint8Array.of(2))
    await store.delete(key)
    await store.delete(key)
    expect(await keysOf(store)).toEqual([])
  })

  test('is bounded by kind, the oldest going first, so that one kind cannot push out another', async () => {
    const store = createBoundedDatastore(limits)
    await store.put(keyOf('/peers/a'), value)
    for (let i = 0; i < 20; i++) await store.put(provider(`c${i}`, `p${i}`), value)
    expect(await store.has(keyOf('/peers/a'))).toBe(true)
    expect(await keysOf(store, '/dht')).toEqual([15, 16, 17, 18, 19].map((i) => `/dht/provider/c${i}/p${i}`))
  })

  test('holds few provider records of one peer, whose places come back when records go', async () => {
    const store = createBoundedDatastore({ ...limits, maxEntriesPerKind: 100 })
    for (const content of ['a', 'b', 'c']) await store.put(provider(content, 'greedy'), value)
    await store.put(provider('c', 'modest'), value)
    expect(await keysOf(store, '/dht/provider/c')).toEqual(['/dht/provider/c/modest'])
    await store.put(provider('a', 'greedy'), Uint8Array.of(2))
    await store.delete(provider('a', 'greedy'))
    await store.put(provider('c', 'greedy'), value)
    expect(await keysOf(store, '/dht/provider/c/')).toHaveLength(2)
  })

  test('takes no long names and no long values', async () => {
    const store = createBoundedDatastore(limits)
    await store.put(keyOf(`/peers/${'x'.repeat(300)}`), value)
    await store.put(keyOf('/peers/b'), new Uint8Array(20_000))
    expect(await keysOf(store)).toEqual([])
  })

  test('is queried with filters, orders and limits, as pairs and as keys, and changed in batches', async () => {
    const store = createBoundedDatastore(limits)
    const batch = store.batch()
    for (const name of ['c', 'a', 'b'])
      batch.put(keyOf(`/peers/${name}`), Uint8Array.of(name.codePointAt(0)!))
    batch.delete(keyOf('/peers/a'))
    expect(await keysOf(store, '/peers')).toEqual([])
    await batch.commit()
    const pairs = []
    for await (const pair of store.query({
      prefix: '/peers/',
      filters: [({ value: [first] }) => first! > 0],
      orders: [(a, b) => (a.key.toString() < b.key.toString() ? -1 : 1)],
      limit: 1,
    })) {
      pairs.push(pair)
    }
    expect(pairs.map(({ key }) => key.toString())).toEqual(['/peers/b'])
    const names = []
    for await (const key of store.queryKeys({ prefix: '/peers/', offset: 1 })) names.push(key.toString())
    expect(names).toHaveLength(1)
  })
})

describe('reputation', () => {
  const startReputation = () => {
    let nowMs = 0
    const reputation = createReputation({ ...realWorld(), monotonicMs: () => nowMs })
    return { reputation, pass: (ms: number) => void (nowMs += ms) }
  }

  test('five rejected messages shut a peer out, four do not, and points halve every ten minutes', () => {
    const { reputation, pass } = startReputation()
    for (let i = 0; i < 4; i++) reputation.penalise('a', 'invalid-message')
    expect(reputation.points('a')).toBeLessThan(banPoints)
    pass(1_000)
    reputation.penalise('a', 'invalid-message')
    expect(reputation.points('a')).toBeGreaterThanOrEqual(banPoints)
    const before = reputation.points('a')
    pass(600_000)
    expect(reputation.points('a')).toBeCloseTo(before / 2)
    expect(reputation.points('b')).toBe(0)
  })

  test('one fault every ten minutes never adds up to a ban, whatever it is', () => {
    for (const code of Object.keys(penalties) as (keyof typeof penalties)[]) {
      const { reputation, pass } = startReputation()
      for (let i = 0; i < 1_000; i++) {
        reputation.penalise('a', code)
        pass(600_000)
      }
      expect(reputation.points('a')).toBeLessThan(banPoints)
    }
  })

  test('remembers a bounded number of peers, those of the last faults', () => {
    const { reputation } = startReputation()
    for (let i = 0; i <= 10_000; i++) reputation.penalise(`${i}`, 'flood')
    expect(reputation.points('0')).toBe(0)
    expect(reputation.points('1')).toBeGreaterThan(0)
  })
})

describe('which connections go', () => {
  const occupants: fc.Arbitrary<Occupant[]> = fc.array(
    fc.record({
      connection: fc
        .record({ timeline: fc.record({ open: fc.nat() }) })
        .map((fields) => fields as unknown as Connection),
      isRegistered: fc.boolean(),
      isNeeded: fc.boolean(),
      busyStreams: fc.nat({ max: 2 }),
      isSpare: fc.boolean(),
    }),
    { maxLength: 30 },
  )
  const mayGo = (occupant: Occupant) => occupant.busyStreams === 0 && (!occupant.isNeeded || occupant.isSpare)

  test('no more than is too much, none in use, and all that is too much where it may go', () => {
    fc.assert(
      fc.property(occupants, fc.nat({ max: 30 }), (all, max) => {
        const going = surplusOf(all, max)
        expect(going.every(mayGo)).toBe(true)
        expect(new Set(going).size).toBe(going.length)
        expect(going).toHaveLength(Math.min(Math.max(0, all.length - max), all.filter(mayGo).length))
      }),
    )
  })

  test('no registered one while a stranger may go instead', () => {
    fc.assert(
      fc.property(occupants, fc.nat({ max: 30 }), (all, max) => {
        const going = surplusOf(all, max)
        const strangersLeft = all.filter(
          (occupant) => !occupant.isRegistered && mayGo(occupant) && !going.includes(occupant),
        )
        const isForced = going.every((occupant) => !occupant.isRegistered) || strangersLeft.length === 0
        expect(isForced).toBe(true)
      }),
    )
  })
})
