import { describe, expect, test } from 'vitest'
import type { DigestedTally, TallyDocument } from '../../protocol/index.ts'
import { loadNetwork } from '../../src/service/load-network.ts'
import { deviantKinds, parseDeviants, planDevnet } from '../../src/devnet/plan.ts'
import { devnetWeek, type PreparedNode } from '../../src/devnet/prepare.ts'
import { isGood, resultOf } from '../../src/devnet/result.ts'
import { slowedWorld } from '../../src/devnet/slow-time.ts'
import { realWorld } from '../../src/world.ts'
import { createStoppedClock } from '../fixtures/stopped-clock.ts'

const { profile } = await loadNetwork('devnet')
const plan = (kinds: Parameters<typeof planDevnet>[0]['with'], nodes = 6) =>
  planDevnet({ nodes, epochs: 3, seed: 1, with: kinds }, profile, devnetWeek)

describe('the plan of a devnet', () => {
  test('--with takes every kind by its name', () => {
    const kinds = Object.keys(deviantKinds)
    expect(parseDeviants(kinds.map((kind) => `${kind}=2`).join(','))).toEqual(
      Object.fromEntries(kinds.map((kind) => [kind, 2])),
    )
    expect(parseDeviants('hog=16,false-address=4,twin=1')).toEqual({ hog: 16, 'false-address': 4, twin: 1 })
  })

  test('a twin has keys and name of an honest node, never of the first one, and an address of its own', () => {
    const { nodes } = plan({ twin: 5, late: 1 })
    const byName = new Map(nodes.map((node) => [node.name, node]))
    const twins = nodes.filter(({ kind }) => kind === 'twin')
    expect(twins.map(({ twinOf }) => twinOf)).toEqual(['n5', 'n4', 'n3', 'n2', 'n1'])
    for (const twin of twins) {
      const owner = byName.get(twin.twinOf!)!
      expect(owner.kind).toBe('honest')
      expect([twin.host, twin.secret]).toEqual([owner.host, owner.secret])
      expect([twin.ip, twin.p2p, twin.tls]).not.toContain(owner.ip)
    }
    expect(new Set(nodes.map(({ ip }) => ip)).size).toBe(nodes.length)
    expect(() => plan({ twin: 6 })).toThrow(/twin=6 needs 7 honest nodes/)
  })

  test('hogs connect from addresses of their own', () => {
    const { nodes, guest } = plan({ hog: 99, liar: 99 }, 200)
    const all = [guest.ip, ...nodes.flatMap(({ ip, spareIps }) => [ip, ...spareIps])]
    expect(new Set(all).size).toBe(all.length)
    expect(nodes.filter(({ spareIps }) => spareIps.length > 0)).toHaveLength(99)
  })
})

/** n0, n1 and n2 are honest, n3 is the twin of n2. */
const nodes = [
  { name: 'n0', kind: 'honest', address: 't0', twinOf: null },
  { name: 'n1', kind: 'honest', address: 't1', twinOf: null },
  { name: 'n2', kind: 'honest', address: 't2', twinOf: null },
  { name: 'n3', kind: 'twin', address: 't2', twinOf: 'n2' },
] as unknown as PreparedNode[]

const tallied = (outcomesByStake: Record<string, (string | null)[]>): DigestedTally => ({
  digest: 'd',
  document: {
    week: devnetWeek,
    state: 'anchored',
    epochs: [{ epoch: 2 }, { epoch: 3 }],
    seats: Object.entries(outcomesByStake).map(([stake, outcomes], seat) => ({
      seat,
      stake,
      outcomes,
      equivocator: stake === 't2',
      amount: '7',
    })),
  } as unknown as TallyDocument,
})

const credited = ['credited', 'credited']

describe('the result of a devnet', () => {
  const resultWith = (
    outcomes: Record<string, (string | null)[]>,
    refusals = new Map<PreparedNode, string>(),
  ) => {
    const tally = tallied(outcomes)
    const result = resultOf({ nodes }, new Map(nodes.map((node) => [node, tally])), tally, refusals)
    return { ...result, payout: 'exact' as const, rebuilt: true }
  }

  test('is good where every honest node without a twin is credited in every epoch, whatever became of a twin', () => {
    const result = resultWith({ t0: credited, t1: credited, t2: ['valid: not attested', 'credited'] })
    expect(result.uncredited).toEqual([])
    expect(result.honest.map(({ seat }) => seat)).toEqual([0, 1])
    expect(result.deviants).toEqual([
      { kind: 'twin', seat: 2, amount: '7', reasons: ['equivocator', 'valid: not attested'] },
    ])
    expect(Object.keys(result.digests).sort()).toEqual(['0', '1', '2', 'n3'])
    expect(isGood(result)).toBe(true)
    for (const worse of [
      { agree: false },
      { state: 'pending' as const },
      { payout: 'differs' as const },
      { rebuilt: false },
    ]) {
      expect(isGood({ ...result, ...worse })).toBe(false)
    }
  })

  test('names each epoch in which an honest node was not credited, with the reason', () => {
    const result = resultWith({ t0: ['credited', 'invalid: timeout'], t2: credited })
    expect(result.uncredited).toEqual([
      { node: 'n0', seat: 0, epoch: 3, reason: 'invalid: timeout' },
      { node: 'n1', seat: null, epoch: 2, reason: 'not in the snapshot' },
      { node: 'n1', seat: null, epoch: 3, reason: 'not in the snapshot' },
    ])
    expect(isGood(result)).toBe(false)
  })

  test('says of a twin that refused to run why', () => {
    const result = resultWith(
      { t0: credited, t1: credited, t2: credited },
      new Map([[nodes[3]!, 'ANOTHER_RUNS']]),
    )
    expect(result.deviants[0]?.reasons).toEqual(['did not run: ANOTHER_RUNS', 'equivocator'])
  })
})

test('slow time: what lasts a second lasts as many as were asked for, and so does what is measured', () => {
  const clock = createStoppedClock()
  const slow = slowedWorld({ ...realWorld(), ...clock }, 4)
  let calls = 0
  slow.setTimer(1_000, () => calls++)
  const cancel = slow.setTimer(1_000, () => calls++)
  cancel()
  clock.pass(3_999)
  expect(calls).toBe(0)
  clock.pass(1)
  expect(calls).toBe(1)
  expect(slow.monotonicMs()).toBe(1_000)
})
