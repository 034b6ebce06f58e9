import { describe, expect, test } from 'vitest'
import { bytesToHex, coin, ownerOf, type Week } from '../../protocol/index.ts'
import { parseTransaction, serializeTransaction } from '../../src/chain/formats/transaction.ts'
import type { TransactionOutput } from '../../src/chain/formats/types.ts'
import { networkOf } from '../../src/chain/profiles.ts'
import type { RpcClient } from '../../src/chain-node/rpc/client.ts'
import { readThread } from '../../src/payout/chain-thread.ts'
import type { PayoutFile } from '../../src/payout/payout-file.ts'
import { signPayout } from '../../src/payout/sign.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { createOutbox } from '../../src/payout/outbox.ts'
import { sendPayout } from '../../src/payout/send.ts'
import { payoutStatus } from '../../src/payout/status.ts'
import { type VerifyRequest, verifyPayout } from '../../src/payout/verify.ts'
import { payTo, spendCoins } from '../devnet/chain/test-chain.ts'
import { ownerHash } from '../protocol/payout/fixture.ts'
import { type PayoutChain, startBlocksOnly, startPayoutChain } from './payout-chain.ts'

const verify = async (
  payout: PayoutChain,
  tally: ReturnType<PayoutChain['tally']>,
  changes: Partial<VerifyRequest> = {},
) => verifyPayout({ network: payout.network, tally, node: payout.node, txids: [], raw: [], ...changes })

const paid = async (payout: PayoutChain, tally: ReturnType<PayoutChain['tally']>) => {
  const signed = await payout.sign(await payout.build(tally), tally)
  await payout.send(signed)
  payout.chain.mine(1)
  return signed.drafts.map(({ fields }) => parseTransaction(serializeTransaction(fields), fields.family))
}

/** What a dishonest treasurer mines: the week's payout with other outputs, signed with the treasury's key. */
const payOtherwise = async (
  payout: PayoutChain,
  tally: ReturnType<PayoutChain['tally']>,
  change: (outputs: readonly TransactionOutput[]) => readonly TransactionOutput[],
): Promise<void> => {
  const { chain, treasury } = payout
  const key = treasury.keys[0]!
  chain.wallet.keys.add(key.secretKey, true)
  const { fields } = (await payout.build(tally)).drafts[0]!
  const coins = fields.inputs.map(({ previousTxid, previousIndex }) =>
    chain.tree.coins.coin(`${bytesToHex(previousTxid)}:${previousIndex}`)!,
  )
  const changed = change(fields.outputs)
  const last = changed.at(-1)!
  // Out of the change comes whatever it costs more.
  const outputs = changed.with(changed.length - 1, { ...last, value: last.value - 5n * coin })
  const bytes = spendCoins(chain, { coins, outputs })
  const verdict = chain.submitTransaction(bytes, { allowHighFees: true })
  expect(verdict).toMatchObject({ is: 'accept' })
  chain.mine(1)
}

describe('payout verify', () => {
  test.each(['zcash', 'zen'] as const)(
    'R-PAY-4 from nothing, from txids and from raw hex: a payout of two transactions is a match (%s)',
    async (family) => {
      await using payout = await startPayoutChain({ family })
      const tally = payout.tally(Array.from({ length: 1_500 }, (_, seat) => 10_000n + BigInt(seat)))
      const transactions = await paid(payout, tally)
      const txids = transactions.map(({ txid }) => txid)
      const raw = transactions.map(({ bytes }) => bytes)
      for (const given of [{}, { txids }, { raw }, { txids: txids.slice(0, 1), raw: raw.slice(1) }]) {
        const { comparison, isThreadChecked } = await verify(payout, tally, given)
        expect(comparison).toMatchObject({ isMatch: true, strangers: [], missingParts: [] })
        expect(isThreadChecked).toBe(true)
      }
      const offline = await verify(payout, tally, { node: null, raw })
      expect(offline.comparison.isMatch).toBe(true)
      expect(offline.isThreadChecked).toBe(false)
      const half = await verify(payout, tally, { txids: txids.slice(1) })
      expect(half.comparison).toMatchObject({ isMatch: false, missingParts: [1] })
    },
  )

  test.each([
    [
      'a wrong amount',
      (outputs: readonly TransactionOutput[]) => outputs.with(2, { ...outputs[2]!, value: coin - 1n }),
      'short',
    ],
    [
      'too much',
      (outputs: readonly TransactionOutput[]) => outputs.with(2, { ...outputs[2]!, value: coin + 1n }),
      'over',
    ],
    ['a missing output', (outputs: readonly TransactionOutput[]) => outputs.toSpliced(2, 1), 'missing'],
    [
      'a payee paid twice',
      (outputs: readonly TransactionOutput[]) => outputs.toSpliced(2, 0, outputs[2]!),
      'duplicated',
    ],
  ] as const)('R-PAY-4 finds %s on the chain', async (_what, change, state) => {
    await using payout = await startPayoutChain()
    const tally = payout.tally([coin, 2n * coin])
    await payOtherwise(payout, tally, change)
    const { comparison } = await verify(payout, tally)
    expect(comparison.isMatch).toBe(false)
    expect(comparison.payees.map((payee) => payee.state)).toEqual([state, 'exact'])
    expect(comparison.strangers).toEqual([])
  })

  test('R-PAY-4 finds a stranger and another address on the chain', async () => {
    await using payout = await startPayoutChain()
    const tally = payout.tally([coin, 2n * coin])
    const thief = payTo(payout.chain, new Uint8Array(20).fill(9), 2n * coin)
    await payOtherwise(payout, tally, (outputs) => outputs.with(3, thief))
    const { comparison } = await verify(payout, tally)
    expect(comparison.isMatch).toBe(false)
    expect(comparison.payees.map(({ state }) => state)).toEqual(['exact', 'missing'])
    expect(comparison.strangers).toMatchObject([{ index: 3, value: 2n * coin }])
  })

  test('R-PAY-4 finds a payout outside the thread, and a wrong marker', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 20n * coin] })
    const { chain } = payout
    const tally = payout.tally([coin, 2n * coin])
    const [real] = await paid(payout, tally)
    // Again, with coins of the payer but without the thread.
    chain.wallet.keys.add(payout.treasury.keys[0]!.secretKey, true)
    const [other] = chain.tree.coins.addresses
      .unspent(ownerOf(payout.treasury.payer)!)
      .filter(({ value }) => value === 20n * coin)
    const again = spendCoins(chain, { coins: [other!], outputs: real!.outputs.slice(0, 4) })
    expect(chain.submitTransaction(again, { allowHighFees: true }).is).toBe('accept')
    chain.mine(1)
    const { txid } = parseTransaction(again, 'zcash')
    const outside = await verify(payout, tally, { txids: [txid] })
    expect(outside.comparison.transactions).toMatchObject([{ faults: ['outside the thread'] }])
    expect(outside.comparison.isMatch).toBe(false)
    // The thread itself is in order, and the two together are a double payment.
    const onThread = await verify(payout, tally)
    expect(onThread.comparison.isMatch).toBe(true)
    expect(onThread.beside).toEqual([
      {
        txid,
        marker: { week: '2026-W47', part: 1, parts: 1, digest: tally.digest.slice(0, 32) },
        seats: [0, 1],
        toSeats: 3n * coin,
        toOthers: 0n,
        isOpaque: false,
      },
    ])
    const both = await verify(payout, tally, { txids: [real!.txid, txid] })
    expect(both.comparison.payees.map(({ state }) => state)).toEqual(['duplicated', 'duplicated'])
    // What was paid for this week is no payment of another.
    const next = payout.tally([coin, 2n * coin], { week: '2026-W48' as Week })
    const wrong = await verify(payout, next, { txids: [real!.txid] })
    expect(wrong.comparison.transactions[0]!.faults).toEqual(['wrong marker'])
    expect(wrong.comparison.isMatch).toBe(false)
    expect((await verify(payout, next)).comparison).toMatchObject({ isMatch: false, transactions: [] })
  })

  test('R-PAY-4 lists as beside what leaves the payer on no thread, and nothing else', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 20n * coin, 7n * coin, coin, coin] })
    const { chain, network, node, treasury } = payout
    const payer = ownerOf(treasury.payer)!
    const mine = (value: bigint): TransactionOutput => payTo(chain, treasury.payer.hash160, value)
    const tally = payout.tally([coin, 2n * coin])
    await paid(payout, tally)
    const coinOf = (value: bigint) =>
      chain.tree.coins.addresses.unspent(payer).find((each) => each.value === value)!
    const submit = (bytes: Uint8Array): Uint8Array => {
      expect(chain.submitTransaction(bytes, { allowHighFees: true })).toMatchObject({ is: 'accept' })
      chain.mine(1)
      return parseTransaction(bytes, 'zcash').txid
    }
    chain.wallet.keys.add(treasury.keys[0]!.secretKey, true)
    expect((await verify(payout, tally)).beside).toEqual([])
    // What comes in, with change to whoever sent it, and what is joined.
    chain.wallet.pay({ payees: [{ ...treasury.payer, value: 3n * coin }] })
    submit(
      spendCoins(chain, { coins: [coinOf(coin), coinOf(7n * coin)], outputs: [mine(8n * coin - 30_000n)] }),
    )
    expect((await verify(payout, tally)).beside).toEqual([])
    // The thread of another row.
    const start = coinOf(8n * coin - 30_000n)
    const onOther = submit(
      spendCoins(chain, { coins: [start], outputs: [mine(coin), payTo(chain, ownerHash('stake', 0), coin)] }),
    )
    expect((await verify(payout, tally)).beside).toMatchObject([{ txid: onOther, marker: null, seats: [0] }])
    const row = {
      from: '2027-W01' as Week,
      txid: Buffer.from(start.txid).reverse().toString('hex'),
      index: start.index,
    }
    const rows = networkOf({ ...network.profile, threads: [...network.profile.threads, row] })
    const both = { network: rows, node: { ...node, network: rows } }
    expect((await verify(payout, tally, both)).beside).toEqual([])
    // A seat and somebody else are paid without a word.
    const silent = submit(
      spendCoins(chain, {
        coins: [coinOf(20n * coin)],
        outputs: [
          payTo(chain, ownerHash('stake', 1), 4n * coin),
          payTo(chain, new Uint8Array(20).fill(9), coin),
        ],
      }),
    )
    const expected = {
      txid: silent,
      marker: null,
      seats: [1],
      toSeats: 4n * coin,
      toOthers: coin,
      isOpaque: false,
    }
    expect((await verify(payout, tally, both)).beside).toEqual([expected])
    // An input script that does not show whose coin it is.
    const mute: RpcClient = {
      ...payout.rpc,
      callMany: async (method, params, schema, options) =>
        (await payout.rpc.callMany(method, params, schema, options)).map((bytes) => {
          if (!(bytes instanceof Uint8Array)) return bytes
          const transaction = parseTransaction(bytes, 'zcash')
          const inputs = transaction.inputs.map((input) => ({ ...input, script: Uint8Array.of(0x61) }))
          return serializeTransaction({ ...transaction, inputs }) as typeof bytes
        }),
    }
    const muted = await verify(payout, tally, { ...both, node: { ...both.node, rpc: mute } })
    expect(muted.beside).toEqual([expected])
    const server = await startBlocksOnly(payout)
    try {
      const blocksOnly = await verify(payout, tally, { node: { ...server.node, since: 20 } })
      expect(blocksOnly).toMatchObject({ comparison: { isMatch: true }, beside: null })
    } finally {
      await server.close()
    }
  })

  test('R-PAY-4 names what is missing: a node, a transaction, an anchor', async () => {
    await using payout = await startPayoutChain()
    const tally = payout.tally([coin])
    await expect(verify(payout, tally, { node: null })).rejects.toMatchObject({
      code: 'PAYOUT_NO_NODE',
      exitCode: 2,
    })
    await expect(verify(payout, tally, { txids: [new Uint8Array(32)] })).rejects.toMatchObject({
      code: 'PAYOUT_TX_UNKNOWN',
      exitCode: 3,
    })
    await expect(verify(payout, tally, { raw: [Uint8Array.of(1, 2, 3)] })).rejects.toMatchObject({
      code: 'PAYOUT_TX_FORM',
      exitCode: 2,
    })
    const open = payout.tally([coin], { state: 'frozen', anchor: null })
    await expect(verify(payout, open)).rejects.toMatchObject({ code: 'PAYOUT_NOT_ANCHORED', exitCode: 3 })
  })
})

describe('thread on the chain', () => {
  test('R-PAY-2 is followed through blocks alone as by the index of addresses', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin] })
    for (const each of ['2026-W47', '2026-W48', '2026-W49'] as Week[]) {
      const amounts = Array.from({ length: each === '2026-W48' ? 1_001 : 2 }, () => 6_000n)
      await paid(payout, payout.tally(amounts, { week: each }))
      payout.chain.mine(3)
    }
    const start = payout.threadStart
    const indexed = await readThread({ ...payout.node, start })
    expect(indexed.thread.steps).toHaveLength(4)
    const server = await startBlocksOnly(payout)
    try {
      await expect(readThread({ ...server.node, start })).rejects.toMatchObject({
        code: 'PAYOUT_THREAD_START',
        exitCode: 3,
      })
      expect(await readThread({ ...server.node, start, since: 20 })).toEqual(indexed)
      const missed = readThread({ ...server.node, start, since: payout.chain.tip.height })
      await expect(missed).rejects.toMatchObject({ code: 'PAYOUT_THREAD_START' })
    } finally {
      await server.close()
    }
  })

  test('R-PAY-2 what waits in the memory pool is not on the thread, what is in a block is, confirmed or not', async () => {
    await using payout = await startPayoutChain()
    const tally = payout.tally([coin])
    await payout.send(await payout.sign(await payout.build(tally), tally))
    expect((await readThread({ ...payout.node, start: payout.threadStart })).thread.steps).toEqual([])
    payout.chain.mine(1)
    expect((await readThread({ ...payout.node, start: payout.threadStart })).thread.steps).toHaveLength(1)
  })

  test('R-PAY-2 a start that is no output to an address is refused', async () => {
    await using payout = await startPayoutChain()
    const start = { ...payout.threadStart, index: 99 }
    await expect(readThread({ ...payout.node, start })).rejects.toMatchObject({
      code: 'PAYOUT_THREAD_START',
      exitCode: 2,
    })
  })
})

describe('payout status', () => {
  test('R-PAY-4 lists weeks with state, due, paid and difference', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 30n * coin] })
    const { node } = payout
    const first = payout.tally([coin, 2n * coin])
    await paid(payout, first)
    payout.chain.mine(3)
    const long = payout.tally(
      Array.from({ length: 1_001 }, () => 10_000n),
      { week: '2026-W48' as Week },
    )
    const signed = await payout.sign(await payout.build(long), long)
    await payout.send({ ...signed, drafts: signed.drafts.slice(0, 1) })
    payout.chain.mine(3)
    const unpaid = payout.tally([5n * coin], { week: '2026-W49' as Week })
    const open = payout.tally([5n * coin], { week: '2026-W50' as Week, state: 'open', anchor: null })
    const nothing = payout.tally([0n], { week: '2026-W51' as Week })
    const { weeks, threads } = await payoutStatus(node, [long, unpaid, open, nothing])
    expect(weeks.map(({ txids: _txids, ...row }) => row)).toEqual([
      { week: '2026-W47', tallyState: null, payout: 'unknown', due: null, paid: 3n * coin, difference: null },
      {
        week: '2026-W48',
        tallyState: 'anchored',
        payout: 'partly paid',
        due: 10_010_000n,
        paid: 10_000_000n,
        difference: -10_000n,
      },
      {
        week: '2026-W49',
        tallyState: 'anchored',
        payout: 'unpaid',
        due: 5n * coin,
        paid: 0n,
        difference: -5n * coin,
      },
      { week: '2026-W50', tallyState: 'open', payout: 'not due', due: null, paid: 0n, difference: null },
      { week: '2026-W51', tallyState: 'anchored', payout: 'not due', due: 0n, paid: 0n, difference: 0n },
    ])
    expect(weeks.map(({ txids }) => txids.length)).toEqual([1, 1, 0, 0, 0])
    expect(threads).toMatchObject([{ from: '2026-W40', payouts: 2, unmarked: [] }])
    const known = await payoutStatus(node, [first])
    expect(known.weeks[0]).toMatchObject({ payout: 'paid', difference: 0n })
    // The same amounts, but of another digest: what is on the chain is not of this tally.
    const other = payout.tally([2n * coin, coin])
    expect((await payoutStatus(node, [other])).weeks[0]).toMatchObject({ payout: 'differs', difference: 0n })
    await expect(payoutStatus(node, [first, first])).rejects.toMatchObject({ code: 'PAYOUT_TALLY_TWICE' })
  })

  test('R-PAY-2 after a restart of the thread each week counts on its own', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 100_000n] })
    const { network, node, threadStart } = payout
    const [row] = network.profile.threads
    const restarted = networkOf({
      ...network.profile,
      threads: [row!, { ...row!, from: '2026-W48' as Week, index: 2 }],
    })
    const both = { ...node, network: restarted }
    const old = payout.tally([coin])
    const fresh = payout.tally([2n * coin], { week: '2026-W48' as Week })
    for (const tally of [old, fresh]) {
      const file = await payout.build(tally, { node: both })
      expect(file.drafts[0]!.fields.inputs[0]).toMatchObject({
        previousTxid: threadStart.txid,
        previousIndex: tally === old ? 0 : 2,
      })
      const signed: PayoutFile = await signPayout({
        network: restarted,
        files: [file],
        tally,
        witness: { is: 'node', node: both },
        key: payout.treasury.keys[0]!,
      })
      await sendPayout({ node: both, outbox: createOutbox(createMemoryStore(), 'zcash'), file: signed })
      payout.chain.mine(3)
    }
    const { weeks, threads } = await payoutStatus(both, [old, fresh])
    expect(weeks.map((each) => each.payout)).toEqual(['paid', 'paid'])
    expect(threads.map(({ from, payouts }) => [from, payouts])).toEqual([
      ['2026-W40', 1],
      ['2026-W48', 1],
    ])
  })
})
