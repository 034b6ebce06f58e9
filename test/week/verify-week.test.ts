import { describe, expect, test } from 'vitest'
import { cidOf, createTallyOfJudged, formatTally, signPayload, type Week } from '../../protocol/index.ts'
import type { TallyEpoch } from '../../protocol/tally/input.ts'
import { bundleParts } from '../../src/week/bundle.ts'
import type { BundlePart } from '../../src/week/read-bundle.ts'
import { verifyWeek, type VerifyOptions } from '../../src/week/verify-week.ts'
import { sha256 } from '../../src/week-io/native.ts'
import { nativeEngine } from '../../src/week-io/worker-pool.ts'
import { networkId, nodesOf, seedOf } from '../protocol/fixture.ts'
import {
  type AnchoredSet,
  createAnchoredSet,
  earlierWeek,
  params,
  type SetOptions,
  week,
} from './anchored-set.ts'
import { oracleTally } from '../protocol/oracle/tally.ts'
import { wordsOf } from '../protocol/judged.ts'

const verifySet = (
  set: AnchoredSet,
  { threads = 0, ...options }: VerifyOptions & { threads?: number } = {},
) => verifyWeek(bundleParts(set.source, week, { sha256 }), set.chain, nativeEngine(threads), options)

const codeOf = async (options: SetOptions): Promise<string> => {
  try {
    await verifySet(createAnchoredSet(options))
    return 'ok'
  } catch (error) {
    return (error as { code: string }).code
  }
}

const document = (name: Week, set: AnchoredSet) => ({
  networkId,
  chain: 'zcash-regtest' as const,
  week: name,
  state: 'anchored' as const,
  params,
  checkpoint: set.chain.anchored,
  anchor: { height: 1_000, hash: seedOf('anchor') },
  fund: 1_000_000n,
})

describe('R-TALLY a week that was verified', () => {
  const options: SetOptions = {
    seats: 9,
    epochs: [
      [earlierWeek, [5, 6]],
      [week, [7, 8, 9, 10]],
    ],
    equivocators: [4],
    // One seat misses an epoch, and its chain of links has a gap.
    attests: (epoch, index) => !(epoch === 8 && index === 2),
  }

  test.each([0, 1, 3])('on %i threads has the document that the whole input gives', async (threads) => {
    const set = createAnchoredSet(options)
    const verified = await verifySet(set, { threads })
    expect([...verified.weeks.keys()]).toEqual([earlierWeek, week])
    for (const [name, { equivocators, epochs }] of verified.weeks) {
      expect([...equivocators]).toEqual(name === earlierWeek ? set.equivocators : [])
      const whole: TallyEpoch[] = epochs.map(({ epoch, beacon, snapshot }) => ({
        epoch,
        beacon,
        snapshot,
        attestations: snapshot.map(
          ({ seat }) =>
            set.rows.get(epoch)!.find(({ attestation }) => attestation.seat === seat)?.attestation,
        ),
      }))
      const of = document(name, set)
      const judged = createTallyOfJudged({ ...of, equivocators, epochs })
      expect(judged).toEqual(oracleTally({ ...of, equivocators, epochs: whole }))
      expect(formatTally(judged)).toContain(judged.digest)
    }
  })

  test('R-TALLY-3 names IPv6 hosts by their /64, beside IPv4 ones', async () => {
    const v6 = (host: number, tail: number): Uint8Array =>
      Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0x20 : i === 7 ? host : i === 15 ? tail : 0))
    const set = createAnchoredSet({
      seats: 9,
      // Every target has an IPv6 address in one epoch; two of them share a /64.
      change: (epoch, index, attestation) =>
        epoch === 11
          ? {
              ...attestation,
              addresses: attestation.addresses.map((address) => v6(Math.min(20, address[3]!), index)),
            }
          : attestation,
    })
    const { weeks } = await verifySet(set)
    const { epochs, equivocators } = weeks.get(week)!
    expect(new Set(wordsOf(epochs[1]!.outcomes))).toEqual(new Set(['credited', 'invalid: address shared']))
    const whole = epochs.map(({ epoch, beacon, snapshot }) => ({
      epoch,
      beacon,
      snapshot,
      attestations: snapshot.map((_, i) => set.rows.get(epoch)![i]!.attestation),
    }))
    const of = document(week, set)
    expect(createTallyOfJudged({ ...of, equivocators, epochs }).digest).toBe(
      oracleTally({ ...of, equivocators, epochs: whole }).digest,
    )
  })

  test('R-ATT-4 needs one signature of each unbroken chain', async () => {
    const linked = await verifySet(createAnchoredSet({ seats: 8, epochs: [[week, [7, 8, 9, 10]]] }))
    expect(linked).toMatchObject({ attestations: 32, signatures: 8 })
    const none = await verifySet(
      createAnchoredSet({ seats: 8, epochs: [[week, [7, 8, 9, 10]]], isLinked: () => false }),
    )
    expect(none).toMatchObject({ attestations: 32, signatures: 32 })
    const gap = await verifySet(
      createAnchoredSet({
        seats: 8,
        epochs: [[week, [7, 8, 9, 10]]],
        isLinked: (epoch, index) => !(epoch === 9 && index < 3),
      }),
    )
    expect(gap.signatures).toBe(11)
  })

  test('says how far it is', async () => {
    const seen: number[] = []
    await verifySet(createAnchoredSet(), {
      threads: 0,
      onProgress: ({ attestations }) => seen.push(attestations),
    })
    expect(seen).toEqual([6, 12, 18])
  })
})

describe('R-ATT-4 authenticity', () => {
  const broken = new Uint8Array(64).fill(3)

  test('a signature that a link spares may be lost', async () => {
    const code = await codeOf({
      hand: (epoch, index, signed) =>
        epoch === 10 && index === 2 ? { ...signed, signature: broken } : signed,
    })
    expect(code).toBe('ok')
  })

  test('one that is needed may not: the seat and epoch are named, and it is missing data', async () => {
    const set = createAnchoredSet({
      hand: (epoch, index, signed) =>
        epoch === 12 && index === 2 ? { ...signed, signature: broken } : signed,
    })
    const { seat } = nodesOf(6)[2]!
    await expect(verifySet(set)).rejects.toMatchObject({
      code: 'WEEK_NOT_AUTHENTIC',
      exitCode: 3,
      message: `the attestation of seat ${seat} in epoch 12 is not shown to be authentic`,
    })
  })

  test('a link of another seat spares nothing', async () => {
    const code = await codeOf({
      // Seat 0 claims the last attestation of seat 1 as its own previous one.
      isLinked: () => false,
      hand: (epoch, index, signed) =>
        epoch === 11 && index === 1 ? { ...signed, signature: broken } : signed,
      change: (epoch, index, attestation) =>
        epoch === 12 && index === 0 ? { ...attestation, previous: previousOfSeatOne() } : attestation,
    })
    expect(code).toBe('WEEK_NOT_AUTHENTIC')
  })

  test('a link under another key spares nothing', async () => {
    // From epoch 12 on seat 2 has another key, as after a new announcement, and signs with that.
    const plain = nodesOf(6)
    const newKey = nodesOf(9)[8]!
    const changed = plain.map((row, i) => (i === 2 ? { ...row, peer: newKey.peer } : row))
    const verifyWith = (isBroken: boolean) => {
      const set = createAnchoredSet({
        hand: (epoch, index, signed) => {
          if (index !== 2) return signed
          if (epoch === 12) return signPayload('att', networkId, signed.payload, newKey.sign)
          return epoch === 11 && isBroken ? { ...signed, signature: broken } : signed
        },
      })
      const chain = {
        ...set.chain,
        snapshotOf: async (epoch: number) => (epoch === 12 ? changed : plain),
      }
      return verifyWeek(bundleParts(set.source, week, { sha256 }), chain, nativeEngine(0))
    }
    expect(await verifyWith(false)).toMatchObject({ attestations: 18, signatures: 7 })
    await expect(verifyWith(true)).rejects.toMatchObject({
      code: 'WEEK_NOT_AUTHENTIC',
      message: expect.stringContaining('epoch 11') as string,
    })
  })

  test('an attestation that an earlier one names is authentic, odd as that is', async () => {
    // Made ahead of time: epoch 10 names the attestation that the seat will show in epoch 12.
    const plain = createAnchoredSet({ isLinked: () => false })
    const ahead = plain.rows.get(12)![2]!.cid
    const code = await codeOf({
      isLinked: () => false,
      change: (epoch, index, attestation) =>
        epoch === 10 && index === 2 ? { ...attestation, previous: ahead } : attestation,
      hand: (epoch, index, signed) =>
        epoch === 12 && index === 2 ? { ...signed, signature: broken } : signed,
    })
    expect(code).toBe('ok')
  })
})

/** What seat 1 attests in epoch 11 when nothing is linked. */
const previousOfSeatOne = () => createAnchoredSet({ isLinked: () => false }).rows.get(11)![1]!.cid

describe('R-CP-1 sets that no honest certifier voted for', () => {
  test('a seat that is not in the snapshot, another stake, a listed equivocator', async () => {
    const strangers = createAnchoredSet({ seats: 7 })
    const chain = { ...strangers.chain, snapshotOf: async () => nodesOf(6) }
    const verify = verifyWeek(bundleParts(strangers.source, week, { sha256 }), chain, nativeEngine(0))
    await expect(verify).rejects.toMatchObject({ code: 'WEEK_BREAKS_RULES' })
    expect(
      await codeOf({
        change: (epoch, index, attestation) =>
          epoch === 11 && index === 4
            ? { ...attestation, stake: seedOf('stolen').slice(0, 20) }
            : attestation,
      }),
    ).toBe('WEEK_BREAKS_RULES')
  })

  test('another network, epoch or beacon is found before anything is judged', async () => {
    for (const changes of [
      { networkId: '0'.repeat(32) as typeof networkId },
      { epoch: 99 },
      { beacon: seedOf('x') },
    ]) {
      const code = await codeOf({
        change: (epoch, index, attestation) =>
          epoch === 11 && index === 4 ? { ...attestation, ...changes } : attestation,
      })
      expect(code).toBe('BUNDLE_FOREIGN')
    }
  })

  test('a checkpoint that is not the anchored one, or not of this chain', async () => {
    const set = createAnchoredSet()
    const parts = () => bundleParts(set.source, week, { sha256 })
    await expect(
      verifyWeek(parts(), { ...set.chain, anchored: cidOf(seedOf('another')) }, nativeEngine(0)),
    ).rejects.toMatchObject({ code: 'BUNDLE_FOREIGN' })
    await expect(
      verifyWeek(
        parts(),
        { ...set.chain, frame: { ...set.chain.frame, freezeHash: seedOf('x') } },
        nativeEngine(0),
      ),
    ).rejects.toMatchObject({ code: 'WEEK_BREAKS_RULES' })
  })

  test('R-ATT-3 proofs that do not hold', async () => {
    const set = createAnchoredSet({ equivocators: [1] })
    const chain = { ...set.chain, snapshotOf: async () => nodesOf(6).slice(2) }
    await expect(
      verifyWeek(bundleParts(set.source, week, { sha256 }), chain, nativeEngine(0)),
    ).rejects.toMatchObject({
      code: 'WEEK_BREAKS_RULES',
    })
  })

  test('R-TALLY-0 an attestation with an unknown code is absent, and the week stands', async () => {
    const set = createAnchoredSet({
      change: (epoch, index, attestation) =>
        epoch === 11 && index === 4
          ? { ...attestation, verdicts: Uint8Array.of(77, 0, 0), addresses: attestation.addresses.slice(1) }
          : attestation,
    })
    const { weeks } = await verifySet(set)
    expect(weeks.get(week)!.epochs.map(({ attested }) => attested)).toEqual([6, 5, 6])
  })
})

describe('faults on the way', () => {
  test.each([0, 2])('on %i threads a source that fails ends everything with its error', async (threads) => {
    const set = createAnchoredSet({ epochs: [[week, [7, 8, 9, 10, 11]]] })
    async function* failing(): AsyncGenerator<BundlePart> {
      let parts = 0
      for await (const part of bundleParts(set.source, week, { sha256 })) {
        if (parts++ === 4) throw new Error('the disk is gone')
        yield part
      }
    }
    await expect(verifyWeek(failing(), set.chain, nativeEngine(threads))).rejects.toThrow('the disk is gone')
  })

  test.each([0, 2])('on %i threads an abort ends everything and closes the source', async (threads) => {
    const set = createAnchoredSet({ epochs: [[week, [7, 8, 9, 10, 11]]] })
    const controller = new AbortController()
    const closed = Promise.withResolvers<boolean>()
    async function* watched(): AsyncGenerator<BundlePart> {
      try {
        yield* bundleParts(set.source, week, { sha256 })
      } finally {
        closed.resolve(true)
      }
    }
    const verify = verifyWeek(watched(), set.chain, nativeEngine(threads), {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    })
    await expect(verify).rejects.toThrow('enough')
    expect(await closed.promise).toBe(true)
    await expect(
      verifyWeek(bundleParts(set.source, week, { sha256 }), set.chain, nativeEngine(threads), {
        signal: controller.signal,
      }),
    ).rejects.toThrow('enough')
  })

  test('an error of a thread comes with its code and hint', async () => {
    const set = createAnchoredSet({
      change: (epoch, index, attestation) =>
        epoch === 11 && index === 4 ? { ...attestation, beacon: seedOf('x') } : attestation,
    })
    await expect(verifySet(set, { threads: 1 })).rejects.toMatchObject({
      code: 'BUNDLE_FOREIGN',
      hint: expect.stringContaining('bundle') as string,
    })
  })

  test('parts that stop early are cut', async () => {
    const set = createAnchoredSet()
    async function* short(): AsyncGenerator<BundlePart> {
      let parts = 0
      for await (const part of bundleParts(set.source, week, { sha256 })) if (parts++ < 3) yield part
    }
    await expect(verifyWeek(short(), set.chain, nativeEngine(0))).rejects.toMatchObject({
      code: 'BUNDLE_CUT',
    })
    async function* empty(): AsyncGenerator<BundlePart> {}
    await expect(verifyWeek(empty(), set.chain, nativeEngine(0))).rejects.toMatchObject({
      code: 'BUNDLE_CUT',
    })
  })
})
