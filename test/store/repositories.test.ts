import { describe, expect, test } from 'vitest'
import {
  answeredFault,
  type ChallengerState,
  cidOf,
  createProof,
  encodeProof,
  type Finding,
  type HeldAttestation,
  seenFault,
  startChallenger,
  Verdict,
} from '../../protocol/index.ts'
import { createAttestationStore } from '../../src/store/attestations.ts'
import { createEvidenceStore } from '../../src/store/evidence.ts'
import { keyOf, prefixes, u32 } from '../../src/store/keys.ts'
import { openLevelStore } from '../../src/store/level-store.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { put, type Store } from '../../src/store/store.ts'
import { createWorkStore } from '../../src/store/work.ts'
import { attestationOf, epochOf, nodesOf, seedOf, signAttestation } from '../protocol/fixture.ts'
import { newDirectory } from './directories.ts'

const nodes = nodesOf(4)
const top = 0xffff_ffff

const heldOf = (epoch: number, index: number, heldAt = 7): HeldAttestation => {
  const { cid, signed, attestation } = signAttestation(
    attestationOf(epochOf(nodes, epoch, 3), index),
    nodes[index]!.sign,
  )
  return { seat: attestation.seat, cid, signed, heldAt }
}
const beaconOf = (epoch: number): Uint8Array => epochOf(nodes, epoch, 3).beacon

const collectAll = async <T>(rows: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = []
  for await (const row of rows) all.push(row)
  return all
}

const stores: [string, () => Promise<Store>][] = [
  ['memory', () => Promise.resolve(createMemoryStore())],
  ['level', () => openLevelStore(newDirectory())],
]

describe.each(stores)('attestations in a %s store', (_name, open) => {
  test('R-ATT-2 are kept by epoch and beacon, in rising order of seat', async () => {
    await using store = await open()
    const attestations = createAttestationStore(store)
    const all = [2, 0, 3, 1].map((index) => heldOf(2, index))
    await attestations.put(2, beaconOf(2), all)
    const elsewhere = seedOf('another beacon')
    await attestations.put(2, elsewhere, [heldOf(2, 0)])
    await attestations.put(3, beaconOf(3), [heldOf(3, 0)])
    const rows = await collectAll(attestations.ofEpoch(2, beaconOf(2)))
    expect(rows.map(({ seat }) => seat)).toEqual([1, 4, 7, 10])
    expect(rows[2]).toEqual(all[0])
    expect(await collectAll(attestations.ofEpoch(2, elsewhere))).toHaveLength(1)
    expect(await attestations.get(2, beaconOf(2), 7)).toEqual(all[0])
    expect(await attestations.get(2, beaconOf(2), 8)).toBeUndefined()
    expect((await attestations.ofSeats(2, beaconOf(2), [10, 99, 1])).map(({ seat }) => seat)).toEqual([10, 1])
  })

  test('the highest numbers stay in their places', async () => {
    await using store = await open()
    const attestations = createAttestationStore(store)
    const beacon = new Uint8Array(32).fill(0xff)
    await attestations.put(top, beacon, [{ ...heldOf(2, 0), seat: top }])
    await attestations.put(top - 1, beacon, [{ ...heldOf(2, 0), seat: 0 }])
    expect(await collectAll(attestations.ofEpoch(top, beacon))).toMatchObject([{ seat: top }])
    expect(await collectAll(attestations.ofEpoch(top - 1, beacon))).toMatchObject([{ seat: 0 }])
    // Past the last epoch there is none, least of all the first again.
    await attestations.put(0, beacon, [{ ...heldOf(2, 0), seat: top }])
    expect(await attestations.ofSeat(top, top, top + 64)).toHaveLength(1)
    await attestations.pruneBefore(top)
    expect(await collectAll(attestations.ofEpoch(top - 1, beacon))).toEqual([])
    expect(await collectAll(attestations.ofEpoch(top, beacon))).toHaveLength(1)
  })

  test('R-ATT-5 of a seat there is what it attested under any beacon', async () => {
    await using store = await open()
    const attestations = createAttestationStore(store)
    for (const epoch of [2, 3, 5])
      await attestations.put(epoch, beaconOf(epoch), [heldOf(epoch, 1), heldOf(epoch, 2)])
    for (const branch of [1, 2, 3]) await attestations.put(3, seedOf('branch', branch), [heldOf(3, 1)])
    const found = await attestations.ofSeat(4, 2, 5)
    expect(found.map(({ attestation }) => attestation.epoch)).toEqual([2, 3, 3, 3, 3])
    expect(await attestations.ofSeat(4, 6, 70)).toEqual([])
  })

  test('R-ATT-3 proofs by epoch and beacon', async () => {
    await using store = await open()
    const attestations = createAttestationStore(store)
    const proof = createProof(heldOf(2, 1).signed, heldOf(3, 1).signed)
    await attestations.putProof(2, beaconOf(2), 4, proof, 77)
    const stored = { epoch: 2, seat: 4, proof: encodeProof(proof), heldAt: 77 }
    expect(await attestations.proofs(2, beaconOf(2))).toEqual([stored])
    expect(await attestations.proofs(2, beaconOf(3))).toEqual([])
    expect(await attestations.proofs(3, beaconOf(2))).toEqual([])
    // The first stays, with the height at which it came.
    await attestations.putProof(2, beaconOf(2), 4, createProof(heldOf(4, 1).signed, heldOf(5, 1).signed), 78)
    expect(await attestations.proofs(2, beaconOf(2))).toEqual([stored])
  })

  test('R-CP-3 a proof from before heights were stored counts as held from the beginning', async () => {
    await using store = await open()
    const proof = encodeProof(createProof(heldOf(2, 1).signed, heldOf(3, 1).signed))
    await store.batch([put(keyOf(prefixes.equivocation, u32(2), beaconOf(2), u32(4)), proof)])
    expect(await createAttestationStore(store).proofs(2, beaconOf(2))).toEqual([
      { epoch: 2, seat: 4, proof, heldAt: 0 },
    ])
  })

  test('R-CP-3 what was run through, by epoch and beacon', async () => {
    await using store = await open()
    const attestations = createAttestationStore(store)
    await attestations.putRanThrough(2, beaconOf(2))
    expect(await attestations.ranThrough(2, beaconOf(2))).toBe(true)
    expect(await attestations.ranThrough(2, beaconOf(3))).toBe(false)
    expect(await attestations.ranThrough(3, beaconOf(2))).toBe(false)
  })

  test('R-ATT-5 one own signature for each epoch and beacon, and it is held by nobody before it is put like any other', async () => {
    await using store = await open()
    const attestations = createAttestationStore(store)
    const [first, second] = [heldOf(2, 1), heldOf(3, 1).signed]
    const more = [put(keyOf(prefixes.evidence, seedOf('digest')), Uint8Array.of(1))]
    expect(await attestations.putOwnSigned(2, beaconOf(2), first.signed, more)).toBe(true)
    expect(await attestations.putOwnSigned(2, beaconOf(2), second)).toBe(false)
    expect(await attestations.ownSigned(2, beaconOf(2))).toEqual(first.signed)
    expect(await attestations.get(2, beaconOf(2), 4)).toBeUndefined()
    expect(await attestations.ofSeat(4, 2, 3)).toEqual([])
    await attestations.put(2, beaconOf(2), [first])
    expect(await attestations.get(2, beaconOf(2), 4)).toEqual(first)
    expect(await store.get(more[0]!.key)).toEqual(Uint8Array.of(1))
    // Under another beacon it is another epoch.
    expect(await attestations.putOwnSigned(2, seedOf('branch'), second)).toBe(true)
    await attestations.pruneBefore(9)
    expect(await attestations.ownSigned(2, beaconOf(2))).toEqual(first.signed)
  })

  test('R-ATT-4 the newest own one before an epoch, under a beacon that is wanted', async () => {
    await using store = await open()
    const attestations = createAttestationStore(store)
    for (const epoch of [2, 3, 5])
      await attestations.putOwnSigned(epoch, beaconOf(epoch), heldOf(epoch, 1).signed)
    await attestations.putOwnSigned(3, new Uint8Array(32).fill(0xff), heldOf(3, 2).signed)
    expect(await attestations.lastOwnBefore(2)).toBeUndefined()
    expect(await attestations.lastOwnBefore(5)).toEqual({ epoch: 3, signed: heldOf(3, 2).signed })
    const isCanonical = (epoch: number, beacon: Uint8Array) =>
      Promise.resolve(Buffer.compare(beacon, beaconOf(epoch)) === 0)
    expect(await attestations.lastOwnBefore(5, isCanonical)).toEqual({
      epoch: 3,
      signed: heldOf(3, 1).signed,
    })
    expect((await attestations.lastOwnBefore(top))?.epoch).toBe(5)
    expect(await attestations.lastOwnBefore(top, () => Promise.resolve(false))).toBeUndefined()
  })

  test('a signature that could not be written leaves the way free for the same one', async () => {
    await using store = await open()
    let isFull = true
    const full: Store = {
      get: (key) => store.get(key),
      getMany: (keys) => store.getMany(keys),
      range: (range) => store.range(range),
      batch: (operations, options) =>
        isFull ? Promise.reject(new Error('full')) : store.batch(operations, options),
      close: () => store.close(),
      [Symbol.asyncDispose]: () => store.close(),
    }
    const attestations = createAttestationStore(full)
    await expect(attestations.putOwnSigned(2, beaconOf(2), heldOf(2, 1).signed)).rejects.toThrow('full')
    isFull = false
    expect(await attestations.putOwnSigned(2, beaconOf(2), heldOf(2, 1).signed)).toBe(true)
  })
})

test('R-EVID-1 evidence by CID, until its epoch goes', async () => {
  await using store = createMemoryStore()
  const evidence = createEvidenceStore(store)
  const [early, late] = [seedOf('early'), seedOf('late')]
  await evidence.put(2, early)
  await evidence.put(3, late)
  expect(await evidence.get(cidOf(early))).toEqual(early)
  await evidence.pruneBefore(3)
  expect(await evidence.get(cidOf(early))).toBeUndefined()
  expect(await evidence.get(cidOf(late))).toEqual(late)
})

describe('the record of an epoch’s work', () => {
  const started = startChallenger(2, seedOf('beacon'), { opens: 10, attests: 40 }, seedOf('secret'), 3, 2)
  const receipt = { payload: seedOf('receipt'), signature: new Uint8Array(64).fill(3) }
  const findings: Finding[] = [
    { evidence: { verdict: Verdict.valid, receipt }, address: Uint8Array.of(1, 2, 3, 4) },
    { evidence: answeredFault(Verdict.wrongDigest, seedOf('answer'), 3), address: null },
    { evidence: seenFault(Verdict.unreachable, 'refused'), address: null },
  ]
  const states: [string, ChallengerState][] = [
    ['started', started],
    [
      'under way',
      {
        ...started,
        targets: [
          { is: 'found', finding: findings[0]! },
          { is: 'waiting', at: 20, tried: 1, failed: findings[2]!, later: 'busy', busy: 2 },
          { is: 'visiting', tried: 2, failed: null, later: null, busy: 0 },
        ],
      },
    ],
    ['done', { ...started, stage: 'done', targets: findings.map((finding) => ({ is: 'found', finding })) }],
  ]

  test.each(states)('R-ATT-5 comes back as it was: %s', async (_name, state) => {
    await using store = createMemoryStore()
    const work = createWorkStore(store, '/data')
    await work.putWork(state)
    expect(await work.getWork(2, state.beacon)).toEqual(state)
    expect(await work.getWork(2, seedOf('another'))).toBeUndefined()
    expect(await work.getWork(3, state.beacon)).toBeUndefined()
  })

  test('a damaged record is STORE_DAMAGED, and no new one takes its place unseen', async () => {
    await using store = createMemoryStore()
    const work = createWorkStore(store, '/data')
    await store.batch([put(keyOf(prefixes.work, u32(2), started.beacon), Uint8Array.of(0x81, 0x01))])
    await expect(work.getWork(2, started.beacon)).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
  })

  test('R-CHAL-1 a receipt by epoch, beacon and challenger, durable before it is given', async () => {
    await using store = createMemoryStore()
    const synced: (boolean | undefined)[] = []
    const watched: Store = {
      get: (key) => store.get(key),
      getMany: (keys) => store.getMany(keys),
      range: (range) => store.range(range),
      batch: async (operations, options) => {
        synced.push(options?.sync)
        await store.batch(operations, options)
      },
      close: () => store.close(),
      [Symbol.asyncDispose]: () => store.close(),
    }
    const work = createWorkStore(watched, '/data')
    const question = { payload: seedOf('question'), signature: new Uint8Array(64).fill(4) }
    await work.putReceipt(2, seedOf('beacon'), 7, { question, receipt })
    expect(await work.getReceipt(2, seedOf('beacon'), 7)).toEqual({ question, receipt })
    expect(await work.getReceipt(2, seedOf('beacon'), 8)).toBeUndefined()
    await work.putWork(started, { sync: true })
    await createAttestationStore(watched).putOwnSigned(2, beaconOf(2), heldOf(2, 1).signed)
    expect(synced).toEqual([true, true, true])
    await work.pruneBefore(3)
    expect(await work.getReceipt(2, seedOf('beacon'), 7)).toBeUndefined()
  })
})
