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
  const limits = { maxEntriesPerKind: 5, maxProvidersPerPeer: 2, maxProvidersTold: 3 }
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

  test('tells a few providers of one content, the first, and all records when all are asked for', async () => {
    const store = createBoundedDatastore({ ...limits, maxEntriesPerKind: 100 })
    for (const peer of ['a', 'b', 'c', 'd', 'e']) await store.put(provider('x', peer), value)
    expect(await keysOf(store, '/dht/provider/x')).toEqual(
      ['a', 'b', 'c'].map((peer) => `/dht/provider/x/${peer}`),
    )
    expect(await keysOf(store, '/dht/provider')).toHaveLength(5)
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
  const limits = { maxRegistered: 12, maxStrangers: 8 }
  const occupants: fc.Arbitrary<Occupant[]> = fc.array(
    fc.record({
      connection: fc
        .record({ timeline: fc.record({ open: fc.nat() }) })
        .map((fields) => fields as unknown as Connection),
      peer: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      isRegistered: fc.boolean(),
      hasDuty: fc.boolean(),
      isNeeded: fc.boolean(),
      busyStreams: fc.nat({ max: 2 }),
      isSpare: fc.boolean(),
    }),
    { maxLength: 60 },
  )

  test('none of duty, and of the others as many as are too many of their class', () => {
    fc.assert(
      fc.property(occupants, (all) => {
        const going = surplusOf(all, limits)
        expect(new Set(going).size).toBe(going.length)
        expect(going.filter(({ hasDuty }) => hasDuty)).toEqual([])
        for (const isRegistered of [true, false]) {
          const ofClass = (list: Occupant[]) => list.filter((one) => one.isRegistered === isRegistered)
          const max = isRegistered ? limits.maxRegistered : limits.maxStrangers
          const others = ofClass(all).filter(({ hasDuty }) => !hasDuty)
          expect(ofClass(going)).toHaveLength(Math.max(0, others.length - max))
        }
      }),
    )
  })

  const openAt = (ms: number): Connection => ({ timeline: { open: ms } }) as unknown as Connection
  const idle = { isRegistered: true, hasDuty: false, isNeeded: false, busyStreams: 0, isSpare: false }

  test('60 seats with four connections each, all in use: none of an idle peer, none of a challenger', () => {
    const honest = Array.from({ length: 40 }, (_, i) => ({
      ...idle,
      peer: `honest ${i}`,
      connection: openAt(i),
    }))
    const challengers = Array.from({ length: 11 }, (_, i) => ({
      ...idle,
      peer: `challenger ${i}`,
      hasDuty: true,
      connection: openAt(100 + i),
    }))
    const hogs = Array.from({ length: 240 }, (_, i) => ({
      ...idle,
      peer: `hog ${i % 60}`,
      busyStreams: 12,
      isSpare: i >= 60,
      connection: openAt(1_000 + i),
    }))
    const all = [...honest, ...challengers, ...hogs]
    const going = surplusOf(all, { maxRegistered: 128, maxStrangers: 128 })
    expect(going).toHaveLength(40 + 240 - 128)
    expect(going.every(({ peer }) => peer.startsWith('hog'))).toBe(true)
  })

  test('of a peer the connection that carries its gossip last, and of equals the oldest first', () => {
    const all = [
      { ...idle, peer: 'a', connection: openAt(1) },
      { ...idle, peer: 'a', isSpare: true, busyStreams: 1, connection: openAt(2) },
      { ...idle, peer: 'a', isSpare: true, connection: openAt(3) },
      { ...idle, peer: 'b', connection: openAt(0) },
    ]
    const gone = (maxRegistered: number) =>
      surplusOf(all, { maxRegistered, maxStrangers: 0 })
        .map(({ connection }) => connection.timeline.open)
        .sort((a, b) => a - b)
    expect([gone(3), gone(2), gone(1)]).toEqual([[3], [2, 3], [0, 2, 3]])
  })
})
