import { describe, expect, test } from 'vitest'
import {
  type ChainBlock,
  coin,
  Genesis,
  hash,
  networkIdOf,
  outpointKey,
  type RegistryChange,
  type SeatRecord,
  type Snapshot,
  snapshotRootOf,
  type StakeOutput,
  takeSnapshot,
} from '../../protocol/index.ts'
import { isSecnodeError } from '../../src/errors.ts'
import { keyOf, prefixes, u32 } from '../../src/store/keys.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { openRegistryRows, type RegistryRows } from '../../src/store/registry-rows.ts'
import { put, type Store } from '../../src/store/store.ts'

const genesis = Genesis.parse({
  chain: 'zcash-regtest',
  activationHeight: 101,
  announceAddress: 'not-looked-at-here',
  viewingKey: 'not-looked-at-here',
  minStake: 42n * coin,
  minSeniors: 4,
  epochBlocks: 8,
  confirmations: 4,
  announceBlocks: 1_000,
})
const networkId = networkIdOf(genesis)
const openRows = async (store: Store, height = 100) => openRegistryRows(store, genesis, networkId, height)

const recordOf = (seat: number, height: number, generation = 0): SeatRecord => ({
  seat,
  stake: hash('stake', seat).slice(0, 20),
  peer: hash('peer', seat, generation),
  host: `n${seat}-${generation}.example.org`,
  p2p: 9_000,
  tls: 9_001,
  bls: new Uint8Array(48).fill(seat),
  blsSince: 101,
  at: height - 1,
  announced: { height, index: 1 + (seat % 50) },
  activeSince: 101,
})
const outputOf = (seat: number, number: number, value: bigint): StakeOutput => ({
  outpoint: outpointKey(hash('output', seat, number), number),
  seat,
  value,
})
const changeAt = (height: number, change: Partial<RegistryChange>): RegistryChange => ({
  height,
  seats: [],
  created: [],
  removed: [],
  refused: [],
  ...change,
})
const blockSpending = (height: number, outputs: readonly StakeOutput[]): ChainBlock => ({
  height,
  hash: hash('block', height),
  previousHash: hash('block', height - 1),
  time: height,
  transactions: [{ spends: outputs.map(({ outpoint }) => outpoint), payments: [], memo: null }],
  certificateSpends: [],
})

const putSnapshot = (store: Store, rows: RegistryRows, epoch: number, snapshot: Snapshot): Promise<void> =>
  store.batch(rows.putSnapshot(epoch, snapshot, snapshotRootOf(snapshot)))

const write = async (store: Store, rows: RegistryRows, change: RegistryChange): Promise<void> => {
  await store.batch(rows.connect(change))
  rows.settle()
}

/** `count` seats with an output of 42 coins each, announced in block 101. */
const withSeats = async (count: number) => {
  const store = createMemoryStore()
  const rows = await openRows(store)
  const seats = Array.from({ length: count }, (_, seat) => ({ before: null, after: recordOf(seat, 101) }))
  const created = seats.map(({ after }) => outputOf(after.seat, 0, 42n * coin))
  await write(store, rows, changeAt(101, { seats, created }))
  return { store, rows, stakes: created }
}

const rowsOf = async (store: Store, prefix: number): Promise<number> => {
  let count = 0
  for await (const _entry of store.range({ gte: keyOf(prefix), lt: keyOf(prefix + 1) })) count++
  return count
}

describe('registry rows', () => {
  test('outputs are in memory only while a block that touches them is judged', async () => {
    const { store, rows, stakes } = await withSeats(100)
    expect(rows.registry.seatByOutpoint.size).toBe(0)
    expect(rows.registry.balanceBySeat.get(7)).toBe(42n * coin)
    const spent = [stakes[3]!, stakes[7]!]
    await rows.prepare(blockSpending(102, [...spent, outputOf(1, 99, 1n)]))
    expect([...rows.registry.seatByOutpoint]).toEqual(spent.map(({ outpoint, seat }) => [outpoint, seat]))
    await write(store, rows, changeAt(102, { removed: spent }))
    expect(rows.registry.seatByOutpoint.size).toBe(0)
    expect(rows.registry.balanceBySeat.has(7)).toBe(false)
    expect(rows.registry.balanceBySeat.get(8)).toBe(42n * coin)
    expect(await rowsOf(store, prefixes.stakeOutput)).toBe(98)
    expect(await rowsOf(store, prefixes.seatOutput)).toBe(98)
  })

  test('outputs of blocks that are not written yet are seen, spent ones no longer', async () => {
    const { store, rows, stakes } = await withSeats(3)
    const fresh = outputOf(1, 1, 5n)
    const operations = rows.connect(changeAt(102, { created: [fresh] }))
    await rows.prepare(blockSpending(103, [fresh, stakes[2]!]))
    expect(new Set(rows.registry.seatByOutpoint.keys())).toEqual(
      new Set([fresh.outpoint, stakes[2]!.outpoint]),
    )
    operations.push(...rows.connect(changeAt(103, { removed: [fresh, stakes[2]!] })))
    await rows.prepare(blockSpending(104, [fresh, stakes[2]!]))
    expect(rows.registry.seatByOutpoint.size).toBe(0)
    await store.batch(operations)
    rows.settle()
    expect(await rowsOf(store, prefixes.stakeOutput)).toBe(2)
  })

  test('balances and seats are those of the rows after opening again, and before, after taking back', async () => {
    const { store, rows, stakes } = await withSeats(5)
    const before = JSON.stringify([rows.registry.seats, [...rows.registry.balanceBySeat].map(String)])
    await rows.prepare(blockSpending(102, [stakes[4]!]))
    const retired = {
      before: rows.registry.seats[4]!,
      after: { ...rows.registry.seats[4]!, activeSince: null },
    }
    const again = { before: rows.registry.seats[0]!, after: recordOf(0, 102, 1) }
    const created = [outputOf(0, 5, 43n * coin)]
    await write(store, rows, changeAt(102, { seats: [again, retired], created, removed: [stakes[4]!] }))

    const reopened = await openRows(store, 102)
    expect(reopened.registry.seats).toEqual(rows.registry.seats)
    expect(reopened.registry.balanceBySeat).toEqual(rows.registry.balanceBySeat)
    expect(reopened.registry.height).toBe(102)
    expect(await rowsOf(store, prefixes.identity)).toBe(6)

    await store.batch(await reopened.disconnect())
    reopened.settle()
    expect(
      JSON.stringify([
        reopened.registry.seats,
        [...reopened.registry.balanceBySeat].sort((a, b) => a[0] - b[0]).map(String),
      ]),
    ).toBe(before)
    expect(await rowsOf(store, prefixes.identity)).toBe(5)
    expect((await openRows(store, 101)).registry.seats).toEqual(reopened.registry.seats)
  })

  test('R-EPOCH-5 a snapshot costs two bytes a seat; identities are stored once, however many snapshots name them', async () => {
    const { store, rows } = await withSeats(1_000)
    for (let epoch = 2; epoch < 44; epoch++) {
      await putSnapshot(store, rows, epoch, takeSnapshot(rows.registry, 101))
    }
    const snapshotBytes = (await store.get(keyOf(prefixes.snapshot, u32(43))))!.length
    expect(snapshotBytes).toBeLessThanOrEqual(2 * 1_000 + 3)
    expect(await rowsOf(store, prefixes.identity)).toBe(1_000)
    // A new identity of one seat is a row more, and old snapshots keep the old one.
    const again = { before: rows.registry.seats[500]!, after: recordOf(500, 102, 1) }
    await write(store, rows, changeAt(102, { seats: [again] }))
    await putSnapshot(store, rows, 44, takeSnapshot(rows.registry, 101))
    expect(await rowsOf(store, prefixes.identity)).toBe(1_001)
    const reopened = await openRows(store, 102)
    for (const opened of [rows, reopened]) {
      expect((await opened.snapshotOf(43))![500]!.host).toBe('n500-0.example.org')
      expect((await opened.snapshotOf(44))![500]!.host).toBe('n500-1.example.org')
      expect(await opened.snapshotOf(45)).toBeUndefined()
    }
    expect((await rows.seatsAfter(101))[500]!.host).toBe('n500-0.example.org')
    expect((await rows.seatsAfter(102))[500]!.host).toBe('n500-1.example.org')
    // Who has not announced anew since shares the record in memory: 40,000 of them are 30 MB.
    expect((await rows.seatsAfter(102))[500]).toBe(rows.registry.seats[500])
    expect((await rows.seatsAfter(101))[500]).not.toBe(rows.registry.seats[500])
    expect((await rows.seatsAfter(101))[499]).toBe(rows.registry.seats[499])
    expect(await rows.seatsAfter(100)).toEqual([])
  })

  test('seats that are not in a snapshot leave a gap in it', async () => {
    const { store, rows } = await withSeats(10)
    const some = takeSnapshot(rows.registry, 101).filter(({ seat }) => seat % 3 === 2)
    await putSnapshot(store, rows, 2, some)
    expect((await rows.snapshotOf(2))!.map(({ seat }) => seat)).toEqual([2, 5, 8])
    expect(await rows.snapshotSummaryOf(2)).toEqual({ seats: 3, root: snapshotRootOf(some) })
    expect(await rows.snapshotSummaryOf(3)).toBeUndefined()
  })

  const damages: [string, Uint8Array, Uint8Array][] = [
    ['seat', keyOf(prefixes.seat, u32(1)), Uint8Array.of(0xff)],
    ['identity', keyOf(prefixes.identity, u32(1), u32(0)), Uint8Array.of(0x80)],
    ['a seat too far', keyOf(prefixes.seat, u32(9)), Uint8Array.of(0x83, 0, 0, 0)],
  ]
  test.each(damages)('a damaged row (%s) is STORE_DAMAGED', async (_name, key, value) => {
    const { store } = await withSeats(3)
    await store.batch([put(key, value)])
    await expect(openRows(store, 101)).rejects.toSatisfy((error) => isSecnodeError(error, 'STORE_DAMAGED'))
  })
})
