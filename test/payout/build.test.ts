import { describe, expect, test } from 'vitest'
import {
  coin,
  dustLimit,
  maxPayoutInputs,
  newestRuleset,
  outpointKey,
  ownerOf,
  reversedHex,
  threadValue,
  type Week,
} from '../../protocol/index.ts'
import { classifyScript, p2pkhScript } from '../../src/chain/formats/script.ts'
import { parseTransaction, serializeTransaction } from '../../src/chain/formats/transaction.ts'
import { networkOf } from '../../src/chain/profiles.ts'
import type { Coin } from '../../src/devnet/chain/coin.ts'
import { conventionalFee, logicalActions } from '../../src/devnet/chain/fees.ts'
import { buildPayout } from '../../src/payout/build.ts'
import { checkConsolidation, freezeHeightOf } from '../../src/payout/check-file.ts'
import { consolidateCoins } from '../../src/payout/consolidate.ts'
import { formatPayoutFile } from '../../src/payout/payout-file.ts'
import { verifyPayout } from '../../src/payout/verify.ts'
import { txidOf } from '../../src/payout/transactions.ts'
import { payTo, spendCoins } from '../devnet/chain/test-chain.ts'
import { multisigTreasury, type PayoutChain, singleTreasury, startPayoutChain, week } from './payout-chain.ts'

const manyAmounts = (count: number): bigint[] => Array.from({ length: count }, (_, i) => 10_000n + BigInt(i))

const paidInto = (payout: PayoutChain, file: Awaited<ReturnType<PayoutChain['build']>>): bigint[] =>
  file.drafts.map(
    ({ fields, spent }) =>
      spent.reduce((sum, { value }) => sum + value, 0n) -
      fields.outputs.reduce((sum, { value }) => sum + value, 0n),
  )

describe('payout build', () => {
  test('R-PAY-1 the same coins and the same tally make the same bytes', async () => {
    await using payout = await startPayoutChain({ coins: [coin, 3n * coin, 2n * coin] })
    const tally = payout.tally([2n * coin, 3n * coin])
    const [one, other] = [await payout.build(tally), await payout.build(tally)]
    expect(formatPayoutFile(one, payout.network)).toBe(formatPayoutFile(other, payout.network))
    // Largest first, and no more than is needed.
    expect(one.drafts[0]!.spent.map(({ value }) => value)).toEqual([threadValue, 3n * coin, 2n * coin, coin])
  })

  test('R-PAY-2 R-PAY-3 thread in and out, marker, no expiry, no lock time, change last', async () => {
    await using payout = await startPayoutChain()
    const file = await payout.build(payout.tally([coin, 2n * coin]))
    const { fields } = file.drafts[0]!
    expect(fields).toMatchObject({ version: 5, lockTime: 0, expiryHeight: 0, consensusBranchId: 0x37a5165b })
    expect(outpointKey(fields.inputs[0]!.previousTxid, fields.inputs[0]!.previousIndex)).toBe(
      outpointKey(payout.threadStart.txid, payout.threadStart.index),
    )
    const kinds = fields.outputs.map(({ script }) => classifyScript(script, 'zcash').kind)
    expect(kinds).toEqual(['p2pkh', 'nulldata', 'p2pkh', 'p2pkh', 'p2pkh'])
    expect(fields.outputs.slice(0, 4).map(({ value }) => value)).toEqual([threadValue, 0n, coin, 2n * coin])
    expect(fields.inputs.every(({ sequence }) => sequence === 0xffff_ffff)).toBe(true)
  })

  test.each([
    ['P2PKH', singleTreasury(), 1],
    ['2 of 3', multisigTreasury(2, 3), 2],
    ['3 of 5', multisigTreasury(3, 5), 3],
  ] as const)(
    'R-PAY-3 the fee is that of ZIP 317 for the signed transaction: %s',
    async (_name, treasury, signers) => {
      for (const [coins, payees] of [
        [[50n * coin], 1],
        [Array.from({ length: 12 }, () => coin), 3],
        [[50n * coin], 200],
      ] as const) {
        await using payout = await startPayoutChain({ treasury, coins })
        const amount = coins.length === 1 ? 10_000n : 3n * coin
        const tally = payout.tally(Array.from({ length: payees }, () => amount))
        const signed = await payout.sign(await payout.build(tally), tally, treasury.keys.slice(0, signers))
        const { fields } = signed.drafts[0]!
        const transaction = parseTransaction(serializeTransaction(fields), 'zcash')
        // The embedded chain reckons by itself, from the bytes as they are: signatures may be shorter than the longest.
        const [fee] = paidInto(payout, signed)
        const actual = conventionalFee(logicalActions(transaction))
        expect(fee! - actual).toBeGreaterThanOrEqual(0n)
        expect(fee! - actual).toBeLessThanOrEqual(5_000n)
        expect(await payout.send(signed)).toHaveLength(1)
      }
    },
  )

  test('R-PAY-1 2,001 payees are three transactions; the change of each pays for the next', async () => {
    await using payout = await startPayoutChain()
    const tally = payout.tally(manyAmounts(2_001))
    const file = await payout.build(tally)
    expect(file.drafts.map(({ fields }) => fields.outputs.length)).toEqual([1_003, 1_003, 4])
    for (const [i, { fields }] of file.drafts.entries()) {
      if (i === 0) continue
      const before = txidOf(file.drafts[i - 1]!.fields)
      expect(
        fields.inputs.map(({ previousTxid, previousIndex }) => outpointKey(previousTxid, previousIndex)),
      ).toEqual([outpointKey(before, 0), outpointKey(before, 1_002)])
    }
    expect(paidInto(payout, file)).toEqual([5_020_000n, 5_020_000n, 25_000n])
    await payout.send(await payout.sign(file, tally))
    payout.chain.mine(1)
    expect(payout.received(2_000)).toEqual({ value: 12_000n, outputs: 1 })
  })

  test('R-PAY-1 dust is left out of the plan, and no change is made that would be dust', async () => {
    await using payout = await startPayoutChain({ coins: [coin + 25_000n + dustLimit - 1n] })
    const tally = payout.tally([coin, dustLimit - 1n])
    const { plan, file } = await buildPayout({
      node: payout.node,
      tally,
      redeemScript: null,
      coins: null,
      replaces: false,
    })
    expect(plan.leftOut).toMatchObject([{ seat: 1, amount: dustLimit - 1n, why: 'dust' }])
    expect(file!.drafts[0]!.fields.outputs).toHaveLength(3)
    // 34 + 68 + 34 bytes are 4 actions, with change 5; what would be left then is dust, so the miner gets it.
    expect(paidInto(payout, file!)).toEqual([25_000n + dustLimit - 1n])
    await payout.send(await payout.sign(file!, tally))
  })

  test('R-PAY-1 more than 50 inputs: refused, joined, then built', async () => {
    const coins = Array.from({ length: 120 }, () => coin / 10n)
    await using payout = await startPayoutChain({ coins })
    const tally = payout.tally([6n * coin])
    await expect(payout.build(tally)).rejects.toMatchObject({ code: 'PAYOUT_CONSOLIDATE' })
    const join = await consolidateCoins({ node: payout.node, week, redeemScript: null, coins: null })
    expect(join.drafts.map(({ fields }) => fields.inputs.length)).toEqual([50, 50, 20])
    expect(checkConsolidation(join).thread).toBeNull()
    expect(paidInto(payout, join)).toEqual([250_000n, 250_000n, 100_000n])
    expect(await payout.send(await payout.sign(join, tally))).toEqual([])
    payout.chain.mine(5)
    const file = await payout.build(tally)
    expect(file.drafts[0]!.fields.inputs.length).toBeLessThanOrEqual(maxPayoutInputs)
    await payout.send(await payout.sign(file, tally))
    payout.chain.mine(1)
    expect(payout.received(0)).toEqual({ value: 6n * coin, outputs: 1 })
  })

  test('R-PAY-1 exactly 50 inputs are built', async () => {
    await using payout = await startPayoutChain({ coins: Array.from({ length: 49 }, () => coin / 10n) })
    // 50 · 148 bytes of inputs are 50 actions.
    const file = await payout.build(payout.tally([49n * (coin / 10n) - 250_000n]))
    expect(file.drafts[0]!.fields.inputs).toHaveLength(50)
  })

  test('R-PAY-1 only when the anchor is deep enough, and in the block that the tally names', async () => {
    await using payout = await startPayoutChain()
    const { height, hash } = payout.tally([coin]).document.anchor!
    const young = payout.tally([coin], { anchor: { height: height + 1, hash } })
    await expect(payout.build(young)).rejects.toMatchObject({ code: 'PAYOUT_NOT_DEEP', exitCode: 3 })
    payout.chain.mine(1)
    await expect(payout.build(young)).rejects.toMatchObject({ code: 'PAYOUT_OTHER_CHAIN' })
    const pending = payout.tally([coin], { state: 'pending', anchor: null })
    await expect(payout.build(pending)).rejects.toMatchObject({ code: 'PAYOUT_NOT_ANCHORED', exitCode: 3 })
    const elsewhere = payout.tally([coin], { network: 'f'.repeat(32) as never })
    await expect(payout.build(elsewhere)).rejects.toMatchObject({ code: 'PAYOUT_OTHER_NETWORK', exitCode: 2 })
    const otherParams = payout.tally([coin], { params: '11'.repeat(32) })
    await expect(payout.build(otherParams)).rejects.toMatchObject({ code: 'PAYOUT_TALLY' })
  })

  test('R-NET-3 a week under a ruleset that is not known is neither built nor verified; one under another than its own neither', async () => {
    await using payout = await startPayoutChain()
    const { profile } = payout.network
    const row = { from: week, params: { ...profile.schedule[0]!.params, ruleset: newestRuleset + 1 } }
    const network = networkOf({ ...profile, schedule: [...profile.schedule, row] })
    const node = { ...payout.node, network }
    const tally = payout.tally([coin])
    const unknown = { code: 'RULESET_UNKNOWN', exitCode: 3 }
    await expect(payout.build(tally, { node })).rejects.toMatchObject(unknown)
    const request = { network, tally, node, txids: [], raw: [] }
    await expect(verifyPayout(request)).rejects.toMatchObject(unknown)
    const { document, digest } = tally
    const renamed = { document: { ...document, ruleset: newestRuleset + 1 }, digest }
    await expect(payout.build(renamed)).rejects.toMatchObject({ code: 'PAYOUT_TALLY' })
  })

  test('R-PAY-2 a week that is on the thread is never built again, whatever its tally says now', async () => {
    await using payout = await startPayoutChain()
    const tally = payout.tally([coin])
    await payout.send(await payout.sign(await payout.build(tally), tally))
    payout.chain.mine(5)
    await expect(payout.build(tally)).rejects.toMatchObject({ code: 'PAYOUT_PAID' })
    await expect(payout.build(payout.tally([2n * coin]))).rejects.toMatchObject({ code: 'PAYOUT_MARKED' })
    // Another week goes on from there.
    const next = payout.tally([coin], { week: '2026-W48' as Week })
    await payout.send(await payout.sign(await payout.build(next), next))
    payout.chain.mine(1)
    expect(payout.received(0)).toEqual({ value: 2n * coin, outputs: 2 })
  })

  test('R-PAY-2 a series of which the chain has a part is continued', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 40n * coin] })
    const tally = payout.tally(manyAmounts(1_001))
    const signed = await payout.sign(await payout.build(tally), tally)
    const first = { ...signed, drafts: signed.drafts.slice(0, 1) }
    await payout.send(first)
    payout.chain.mine(5)
    const { file, firstPart } = await buildPayout({
      node: payout.node,
      tally,
      redeemScript: null,
      coins: null,
      replaces: false,
    })
    expect(firstPart).toBe(2)
    expect(file!.drafts).toHaveLength(1)
    await payout.send(await payout.sign(file!, tally))
    payout.chain.mine(1)
    expect([0, 999, 1_000].map((seat) => payout.received(seat).outputs)).toEqual([1, 1, 1])
  })

  test('R-PAY-2 a payout in the memory pool is waited for, unless it is to be replaced', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 40n * coin] })
    const tally = payout.tally([coin])
    const signed = await payout.sign(await payout.build(tally), tally)
    await payout.send(signed)
    await expect(payout.build(tally)).rejects.toMatchObject({ code: 'PAYOUT_WAITING' })
    const other = await payout.build(tally, { replaces: true })
    // The same thread output, other coins: the node takes only one of the two.
    expect(other.drafts[0]!.fields.inputs[0]).toEqual(
      expect.objectContaining({ previousTxid: payout.threadStart.txid }),
    )
    await expect(payout.send(await payout.sign(other, tally))).rejects.toMatchObject({
      code: 'PAYOUT_REFUSED',
      message: expect.stringContaining('another transaction in the mempool has already spent') as string,
    })
  })

  test('R-PAY-2 without a thread for the week, or with one that was cut, nothing is built', async () => {
    await using payout = await startPayoutChain()
    const { node, network } = payout
    const none = networkOf({ ...network.profile, threads: [] })
    const tally = payout.tally([coin])
    await expect(payout.build(tally, { node: { ...node, network: none } })).rejects.toMatchObject({
      code: 'PAYOUT_NO_THREAD',
      exitCode: 2,
    })
    const early = payout.tally([coin], { week: '2026-W39' as Week })
    await expect(payout.build(early)).rejects.toMatchObject({ code: 'PAYOUT_NO_THREAD' })
  })

  test.each([
    ['is spent as another input than 0', [1, 0]],
    ['is handed to somebody else', [0, 1]],
  ])('R-PAY-2 when the thread output %s, the thread is cut and nothing is built', async (_what, order) => {
    await using payout = await startPayoutChain()
    const { chain } = payout
    // The treasury's key in a wallet that knows of no thread.
    chain.wallet.keys.add(payout.treasury.keys[0]!.secretKey, true)
    const unspent = treasuryCoins(payout)
    const bytes = spendCoins(chain, {
      coins: order.map((i) => unspent[i]!),
      outputs: [payTo(chain, new Uint8Array(20).fill(9), coin)],
    })
    expect(chain.submitTransaction(bytes, { allowHighFees: true }).is).toBe('accept')
    chain.mine(1)
    await expect(payout.build(payout.tally([coin]))).rejects.toMatchObject({
      code: 'PAYOUT_THREAD_CUT',
      message: expect.stringContaining(reversedHex(parseTransaction(bytes, 'zcash').txid)) as string,
    })
  })

  test('R-PAY-3 coins that do not suffice are missed to the base unit', async () => {
    await using payout = await startPayoutChain({ coins: [coin, 2n * coin] })
    const tally = payout.tally([3n * coin])
    await expect(payout.build(tally)).rejects.toMatchObject({
      code: 'PAYOUT_FUNDS',
      exitCode: 3,
      message: expect.stringContaining('20000 base units are missing') as string,
    })
    payout.fund([20_000n])
    expect((await payout.build(tally)).drafts[0]!.spent).toHaveLength(4)
  })

  test('R-PAY-3 coins that are young, or spent in the memory pool, are passed over', async () => {
    await using payout = await startPayoutChain({ coins: [coin] })
    const tally = payout.tally([2n * coin])
    payout.chain.wallet.pay({
      payees: [
        {
          kind: 'p2pkh',
          hash160: (payout.treasury.payer as { hash160: Uint8Array }).hash160,
          value: 5n * coin,
        },
      ],
    })
    payout.chain.mine(2)
    await expect(payout.build(tally)).rejects.toMatchObject({ code: 'PAYOUT_FUNDS' })
    payout.chain.mine(1)
    expect((await payout.build(tally)).drafts).toHaveLength(1)
  })

  test('R-PAY-3 coinbases are spent when they are mature, and on the public networks of Zcash never', async () => {
    await using payout = await startPayoutChain({ coins: [] })
    const { chain, treasury, node, network } = payout
    const { hash160 } = treasury.payer as { hash160: Uint8Array }
    chain.mine(1, { minerScript: p2pkhScript(hash160) })
    const tally = payout.tally([coin])
    chain.mine(98)
    await expect(payout.build(tally)).rejects.toMatchObject({ code: 'PAYOUT_FUNDS' })
    chain.mine(1)
    expect((await payout.build(tally)).drafts[0]!.spent).toHaveLength(2)
    const { profile } = network
    const isPublic = {
      ...network,
      profile: { ...profile, genesis: { ...profile.genesis, chain: 'zcash-test' as const } },
    }
    await expect(payout.build(tally, { node: { ...node, network: isPublic } })).rejects.toMatchObject({
      code: 'PAYOUT_FUNDS',
    })
  })

  test('R-PAY-3 on a node without an index of addresses, coins are named by hand and the thread is followed by blocks', async () => {
    await using payout = await startPayoutChain({
      methods: ({ getaddressutxos: _a, getaddresstxids: _b, ...methods }) => methods,
    })
    const tally = payout.tally([coin])
    await expect(payout.build(tally)).rejects.toMatchObject({ code: 'PAYOUT_NO_INDEX', exitCode: 3 })
    const { txid, index } = treasuryCoins(payout)[1]!
    const file = await payout.build(tally, { coins: [{ txid, index }] })
    await payout.send(await payout.sign(file, tally))
    payout.chain.mine(3)
    await expect(payout.build(tally)).rejects.toMatchObject({ code: 'PAYOUT_PAID' })
    await expect(
      payout.build(payout.tally([coin], { week: '2026-W48' as Week }), { coins: [payout.threadStart] }),
    ).rejects.toMatchObject({ code: 'PAYOUT_COIN', exitCode: 2 })
  })

  test('R-PAY-3 ZEN: version 1, and every output refers to block F', async () => {
    await using payout = await startPayoutChain({ family: 'zen' })
    const tally = payout.tally([coin, 2n * coin])
    const { fields } = (await payout.build(tally)).drafts[0]!
    expect(fields).toMatchObject({ version: 1, consensusBranchId: null })
    const freeze = freezeHeightOf(payout.network, tally.document)
    // b(4 + 2) with 16 blocks before the activation and 8 to an epoch.
    expect(freeze).toBe(64)
    for (const { script } of fields.outputs) {
      const { replayProtection } = classifyScript(script, 'zen')
      expect(replayProtection).toEqual({ height: 64, hash: payout.chain.tree.at(64)!.hash })
    }
  })
})

/** In chain order: the thread output, then the coins. */
const treasuryCoins = ({ chain, treasury }: PayoutChain): Coin[] =>
  chain.tree.coins.addresses
    .unspent(ownerOf(treasury.payer)!)
    .sort((a, b) => a.height - b.height || a.index - b.index)
