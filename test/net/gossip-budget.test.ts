import { RPC } from '@libp2p/gossipsub/message'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createGossipBudget, defaultGossipLimits, type GossipLimits } from '../../src/net/gossip/budget.ts'
import { createSeenIds } from '../../src/net/gossip/seen.ts'
import { workOfBytes, workOfRpc } from '../../src/net/gossip/work.ts'
import { until } from './local-hosts.ts'
import { control, idsOf, messagesOf, topic } from './gossip-peer.ts'

const seat = 'seat'
const start = (limits: Partial<GossipLimits> = {}) => {
  const clock = { ms: 1 }
  const dropped: boolean[] = []
  const faults: string[] = []
  const budget = createGossipBudget({
    limits: { ...defaultGossipLimits, ...limits },
    isRegistered: (peer) => peer.startsWith(seat),
    onDropped: (isRegistered) => dropped.push(isRegistered),
    onFlood: (peer) => faults.push(peer),
    world: { monotonicMs: () => clock.ms },
  })
  return { budget, clock, dropped, faults }
}

describe('R-MSG-2 the budget of a peer', () => {
  test('a seat has 4,000 messages at once and 400 a second, a stranger a tenth of that', () => {
    const { budget, clock, dropped } = start()
    expect(budget.spend(seat, 5_000)).toBe(4_000)
    expect(budget.spend('stranger', 5_000)).toBe(400)
    clock.ms += 1_000
    expect(budget.spend(seat, 5_000)).toBe(400)
    expect(budget.spend('stranger', 5_000)).toBe(40)
    expect(dropped).toEqual([true, false, true, false])
  })

  test('no peer takes anything of another, and strangers together nothing of seats', () => {
    const { budget } = start()
    let ofStrangers = 0
    for (let i = 0; i < 128; i++) ofStrangers += budget.spend(`stranger ${i}`, 400)
    expect(ofStrangers).toBe(4_000)
    for (let i = 0; i < 200; i++) expect(budget.spend(`${seat} ${i}`, 4_000)).toBe(4_000)
  })

  test('what is made up costs as much as ten', () => {
    const { budget } = start()
    let judged = 0
    for (; budget.spend(seat, 1) === 1; judged++) budget.charge(seat, 9)
    expect(judged).toBe(400)
  })

  test('offenders are named for ten minutes, the worst first, sixteen of them', async () => {
    const { budget, clock } = start()
    for (let i = 1; i <= 20; i++) budget.spend(`stranger ${i}`, 400 + i)
    const { length, [0]: worst } = budget.offenders()
    expect(length).toBe(16)
    // The last had nothing any more of the share of all strangers.
    expect(worst).toEqual({ peer: 'stranger 20', dropped: 420 })
    clock.ms += 600_001
    await until(() => budget.offenders().length === 0)
  })

  test('nobody is remembered for ever, however many come', () => {
    const { budget } = start()
    for (let i = 0; i < 20_000; i++) budget.spend(`stranger ${i}`, 401)
    expect(budget.offenders()).toHaveLength(16)
    // The first ones were forgotten: their own share is whole again, that of all is spent.
    expect(budget.spend('stranger 0', 1)).toBe(0)
  })
})

describe('R-MSG-2 what no honest peer sends', () => {
  test('the whole set of the largest network in every epoch, with ids beside it and whatever was kept for it, is no fault', () => {
    const { budget, clock, faults } = start()
    for (let epoch = 0; epoch < 20; epoch++) {
      // Ten minutes of silence of the link, then all at once.
      expect(budget.spend(seat, 20_000)).toBe(4_000)
      for (let second = 0; second < 300; second++) {
        clock.ms += 1_000
        budget.spend(seat, 67 + 25)
      }
      clock.ms += 4 * 3_600_000 - 300_000
    }
    expect(faults).toEqual([])
  })

  test('a stranger that asks for all and announces all is at no fault', () => {
    const { budget, clock, faults, dropped } = start()
    for (let second = 0; second < 300; second++) {
      clock.ms += 1_000
      budget.spend('stranger', 17)
      budget.spend('stranger', 14)
    }
    expect({ faults, dropped }).toEqual({ faults: [], dropped: [] })
  })

  test('who sends at its full share without end is shut out in time, whether it is let through or not', () => {
    const { budget, clock, faults } = start()
    const secondsUntil = (peer: string, perSecond: number): number => {
      faults.length = 0
      let seconds = 0
      for (; faults.length < 18; seconds++) {
        clock.ms += 1_000
        budget.spend(peer, perSecond)
      }
      return seconds
    }
    expect(secondsUntil(seat, 400)).toBeLessThan(240)
    expect(secondsUntil(`${seat} 2`, 20_000)).toBeLessThan(6)
    expect(secondsUntil('stranger', 20_000)).toBe(1)
    expect(secondsUntil('stranger 2', 200)).toBeLessThan(90)
  })

  test('each fault is told once, in whatever portions it comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 50 }),
        (portions) => {
          const { budget, faults } = start({ mostOfRegistered: { burst: 1_000, everyMs: 1e9 } })
          for (const units of portions) budget.spend(seat, units)
          const sum = portions.reduce((a, b) => a + b)
          expect(faults).toHaveLength(Math.floor(Math.max(0, sum - 1_000) / 256))
        },
      ),
      { seed: 12 },
    )
  })
})

describe('R-MSG-2 the work of an RPC', () => {
  const workOf = (rpc: Partial<RPC>) => workOfRpc({ subscriptions: [], messages: [], ...rpc })

  test('is one unit for each message, and at least one', () => {
    expect(workOf({ messages: messagesOf(0, 7) })).toEqual({ messages: 7, control: 0 })
    expect(workOfBytes(0)).toBe(1)
    expect(workOfBytes(2_048)).toBe(1)
    expect(workOfBytes(196_608)).toBe(96)
  })

  test.each([
    ['ihave', (ids: Uint8Array[]) => ({ ihave: [{ topicID: topic, messageIDs: ids }] }), 32],
    ['idontwant', (ids: Uint8Array[]) => ({ idontwant: [{ messageIDs: ids }] }), 32],
    ['iwant', (ids: Uint8Array[]) => ({ iwant: [{ messageIDs: ids }] }), 8],
  ])('of ids: %s', (_, of, perUnit) => {
    expect(workOf(control(of(idsOf(320, 'a')))).control).toBe(320 / perUnit)
    expect(workOf(control(of(idsOf(1, 'a')))).control).toBe(1)
    expect(workOf(control(of([]))).control).toBe(1)
  })

  test('of changes of subscriptions and of the mesh', () => {
    const graft = Array.from({ length: 10 }, () => ({ topicID: topic }))
    const prune = graft.map((one) => ({ ...one, peers: [] }))
    const subscriptions = Array.from({ length: 12 }, () => ({ topic, subscribe: true }))
    expect(workOf({ subscriptions, ...control({ graft, prune }) }).control).toBe(8)
  })

  test('leaves no RPC of the size that is read below what it holds', () => {
    fc.assert(
      fc.property(
        fc.record({ messages: fc.nat(128), ihave: fc.nat(500), iwant: fc.nat(500), graft: fc.nat(16) }),
        ({ messages, ihave, iwant, graft }) => {
          const { control: units, messages: count } = workOf({
            messages: messagesOf(0, messages),
            ...control({
              ihave: [{ topicID: topic, messageIDs: idsOf(ihave, 'a') }],
              iwant: [{ messageIDs: idsOf(iwant, 'b') }],
              graft: Array.from({ length: graft }, () => ({ topicID: topic })),
            }),
          })
          expect(count).toBe(messages)
          expect(units).toBe(Math.ceil(Math.max(1, ihave) / 32 + Math.max(1, iwant) / 8 + graft / 4))
        },
      ),
      { seed: 12, numRuns: 50 },
    )
  })
})

describe('R-MSG-2 the memory of ids', () => {
  const limits = { maxAccepted: 100, acceptedMs: 6_000, maxOther: 10, otherMs: 2_000 }

  test('whoever makes up messages pushes out what others made up, and nothing that was accepted', () => {
    const ids = createSeenIds(limits, { monotonicMs: () => 0 })
    for (let i = 0; i < 100; i++) {
      expect(ids.put(`good ${i}`)).toBe(false)
      ids.accept(`good ${i}`)
    }
    for (let i = 0; i < 1_000; i++) ids.put(`made up ${i}`)
    expect([ids.size, ids.accepted]).toEqual([110, 100])
    for (let i = 0; i < 100; i++) expect(ids.put(`good ${i}`)).toBe(true)
    for (let i = 990; i < 1_000; i++) expect(ids.has(`made up ${i}`)).toBe(true)
    expect(ids.has('made up 989')).toBe(false)
    ids.clear()
    expect(ids.size).toBe(0)
  })

  test('own messages, which nobody brought, have room with those that were accepted', () => {
    const ids = createSeenIds(limits, { monotonicMs: () => 0 })
    ids.accept('own')
    expect([ids.has('own'), ids.put('own'), ids.accepted]).toEqual([true, true, 1])
  })

  test('each kind is forgotten in its time, and its room is free again', async () => {
    const clock = { ms: 1 }
    const ids = createSeenIds(limits, { monotonicMs: () => clock.ms })
    ids.put('good')
    ids.accept('good')
    ids.put('made up')
    const prunedSize = () => {
      ids.prune()
      return ids.size
    }
    expect(prunedSize()).toBe(2)
    clock.ms += 2_001
    await until(() => prunedSize() === 1)
    expect([ids.has('good'), ids.has('made up')]).toEqual([true, false])
    clock.ms += 4_000
    await until(() => prunedSize() === 0)
  })
})
