import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ChainName,
  dustLimit,
  type DigestedTally,
  markerDigest,
  ownerOf,
  Params,
  type Payer,
  payoutFee,
  planPayout,
  plannedOutputs,
  signedInputBytes,
  threadValue,
} from '../../../protocol/index.ts'
import { conventionalFee, marginalFee, templateOutputBytes } from '../../../protocol/payout/fee.ts'
import { maxPayees, type PlanInput } from '../../../protocol/payout/plan.ts'
import { ownerHash, payer, tallyOf, week } from './fixture.ts'

const plan = (tally: DigestedTally, changes: Partial<PlanInput> = {}) =>
  planPayout({
    tally,
    chain: 'zcash-regtest',
    params: { payoutConfirmations: 100 },
    payer,
    tipHeight: 300,
    ...changes,
  })

const planned = (tally: DigestedTally, changes: Partial<PlanInput> = {}) => {
  const result = plan(tally, changes)
  if (result.is === 'bad') throw new Error(result.what)
  return result.plan
}

const amount = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: 1n, max: 2n * dustLimit }),
  fc.bigInt({ min: 1n, max: 10n ** 12n }),
)

describe('R-PAY-1 plan', () => {
  test('R-PAY-1 pays each what the tally says, in order of seat, at most 1,000 a transaction, dust left out', () => {
    fc.assert(
      fc.property(fc.array(amount, { maxLength: 2_600, size: 'max' }), (amounts) => {
        const tally = tallyOf({ amounts })
        const { transactions, leftOut, total, digest } = planned(tally)
        const payees = transactions.flatMap((transaction) => transaction.payees)
        const due = amounts
          .map((each, seat) => ({ seat, stake: ownerHash('stake', seat), amount: each }))
          .filter((each) => each.amount >= dustLimit)
        expect(payees).toEqual(due)
        expect(leftOut.map(({ seat, why }) => [seat, why])).toEqual(
          amounts.flatMap((each, seat) => (each > 0n && each < dustLimit ? [[seat, 'dust']] : [])),
        )
        expect(total + leftOut.reduce((sum, each) => sum + each.amount, 0n)).toBe(
          BigInt(tally.document.totals.paid),
        )
        expect(transactions.length).toBe(Math.ceil(due.length / maxPayees))
        for (const [i, transaction] of transactions.entries()) {
          const isLast = i === transactions.length - 1
          expect(transaction.payees.length).toBe(isLast ? due.length - i * maxPayees : maxPayees)
          expect(transaction.total).toBe(transaction.payees.reduce((sum, each) => sum + each.amount, 0n))
          expect(transaction.marker).toEqual({
            week,
            part: i + 1,
            parts: transactions.length,
            digest: markerDigest(digest),
          })
        }
      }),
      { numRuns: 30 },
    )
  })

  test('R-PAY-1 the limit of dust is what paying an output, and spending it, costs', () => {
    const amounts = [dustLimit - 1n, dustLimit, 1n]
    const { transactions, leftOut } = planned(tallyOf({ amounts }))
    expect(transactions.flatMap(({ payees }) => payees.map(({ seat }) => seat))).toEqual([1])
    expect(leftOut.map(({ seat, amount: left }) => [seat, left])).toEqual([
      [0, dustLimit - 1n],
      [2, 1n],
    ])
    const one = { kind: 'p2pkh', hash160: ownerHash(1) } as const
    expect(dustLimit).toBe(marginalFee)
    expect(templateOutputBytes(one)).toBe(34)
    expect(signedInputBytes({ kind: 'p2pkh' })).toBeLessThanOrEqual(150)
  })

  test('R-PAY-1 a week is payable when `payoutConfirmations` blocks stand on its anchor, and the plan names its block', () => {
    const tally = tallyOf({ amounts: [10n ** 8n] })
    expect(plan(tally, { tipHeight: 299 })).toMatchObject({ is: 'bad', fault: 'not-deep' })
    expect(planned(tally, { tipHeight: 300 }).anchor).toEqual({ height: 200, hash: 'ab'.repeat(32) })
    expect(plan(tally, { tipHeight: null }).is).toBe('ok')
  })

  test.each(['open', 'frozen', 'certified', 'pending'] as const)(
    'R-PAY-1 a week that is %s is not paid',
    (state) => {
      expect(plan(tallyOf({ amounts: [10n ** 8n], state, anchor: null }))).toMatchObject({
        is: 'bad',
        fault: 'not-anchored',
      })
    },
  )

  test('R-PAY-1 a document that is not sound is not paid', () => {
    const amounts = [10n ** 8n, 2n * 10n ** 8n]
    const { document } = tallyOf({ amounts })
    const unsound = (changes: object) => plan(tallyOf({ amounts, changes }))
    expect(plan(tallyOf({ amounts, chain: 'zen-regtest' }))).toMatchObject({ fault: 'unsound' })
    expect(plan(tallyOf({ amounts, stakeOf: () => ownerHash('same') }))).toMatchObject({ fault: 'unsound' })
    expect(unsound({ totals: { ...document.totals, paid: '299999999' } })).toMatchObject({ fault: 'unsound' })
    expect(unsound({ seats: document.seats.toReversed() })).toMatchObject({ fault: 'unsound' })
  })

  test('R-PAY-1 a payer who is a payee too is not paid: the money is there', () => {
    const own: Payer = { kind: 'p2pkh', hash160: ownerHash('stake', 1) }
    const { transactions, leftOut, total } = planned(tallyOf({ amounts: [10n ** 8n, 10n ** 8n] }), {
      payer: own,
    })
    expect(transactions[0]!.payees.map(({ seat }) => seat)).toEqual([0])
    expect(leftOut).toMatchObject([{ seat: 1, why: 'payer' }])
    expect(total).toBe(10n ** 8n)
    // P2SH of the same 20 bytes is somebody else.
    const other = planned(tallyOf({ amounts: [10n ** 8n, 10n ** 8n] }), { payer: { ...own, kind: 'p2sh' } })
    expect(other.leftOut).toEqual([])
  })

  test('R-PAY-1 nothing due is no transaction', () => {
    expect(planned(tallyOf({ amounts: [0n, 17n] })).transactions).toEqual([])
  })
})

describe('R-PAY-2 outputs', () => {
  test('R-PAY-2 thread, marker, payees in order of seat, change last', () => {
    const [first] = planned(tallyOf({ amounts: [10n ** 8n, 0n, 3n * 10n ** 8n] })).transactions
    const outputs = plannedOutputs(first!, payer, 77_777n)
    expect(outputs.map(({ value }) => value)).toEqual([threadValue, 0n, 10n ** 8n, 3n * 10n ** 8n, 77_777n])
    expect(outputs.map(({ to }) => ownerOf(to))).toEqual([
      ownerOf(payer),
      null,
      ownerOf({ kind: 'p2pkh', hash160: ownerHash('stake', 0) }),
      ownerOf({ kind: 'p2pkh', hash160: ownerHash('stake', 2) }),
      ownerOf(payer),
    ])
    expect(plannedOutputs(first!, payer, 0n)).toEqual(outputs.slice(0, -1))
  })
})

describe('R-PAY-3 fee of ZIP 317', () => {
  // marginal_fee · max(grace_actions, max(⌈in / 150⌉, ⌈out / 34⌉)), from the text of ZIP 317.
  test.each([
    [1 * 148, 2 * 34, 10_000n],
    [2 * 150, 2 * 34, 10_000n],
    [2 * 150 + 1, 2 * 34, 15_000n],
    [148, 3 * 34, 15_000n],
    [148, 3 * 34 + 1, 20_000n],
    [50 * 150, 34, 250_000n],
    [0, 0, 10_000n],
  ])('R-PAY-3 %i bytes of inputs and %i of outputs cost %i', (inputBytes, outputBytes, fee) => {
    expect(conventionalFee(inputBytes, outputBytes)).toBe(fee)
  })

  test('R-PAY-3 1,000 payees cost 0.05 coin, whoever pays and on whichever chain', () => {
    const amounts = Array.from({ length: maxPayees }, () => 10n ** 8n)
    for (const chain of ['zcash-regtest', 'zen-regtest'] as ChainName[]) {
      const [first] = planned(tallyOf({ amounts, chain }), { chain }).transactions
      const outputs = plannedOutputs(first!, payer, 1n).map(({ to }) => to)
      // 32 + 32 bytes of the payer's P2SH outputs, 9 + 2 + 57 of the marker, 34 of each payee: ⌈34,132 / 34⌉ actions.
      expect(payoutFee({ kind: 'p2pkh' }, 50, outputs)).toBe(1_004n * marginalFee)
      expect(payoutFee({ kind: 'p2sh', required: 2, redeemScriptBytes: 105 }, 50, outputs)).toBe(5_020_000n)
    }
  })

  test('R-PAY-3 inputs are reckoned with their longest signatures', () => {
    // 36 outpoint, 1 length, 72 + 1 signature, 33 + 1 key, 4 sequence.
    expect(signedInputBytes({ kind: 'p2pkh' })).toBe(148)
    // 2 of 3: 36, length 3, empty push 1, 2 · 73, redeem script 105 with its push of 2, sequence 4.
    expect(signedInputBytes({ kind: 'p2sh', required: 2, redeemScriptBytes: 105 })).toBe(297)
    // 1 of 1: the lengths of script and push have one byte each.
    expect(signedInputBytes({ kind: 'p2sh', required: 1, redeemScriptBytes: 37 })).toBe(
      36 + 1 + 1 + 73 + 38 + 4,
    )
    // 15 of 15.
    expect(signedInputBytes({ kind: 'p2sh', required: 15, redeemScriptBytes: 513 })).toBe(
      36 + 3 + 1 + 15 * 73 + 516 + 4,
    )
  })

  test('R-PAY-3 the reserve of a week pays for 39 transactions of 1,000 payees', () => {
    const params = Params.parse({ fund: { kind: 'fixed', amount: 0n } })
    expect(params.feeReserve / (1_004n * marginalFee)).toBe(39n)
  })
})
