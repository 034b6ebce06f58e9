import { describe, expect, test } from 'vitest'
import { coin } from '../../protocol/index.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { verifyPayout } from '../../src/payout/verify.ts'
import {
  multisigTreasury,
  type PayoutChainOptions,
  singleTreasury,
  startPayoutChain,
} from './payout-chain.ts'

const treasuries = [
  ['P2PKH', singleTreasury()],
  ['2 of 3 coordinators', multisigTreasury(2, 3)],
] as const

const cases = (['zcash', 'zen'] as const).flatMap((family) =>
  treasuries.map(([name, treasury]): [string, PayoutChainOptions] => [
    `${family}, ${name}`,
    { family, treasury },
  ]),
)

describe('payout from tally to blocks', () => {
  test.each(cases)('R-PAY-3 R-PAY-4 built, signed, sent, mined and verified: %s', async (_name, options) => {
    await using payout = await startPayoutChain(options)
    const amounts = [coin, 0n, 2n * coin, 4_999n, 7n * coin]
    const tally = payout.tally(amounts)
    const file = await payout.build(tally)
    expect(file.drafts).toHaveLength(1)
    const signed = await payout.sign(file, tally, payout.treasury.keys.slice(0, 2))
    const sent = await payout.send(signed, createMemoryStore())
    expect(sent).toMatchObject([{ part: 1, parts: 1, state: 'sent' }])
    payout.chain.mine(1)
    for (const [seat, amount] of amounts.entries()) {
      expect(payout.received(seat).value).toBe(amount < 5_000n ? 0n : amount)
    }
    const verified = await verifyPayout({
      network: payout.network,
      tally,
      node: payout.node,
      txids: [],
      raw: [],
    })
    expect(verified.comparison).toMatchObject({ isMatch: true, strangers: [], missingParts: [] })
    expect(verified.comparison.transactions[0]!.faults).toEqual([])
  })
})
