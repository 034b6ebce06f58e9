import { describe, expect, test } from 'vitest'
import { classifyScript } from '../../../src/chain/formats/script.ts'
import { COIN } from '../../../src/devnet/chain/parameters.ts'
import {
  createFundedChain,
  dataOutput,
  families,
  fee,
  firstCoin,
  parseFor,
  payTo,
  someHash160,
  spendCoins,
  spendWhole,
  submit,
} from './test-chain.ts'

describe.for(families)('%s: mempool', (family) => {
  test('a waiting transaction’s outputs can be spent, and both are mined in order', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const key = chain.wallet.keys.next()
    const parent = spendWhole(chain, coin, { to: key.hash160 })
    expect(submit(chain, parent)).toBe('accepted')
    const [made] = chain.wallet.coins({ owners: [key.owner], minConfirmations: 0 })
    const child = spendWhole(chain, made!)
    expect(submit(chain, child)).toBe('accepted')
    chain.mine()
    expect(
      chain.tree
        .parse(chain.tip)
        .transactions.slice(1)
        .map(({ bytes }) => bytes),
    ).toEqual([parent, child])
  })

  test('the same transaction twice', () => {
    const chain = createFundedChain(family)
    const bytes = spendWhole(chain, firstCoin(chain))
    expect(submit(chain, bytes)).toBe('accepted')
    expect(submit(chain, bytes)).toBe('18: txn-already-in-mempool')
    chain.mine()
    expect(submit(chain, bytes)).toBe('18: txn-already-known')
  })

  test('a block that spends the same coin drives a waiting spend and its children out', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const rival = spendWhole(chain, coin, { to: someHash160(9) })
    // The rival is mined on a branch of its own, which then comes back.
    expect(submit(chain, rival)).toBe('accepted')
    const [withRival] = chain.mine()
    chain.invalidate(withRival!.hash)
    expect(chain.mempool.entries()).toHaveLength(1)

    const key = chain.wallet.keys.next()
    const parent = spendWhole(chain, coin, { to: key.hash160 })
    expect(submit(chain, parent)).toBe('18: txn-mempool-conflict')
    const other = createFundedChain(family)
    for (const known of chain.wallet.keys.all()) other.wallet.keys.add(known.secretKey, true)
    expect(submit(other, parent)).toBe('accepted')
    const [made] = other.wallet.coins({ owners: [key.owner], minConfirmations: 0 })
    expect(submit(other, spendWhole(other, made!))).toBe('accepted')
    expect(other.submitBlock(withRival!.bytes).is).toBe('accept')
    expect(other.mempool.entries()).toEqual([])
  })

  test('policy: dust, foreign scripts, two data outputs and absurd fees are not relayed', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const sending = (...outputs: { value: bigint; script: Uint8Array }[]) =>
      submit(chain, spendCoins(chain, { coins: [coin], outputs }))
    const rest = payTo(chain, someHash160(1), coin.value - COIN)
    const dust = payTo(chain, someHash160(2), 53n)
    expect(sending(rest, dust)).toBe('64: dust')
    const replaySuffix = family === 'zen' ? rest.script.subarray(25) : new Uint8Array()
    expect(sending(rest, { value: COIN, script: Uint8Array.of(0x51, ...replaySuffix) })).toBe(
      family === 'zen' ? '68: op-checkblockatheight-needed' : '64: scriptpubkey',
    )
    expect(sending(rest, dataOutput(chain, 'one'), dataOutput(chain, 'two'))).toBe('64: multi-op-return')
    expect(sending({ ...rest, value: COIN })).toBe('256: absurdly-high-fee')
    const high = spendCoins(chain, { coins: [coin], outputs: [{ ...rest, value: COIN }] })
    expect(chain.submitTransaction(high, { allowHighFees: true }).is).toBe('accept')
  })

  test('R-PAY-2 a payout thread with its OP_RETURN, a thousand payees and one transaction after another', () => {
    const chain = createFundedChain(family)
    let thread = firstCoin(chain)
    const key = chain.wallet.keys.find(thread.owner)!
    for (let week = 0; week < 3; week++) {
      const payees = Array.from({ length: 1000 }, (_, i) => payTo(chain, someHash160(i % 200), 100_000n))
      const spentAmount = 1000n * 100_000n + 5_200_000n
      const bytes = spendCoins(chain, {
        coins: [thread],
        outputs: [
          payTo(chain, key.hash160, thread.value - spentAmount),
          dataOutput(chain, `secnode pay 2026-W4${week} 1/1 0123456789abcdef0123456789abcdef`),
          ...payees,
        ],
      })
      expect(submit(chain, bytes)).toBe('accepted')
      const { txid, outputs } = parseFor(chain, bytes)
      expect(classifyScript(outputs[1]!.script, family).kind).toBe('nulldata')
      thread = { ...thread, ...outputs[0]!, txid, index: 0 }
    }
    chain.mine()
    expect(chain.tree.parse(chain.tip).transactions).toHaveLength(4)
  })
})

test('zcash: what expires leaves the mempool', () => {
  const chain = createFundedChain('zcash')
  const coin = firstCoin(chain)
  const key = chain.wallet.keys.next()
  const expiryHeight = chain.tip.height + 4
  const bytes = spendCoins(chain, {
    coins: [coin],
    outputs: [payTo(chain, key.hash160, coin.value - fee)],
    change: (fields) => ({ ...fields, expiryHeight }),
  })
  expect(submit(chain, bytes)).toBe('accepted')
  const [made] = chain.wallet.coins({ owners: [key.owner], minConfirmations: 0 })
  expect(submit(chain, spendWhole(chain, made!))).toBe('accepted')
  // Blocks of another miner, who leaves both out.
  const { hash } = chain.tip
  chain.reorganise(1, 4)
  expect(Buffer.from(chain.tree.at(chain.tip.height - 3)!.hash).equals(hash)).toBe(false)
  expect(chain.tip.height).toBe(expiryHeight - 1)
  expect(chain.mempool.entries()).toHaveLength(2)
  chain.reorganise(1, 2)
  expect(chain.tip.height).toBe(expiryHeight)
  expect(chain.mempool.entries()).toEqual([])
})

test('zcash: at an upgrade the branch changes and what was signed for the old one leaves', () => {
  const chain = createFundedChain('zcash', { upgradeHeights: { 'NU6.1': 1, 'NU6.2': 14 } })
  expect(chain.tip.height).toBe(12)
  const bytes = spendWhole(chain, firstCoin(chain))
  expect(submit(chain, bytes)).toBe('accepted')
  // Block 13 leaves it out; block 14 is the first of the new branch.
  chain.reorganise(1, 2)
  expect(chain.tip.height).toBe(13)
  expect(chain.mempool.entries()).toEqual([])
  chain.mine(2)
  expect(chain.tree.parse(chain.tip).transactions[0]!.consensusBranchId).toBe(0x5437f330)
})
