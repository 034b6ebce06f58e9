import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  comparePayout,
  followThread,
  outpointKey,
  type PayoutOutput,
  type PayoutPlan,
  type PayoutTransaction,
  plannedOutputs,
  planPayout,
  threadValue,
} from '../../../protocol/index.ts'
import type { ComparisonInput } from '../../../protocol/payout/comparison.ts'
import { markerBytes } from '../../../protocol/payout/marker.ts'
import { ownerHash, payer, paying, tallyOf, transactionOf } from './fixture.ts'

const start = outpointKey(ownerHash('start'), 0)
const coin = 10n ** 8n

const planOf = (amounts: readonly bigint[]): PayoutPlan => {
  const result = planPayout({
    tally: tallyOf({ amounts }),
    chain: 'zcash-regtest',
    params: { payoutConfirmations: 1 },
    payer,
    tipHeight: null,
  })
  if (result.is === 'bad') throw new Error(result.what)
  return result.plan
}

type Change = (outputs: PayoutOutput[], part: number) => PayoutOutput[]

/** The plan's transactions along the thread, with what a test changes in their outputs. */
const pay = (plan: PayoutPlan, change: Change = (outputs) => outputs): PayoutTransaction[] => {
  const transactions: PayoutTransaction[] = []
  for (const planned of plan.transactions) {
    const last = transactions.at(-1)
    const spends = last === undefined ? start : outpointKey(last.txid, 0)
    const outputs = change(plannedOutputs(planned, payer, 12_345n), planned.marker.part)
    transactions.push(
      transactionOf([spends, outpointKey(ownerHash('coin', planned.marker.part), 1)], outputs),
    )
  }
  return transactions
}

/** More seats than any tally here has. */
const stakes = Array.from({ length: 2_600 }, (_, seat) => ({ seat, stake: ownerHash('stake', seat) }))

const compare = (
  plan: PayoutPlan,
  transactions: readonly PayoutTransaction[],
  changes: Partial<ComparisonInput> = {},
) =>
  comparePayout({
    plan,
    stakes,
    payer,
    transactions,
    thread: followThread(start, payer, transactions),
    ...changes,
  })

const amounts = [coin, 2n * coin, 0n, 3n * coin, 4_000n]
const plan = planOf(amounts)
/** Where the payees of this plan stand: seats 0, 1 and 3 at 2, 3 and 4; change at 5. */
const at = { seat0: 2, seat1: 3, seat3: 4 }

const stateOf = (comparison: ReturnType<typeof compare>, seat: number) =>
  comparison.payees.find((payee) => payee.seat === seat)

describe('R-PAY-4 comparison', () => {
  test('R-PAY-4 what the plan makes is a match, with one transaction or several', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt({ min: 0n, max: 10n ** 10n }), { maxLength: 2_500, size: 'max' }),
        (each) => {
          const some = planOf(each)
          const comparison = compare(some, pay(some))
          expect(comparison).toMatchObject({
            isMatch: true,
            strangers: [],
            missingParts: [],
            due: some.total,
            paid: some.total,
          })
          expect(comparison.payees.every(({ state, due, paid }) => state === 'exact' && due === paid)).toBe(
            true,
          )
          expect(comparison.transactions.every(({ faults }) => faults.length === 0)).toBe(true)
        },
      ),
      { numRuns: 10 },
    )
  })

  test('R-PAY-4 finds a wrong amount, to the last base unit: short and over', () => {
    const short = compare(
      plan,
      pay(plan, (outputs) => outputs.with(at.seat1, paying(ownerHash('stake', 1), 2n * coin - 1n))),
    )
    expect(short.isMatch).toBe(false)
    expect(stateOf(short, 1)).toMatchObject({ state: 'short', due: 2n * coin, paid: 2n * coin - 1n })
    const over = compare(
      plan,
      pay(plan, (outputs) => outputs.with(at.seat1, paying(ownerHash('stake', 1), 2n * coin + 1n))),
    )
    expect(over.isMatch).toBe(false)
    expect(stateOf(over, 1)).toMatchObject({ state: 'over', paid: 2n * coin + 1n })
    expect(stateOf(over, 0)!.state).toBe('exact')
  })

  test('R-PAY-4 finds a missing output', () => {
    const comparison = compare(
      plan,
      pay(plan, (outputs) => outputs.toSpliced(at.seat3, 1)),
    )
    expect(comparison.isMatch).toBe(false)
    expect(stateOf(comparison, 3)).toMatchObject({ state: 'missing', paid: 0n, due: 3n * coin })
    expect(comparison.paid).toBe(3n * coin)
  })

  test('R-PAY-4 finds an output to a stranger, however little and wherever it stands', () => {
    const stranger = paying(ownerHash('stranger'), 1n)
    for (let index = 2; index <= 6; index++) {
      const comparison = compare(
        plan,
        pay(plan, (outputs) => outputs.toSpliced(index, 0, stranger)),
      )
      expect(comparison.isMatch).toBe(false)
      expect(comparison.strangers).toMatchObject([{ index, value: 1n, to: stranger.to }])
      expect(comparison.payees.every(({ state }) => state === 'exact')).toBe(true)
    }
  })

  test('R-PAY-4 finds another address in the place of a payee: the payee is missing, the other a stranger', () => {
    const comparison = compare(
      plan,
      pay(plan, (outputs) => outputs.with(at.seat0, paying(ownerHash('thief'), coin))),
    )
    expect(comparison.isMatch).toBe(false)
    expect(stateOf(comparison, 0)!.state).toBe('missing')
    expect(comparison.strangers).toHaveLength(1)
    expect(comparison.paid).toBe(plan.total)
  })

  test('R-PAY-4 the same 20 bytes in another script template are another address', () => {
    const comparison = compare(
      plan,
      pay(plan, (outputs) =>
        outputs.with(at.seat0, { value: coin, to: { kind: 'p2sh', hash160: ownerHash('stake', 0) } }),
      ),
    )
    expect(stateOf(comparison, 0)!.state).toBe('missing')
    expect(comparison.strangers).toMatchObject([{ to: { kind: 'p2sh' } }])
  })

  test('R-PAY-4 finds a payee who is paid twice in one transaction', () => {
    const comparison = compare(
      plan,
      pay(plan, (outputs) => [...outputs, paying(ownerHash('stake', 3), 3n * coin)]),
    )
    expect(comparison.isMatch).toBe(false)
    expect(stateOf(comparison, 3)).toMatchObject({ state: 'duplicated', outputs: 2, paid: 6n * coin })
    expect(stateOf(comparison, 3)?.txids).toEqual([comparison.transactions[0]!.txid])
  })

  test('R-PAY-4 finds a week that is paid twice, on the thread and outside it', () => {
    const [once] = pay(plan)
    const again = transactionOf([outpointKey(once!.txid, 0)], once!.outputs)
    const twice = compare(plan, [once!, again])
    expect(twice.isMatch).toBe(false)
    expect(twice.payees.every(({ state }) => state === 'duplicated')).toBe(true)
    for (const { txids } of twice.payees) expect(txids).toEqual([once!.txid, again.txid])
    expect(twice.transactions.map(({ faults }) => faults)).toEqual([['part twice'], ['part twice']])

    const outside = transactionOf([outpointKey(ownerHash('coin'), 9)], once!.outputs)
    const comparison = compare(plan, [once!, outside], { thread: followThread(start, payer, [once!]) })
    expect(comparison.transactions[1]!.faults).toEqual(['part twice', 'outside the thread'])
    expect(comparison.isMatch).toBe(false)
  })

  test('R-PAY-4 finds a transaction outside the thread, though it pays everybody what is due', () => {
    const [on] = pay(plan)
    const outside = transactionOf([outpointKey(ownerHash('coin'), 9)], on!.outputs)
    const comparison = compare(plan, [outside], { thread: followThread(start, payer, []) })
    expect(comparison.payees.every(({ state }) => state === 'exact')).toBe(true)
    expect(comparison.transactions[0]!.faults).toEqual(['outside the thread'])
    expect(comparison.isMatch).toBe(false)
  })

  test('R-PAY-4 without a chain, transactions must at least follow one another', () => {
    const long = planOf(Array.from({ length: 1_500 }, () => coin))
    const [first, second] = pay(long)
    expect(compare(long, [first!, second!], { thread: null }).isMatch).toBe(true)
    const apart = transactionOf([outpointKey(ownerHash('coin'), 9)], second!.outputs)
    const comparison = compare(long, [first!, apart], { thread: null })
    expect(comparison.transactions.map(({ faults }) => faults)).toEqual([[], ['outside the thread']])
    expect(comparison.isMatch).toBe(false)
  })

  test.each([
    ['another week', { week: '2026-W46' }],
    ['another digest', { digest: 'ee'.repeat(16) }],
    ['another number of parts', { parts: 2 }],
  ])('R-PAY-4 finds a wrong marker: %s', (_what, changes) => {
    const marker = {
      ...plan.transactions[0]!.marker,
      ...changes,
    } as PayoutPlan['transactions'][number]['marker']
    const wrong: PayoutOutput = { value: 0n, to: { kind: 'nulldata', data: markerBytes(marker) } }
    const comparison = compare(
      plan,
      pay(plan, (outputs) => outputs.with(1, wrong)),
    )
    expect(comparison.isMatch).toBe(false)
    expect(comparison.transactions[0]!.faults).toContain('wrong marker')
    expect(comparison.missingParts).toEqual([1])
  })

  test('R-PAY-4 an OP_RETURN with a value is a stranger, also if it is the marker, which is read all the same', () => {
    const paid = compare(
      plan,
      pay(plan, (outputs) => outputs.with(1, { ...outputs[1]!, value: 7n })),
    )
    expect(paid.transactions[0]).toMatchObject({ marker: plan.transactions[0]!.marker, faults: [] })
    expect(paid.strangers).toMatchObject([{ index: 1, value: 7n }])
    expect([paid.missingParts, paid.isMatch]).toEqual([[], false])
  })

  test('R-PAY-4 of a payee the first state that fits: an output of 0 pays it too little, none leaves it out', () => {
    const unpaid = (seat: number, output: PayoutOutput | null) => {
      const change: Change = (outputs) =>
        output === null ? outputs.toSpliced(seat, 1) : outputs.with(seat, output)
      return compare(plan, pay(plan, change))
    }
    expect(stateOf(unpaid(at.seat1, paying(ownerHash('stake', 1), 0n)), 1)?.state).toBe('short')
    expect(stateOf(unpaid(at.seat1, null), 1)?.state).toBe('missing')
    // Seat 2 is owed nothing: an output of 0 to it is exact.
    const zero = compare(
      plan,
      pay(plan, (outputs) => [...outputs.slice(0, -1), paying(ownerHash('stake', 2), 0n), outputs.at(-1)!]),
    )
    expect([stateOf(zero, 2)?.state, zero.isMatch]).toEqual(['exact', true])
  })

  test('R-PAY-4 finds a marker that is missing, or in another place', () => {
    const missing = compare(
      plan,
      pay(plan, (outputs) => outputs.toSpliced(1, 1)),
    )
    expect(missing.transactions[0]).toMatchObject({ marker: null, faults: ['wrong marker'] })
    const moved = compare(
      plan,
      pay(plan, (outputs) => [outputs[0]!, ...outputs.slice(2), outputs[1]!]),
    )
    expect(moved.transactions[0]!.faults).toEqual(['wrong marker'])
    expect(moved.isMatch).toBe(false)
  })

  test('R-PAY-4 finds a thread that is not handed on', () => {
    const stolen = compare(
      plan,
      pay(plan, (outputs) => outputs.with(0, paying(ownerHash('thief'), threadValue))),
    )
    expect(stolen.transactions[0]!.faults).toEqual(['wrong thread output'])
    expect(stolen.strangers).toHaveLength(1)
    const thin = compare(
      plan,
      pay(plan, (outputs) => outputs.with(0, { value: threadValue - 1n, to: payer })),
    )
    expect(thin.transactions[0]!.faults).toEqual(['wrong thread output'])
    expect(thin.isMatch).toBe(false)
  })

  test('R-PAY-4 names a seat of the tally that was paid although nothing is due to it: dust, and score 0', () => {
    const comparison = compare(
      plan,
      pay(plan, (outputs) => [
        ...outputs,
        paying(ownerHash('stake', 4), 4_000n),
        paying(ownerHash('stake', 2), 9n),
      ]),
    )
    expect(comparison.isMatch).toBe(false)
    expect(stateOf(comparison, 4)).toMatchObject({ state: 'over', due: 0n, paid: 4_000n })
    expect(stateOf(comparison, 2)).toMatchObject({ state: 'over', due: 0n, paid: 9n })
  })

  test('R-PAY-4 finds a part of a series that is not there', () => {
    const long = planOf(Array.from({ length: 2_500 }, () => coin))
    const series = pay(long)
    const comparison = compare(long, [series[0]!, series[2]!], { thread: followThread(start, payer, series) })
    expect(comparison.missingParts).toEqual([2])
    expect(comparison.payees.filter(({ state }) => state === 'missing')).toHaveLength(1_000)
    expect(comparison.isMatch).toBe(false)
  })

  test('R-PAY-4 a transaction that is named twice counts once', () => {
    const [once] = pay(plan)
    expect(compare(plan, [once!, once!]).isMatch).toBe(true)
  })

  test('R-PAY-4 nothing paid of nothing due is a match, of something due is none', () => {
    expect(compare(planOf([0n]), []).isMatch).toBe(true)
    const comparison = compare(plan, [])
    expect(comparison.isMatch).toBe(false)
    expect(comparison.payees.map(({ state }) => state)).toEqual(['missing', 'missing', 'missing'])
  })

  test('R-PAY-4 no output of a payout can be changed, dropped or added unseen', () => {
    fc.assert(
      fc.property(fc.nat({ max: 5 }), fc.constantFrom('value', 'owner', 'drop', 'copy'), (index, what) => {
        const change: Change = (outputs) => {
          const output = outputs[index]!
          if (what === 'drop') return outputs.toSpliced(index, 1)
          if (what === 'copy') return outputs.toSpliced(index, 0, output)
          return outputs.with(
            index,
            what === 'value' ? { ...output, value: output.value + 1n } : paying(ownerHash('x'), output.value),
          )
        }
        // What goes to the payer as change is not paid: more, less or none of it hurts nobody.
        const isChange = index === 5
        const comparison = compare(plan, pay(plan, change))
        expect(comparison.isMatch).toBe(isChange && what !== 'owner')
      }),
    )
  })
})
