import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  followThread,
  outpointKey,
  outpointText,
  type PayoutMarker,
  planPayout,
  type PayoutTransaction,
  plannedOutputs,
  remainingOf,
  stepsOfWeek,
  threadOfWeek,
  threadValue,
  type Week,
} from '../../../protocol/index.ts'
import { markerBytes } from '../../../protocol/payout/marker.ts'
import { ownerHash, payer, paying, tallyOf, transactionOf, week } from './fixture.ts'

const start = outpointKey(ownerHash('start'), 3)
const nextOf = ({ txid }: PayoutTransaction): string => outpointKey(txid, 0)

const marked = (marker: PayoutMarker | null, spends: string): PayoutTransaction =>
  transactionOf(
    [spends, outpointKey(ownerHash('coin', spends), 0)],
    [
      { value: threadValue, to: payer },
      marker === null
        ? paying(ownerHash('nobody'), 1n)
        : { value: 0n, to: { kind: 'nulldata', data: markerBytes(marker) } },
    ],
  )

/** Steps with these markers, one after the other. */
const chainOf = (markers: readonly (PayoutMarker | null)[]): PayoutTransaction[] => {
  const transactions: PayoutTransaction[] = []
  for (const marker of markers) {
    const last = transactions.at(-1)
    transactions.push(marked(marker, last === undefined ? start : nextOf(last)))
  }
  return transactions
}

const planOf = (payees: number) => {
  const result = planPayout({
    tally: tallyOf({ amounts: Array.from({ length: payees }, () => 10_000n) }),
    chain: 'zcash-regtest',
    params: { payoutConfirmations: 1 },
    payer,
    tipHeight: null,
  })
  if (result.is === 'bad') throw new Error(result.what)
  return result.plan
}

describe('R-PAY-2 thread', () => {
  test('R-PAY-2 is followed from output 0 to input 0, in whichever order transactions are given', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 12 }), fc.func(fc.nat()), (length, orderOf) => {
        const steps = chainOf(
          Array.from({ length }, (_, i) => ({ week, part: i + 1, parts: 20, digest: 'ab'.repeat(16) })),
        )
        const others = [marked(null, outpointKey(ownerHash('elsewhere'), 0))]
        const shuffled = [...steps, ...others].sort((a, b) => orderOf(nextOf(a)) - orderOf(nextOf(b)))
        const thread = followThread(start, payer, shuffled)
        expect(thread.steps.map(({ transaction }) => transaction)).toEqual(steps)
        expect(thread.steps.map(({ marker }) => marker?.part)).toEqual(steps.map((_, i) => i + 1))
        expect(thread.tip).toBe(steps.length === 0 ? start : nextOf(steps.at(-1)!))
        expect(thread.cutBy).toBeNull()
      }),
    )
  })

  test('R-PAY-2 whatever spends the thread output as another input than 0 cuts the thread', () => {
    const steps = chainOf([{ week, part: 1, parts: 1, digest: 'ab'.repeat(16) }])
    const cut = transactionOf(
      [outpointKey(ownerHash('coin'), 1), nextOf(steps[0]!)],
      [paying(ownerHash(1), 5n)],
    )
    const thread = followThread(start, payer, [cut, ...steps])
    expect(thread.steps).toHaveLength(1)
    expect(thread.tip).toBeNull()
    expect(thread.cutBy).toBe(cut)
  })

  test('R-PAY-2 a step that hands the thread to somebody else cuts it behind itself', () => {
    const marker = { week, part: 1, parts: 1, digest: 'ab'.repeat(16) }
    const [first] = chainOf([marker])
    const stolen = transactionOf(
      first!.spends,
      first!.outputs.with(0, paying(ownerHash('thief'), threadValue)),
    )
    const after = marked({ ...marker, week: '2026-W48' as Week }, nextOf(stolen))
    const thread = followThread(start, payer, [after, stolen])
    expect(thread.steps.map(({ transaction }) => transaction)).toEqual([stolen])
    expect(thread).toMatchObject({ tip: null, cutBy: stolen })
  })

  test('R-PAY-2 a step without a marker is on the thread all the same, but pays no week', () => {
    const marker = { week, part: 1, parts: 1, digest: 'ab'.repeat(16) }
    const thread = followThread(start, payer, chainOf([null, marker]))
    expect(thread.steps.map((step) => step.marker)).toEqual([null, marker])
    expect(stepsOfWeek(thread, week)).toHaveLength(1)
    expect(stepsOfWeek(thread, '2026-W46' as Week)).toEqual([])
  })

  test('R-PAY-2 a series that broke off is continued, and a week that is marked is never built again', () => {
    const plan = planOf(2_500)
    const series = chainOf(plan.transactions.map(({ marker }) => marker))
    for (const done of [0, 1, 2]) {
      expect(remainingOf(plan, followThread(start, payer, series.slice(0, done)))).toEqual({
        is: 'open',
        firstPart: done + 1,
      })
    }
    expect(remainingOf(plan, followThread(start, payer, series))).toEqual({ is: 'paid' })
    // Payouts of other weeks in between change nothing.
    const other = { week: '2026-W46' as Week, part: 1, parts: 1, digest: 'cd'.repeat(16) }
    const [first, second] = plan.transactions.map(({ marker }) => marker)
    expect(remainingOf(plan, followThread(start, payer, chainOf([first!, other, second!])))).toEqual({
      is: 'open',
      firstPart: 3,
    })
  })

  test.each([
    ['another digest', { digest: 'cd'.repeat(16) }],
    ['another number of parts', { parts: 4 }],
    ['not the first part', { part: 2 }],
  ])('R-PAY-2 a week marked with %s is never built', (_what, changes) => {
    const plan = planOf(2_500)
    const series = chainOf([{ ...plan.transactions[0]!.marker, ...changes }])
    expect(remainingOf(plan, followThread(start, payer, series))).toEqual({
      is: 'marked-otherwise',
      by: series[0],
    })
  })

  test('R-PAY-2 a part that is marked twice is never continued', () => {
    const plan = planOf(2_500)
    const { marker } = plan.transactions[0]!
    const series = chainOf([marker, marker])
    expect(remainingOf(plan, followThread(start, payer, series))).toMatchObject({ is: 'marked-otherwise' })
  })

  test('R-PAY-2 a week with nothing due is paid with nothing', () => {
    expect(remainingOf(planOf(0), followThread(start, payer, []))).toEqual({ is: 'paid' })
  })

  test('R-PAY-2 each week belongs to the last thread that starts before it', () => {
    const rows = ['2026-W40', '2027-W02', '2026-W47'].map((from) => ({ from: from as Week }))
    const fromOf = (each: string): string | undefined => threadOfWeek(rows, each as Week)?.from
    expect(fromOf('2026-W39')).toBeUndefined()
    expect(fromOf('2026-W40')).toBe('2026-W40')
    expect(fromOf('2026-W46')).toBe('2026-W40')
    expect(fromOf('2026-W47')).toBe('2026-W47')
    expect(fromOf('2027-W01')).toBe('2026-W47')
    expect(fromOf('2027-W02')).toBe('2027-W02')
  })

  test('R-PAY-2 two payouts of one part have an input in common, so consensus takes only one', () => {
    const plan = planOf(1)
    const { marker } = plan.transactions[0]!
    const [one, other] = [1n, 2n].map((change) =>
      transactionOf(
        [start, outpointKey(ownerHash('coin', Number(change)), 0)],
        plannedOutputs(plan.transactions[0]!, payer, change),
      ),
    )
    expect(one!.txid).not.toEqual(other!.txid)
    expect(one!.spends[0]).toBe(other!.spends[0])
    expect(followThread(start, payer, [one!]).steps[0]!.marker).toEqual(marker)
  })

  test('outpoints are written with the txid reversed', () => {
    const txid = Uint8Array.from({ length: 32 }, (_, i) => i)
    expect(outpointText(outpointKey(txid, 7))).toBe(
      '1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100:7',
    )
  })
})
