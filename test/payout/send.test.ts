import { describe, expect, test } from 'vitest'
import { bytesToHex, coin, type Week, weekAfter } from '../../protocol/index.ts'
import type { RpcClient } from '../../src/chain-node/rpc/client.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { isSecnodeError } from '../../src/errors.ts'
import { createOutbox } from '../../src/payout/outbox.ts'
import { sendPayout } from '../../src/payout/send.ts'
import { signPayout } from '../../src/payout/sign.ts'
import { verifyPayout } from '../../src/payout/verify.ts'
import { ownerHash } from '../protocol/payout/fixture.ts'
import { newDirectory } from '../store/directories.ts'
import { multisigTreasury, type PayoutChain, startPayoutChain, week } from './payout-chain.ts'

const verified = async (payout: PayoutChain, tally: ReturnType<PayoutChain['tally']>) =>
  (await verifyPayout({ network: payout.network, tally, node: payout.node, txids: [], raw: [] })).comparison

class Killed extends Error {}

/** What the process does to the world, counted; it dies at operation `at`, before or after it was carried out. */
const mortal = (rpc: RpcClient, store: Store, at: number, when: 'before' | 'after') => {
  let operations = 0
  let isDead = false
  const step = async <T>(run: () => Promise<T>): Promise<T> => {
    if (isDead) throw new Killed()
    const isLast = ++operations === at
    if (isLast && when === 'before') {
      isDead = true
      throw new Killed()
    }
    const result = await run()
    if (!isLast) return result
    isDead = true
    throw new Killed()
  }
  const mortalRpc: RpcClient = {
    ...rpc,
    call: async (...args) => step(async () => rpc.call(...args)),
    callMany: async (...args) => step(async () => rpc.callMany(...args)),
  }
  const mortalStore: Store = {
    get: async (key) => step(async () => store.get(key)),
    getMany: async (keys) => step(async () => store.getMany(keys)),
    batch: async (...args) => step(async () => store.batch(...args)),
    range: async function* (range) {
      await step(async () => undefined)
      yield* store.range(range)
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
  return { rpc: mortalRpc, store: mortalStore, operations: () => operations }
}

describe('payout send', () => {
  test('R-PAY-3 killed at any step between two payout transactions, resumed, and never paid twice', async () => {
    await using payout = await startPayoutChain({ coins: [500n * coin] })
    const { chain, node } = payout
    const payees = 1_001
    const bytesByTxid = new Map<string, Set<string>>()
    chain.events.on('transaction', ({ transaction }) => {
      const txid = bytesToHex(transaction.txid)
      const known = bytesByTxid.get(txid) ?? new Set()
      bytesByTxid.set(txid, known.add(bytesToHex(transaction.bytes)))
    })
    let each: Week = week
    let weeks = 0
    let killed = 0
    /** One week: sent by a process that dies at operation `at`, then by one that lives; the operations of the first. */
    const payWeek = async (at: number, when: 'before' | 'after', minesBetween: boolean): Promise<number> => {
      const round = weeks++
      const tally = payout.tally(
        Array.from({ length: payees }, () => 5_000n),
        { week: each, stakeOf: (seat) => ownerHash('stake', round, seat) },
      )
      each = weekAfter(each)
      const signed = await payout.sign(await payout.build(tally), tally)
      expect(signed.drafts).toHaveLength(2)
      const store = createMemoryStore()
      const process = mortal(payout.rpc, store, at, when)
      try {
        await sendPayout({
          node: { ...node, rpc: process.rpc },
          outbox: createOutbox(process.store, 'zcash'),
          file: signed,
        })
      } catch (error) {
        if (!(error instanceof Killed)) throw error
        killed++
      }
      if (minesBetween) chain.mine(1)
      // The operator runs it again: first without the file, as after a restart; if nothing was written, with it.
      const outbox = createOutbox(store, 'zcash')
      try {
        await sendPayout({ node, outbox, file: null })
      } catch (error) {
        if (!isSecnodeError(error, 'PAYOUT_NOTHING_TO_SEND')) throw error
      }
      const sent = await sendPayout({ node, outbox, file: signed })
      expect(sent.map(({ part }) => part)).toEqual([1, 2])
      chain.mine(4)
      const confirmed = await sendPayout({ node, outbox, file: null })
      expect(confirmed.map(({ state }) => state)).toEqual(['confirmed', 'confirmed'])
      expect((await verified(payout, tally)).isMatch).toBe(true)
      return process.operations()
    }
    const operations = await payWeek(Infinity, 'before', false)
    // The thread is read, the outbox read and written, each part sent.
    expect(operations).toBeGreaterThanOrEqual(8)
    for (let at = 1; at <= operations; at++) {
      await payWeek(at, 'before', at % 2 === 0)
      await payWeek(at, 'after', at % 2 === 1)
    }
    expect(killed).toBe(2 * operations)
    // Over all weeks: everybody once, and the same bytes for each transaction, however often they were sent.
    const outputs = new Map<string, number>()
    for (let height = 1; height <= chain.tip.height; height++) {
      for (const { outputs: made } of chain.tree.parse(chain.tree.at(height)!).transactions) {
        for (const { value, script } of made) {
          if (value === 5_000n) outputs.set(bytesToHex(script), (outputs.get(bytesToHex(script)) ?? 0) + 1)
        }
      }
    }
    expect(outputs.size).toBe(weeks * payees)
    expect([...outputs.values()].every((count) => count === 1)).toBe(true)
    expect([...bytesByTxid.values()].every((bytes) => bytes.size === 1)).toBe(true)
  }, 900_000)

  test('R-PAY-3 what was written down is sent again, not other signatures of the same transaction', async () => {
    await using payout = await startPayoutChain({ treasury: multisigTreasury(2, 3) })
    const tally = payout.tally([coin])
    const file = await payout.build(tally)
    const [anna, ben, carl] = payout.treasury.keys
    const one = await payout.sign(file, tally, [anna!, ben!])
    const other = await payout.sign(file, tally, [ben!, carl!])
    const store = createMemoryStore()
    await payout.send(one, store)
    const [stored] = await createOutbox(store, 'zcash').ofWeek(week)
    await payout.send(other, store)
    expect((await createOutbox(store, 'zcash').ofWeek(week))[0]!.transaction.bytes).toEqual(
      stored!.transaction.bytes,
    )
  })

  test('R-PAY-3 what was sent and may yet be mined is not overwritten', async () => {
    // On ZEN other signatures make another transaction.
    await using payout = await startPayoutChain({ family: 'zen', treasury: multisigTreasury(2, 3) })
    const tally = payout.tally([coin])
    const file = await payout.build(tally)
    const [anna, ben, carl] = payout.treasury.keys
    const store = createMemoryStore()
    const [sent] = await payout.send(await payout.sign(file, tally, [anna!, ben!]), store)
    const other = await payout.sign(file, tally, [anna!, carl!])
    await expect(payout.send(other, store)).rejects.toMatchObject({
      code: 'PAYOUT_WAITING',
      message: expect.stringContaining(sent!.txid) as string,
    })
    expect(await payout.send(null, store)).toEqual([sent])
    payout.chain.mine(1)
    expect((await verified(payout, tally)).isMatch).toBe(true)
  })

  test('R-PAY-3 the outbox is on the disk before anything is sent', async () => {
    await using payout = await startPayoutChain()
    const tally = payout.tally([coin])
    const signed = await payout.sign(await payout.build(tally), tally)
    const directory = newDirectory()
    const options = { directory, networkId: payout.network.networkId }
    {
      await using store = await openStore(options)
      const dying: RpcClient = {
        ...payout.rpc,
        call: async (method, ...rest) => {
          if (method === 'sendrawtransaction') throw new Killed()
          return payout.rpc.call(method, ...rest)
        },
      }
      await expect(
        sendPayout({
          node: { ...payout.node, rpc: dying },
          outbox: createOutbox(store, 'zcash'),
          file: signed,
        }),
      ).rejects.toBeInstanceOf(Killed)
    }
    await using store = await openStore(options)
    expect(await payout.send(null, store)).toMatchObject([{ week, part: 1, state: 'sent' }])
    payout.chain.mine(1)
    expect((await verified(payout, tally)).isMatch).toBe(true)
  })

  test('R-PAY-2 two coordinators who send different payouts of one week: the chain takes one', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 3n * coin] })
    const tally = payout.tally([coin])
    const one = await payout.sign(await payout.build(tally), tally)
    const coins = await payout.build(tally).then(({ drafts }) => drafts[0]!.fields.inputs[1]!)
    const other = await payout.sign(
      await payout.build(tally, {
        coins: [{ txid: coins.previousTxid, index: coins.previousIndex === 1 ? 2 : 1 }],
      }),
      tally,
    )
    await payout.send(one)
    await expect(payout.send(other)).rejects.toMatchObject({ code: 'PAYOUT_REFUSED' })
    payout.chain.mine(1)
    await expect(payout.send(other)).rejects.toMatchObject({ code: 'PAYOUT_PAID' })
    expect(payout.received(0)).toEqual({ value: coin, outputs: 1 })
  })

  test('R-PAY-2 a payout built where the thread stood before is not sent', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 40n * coin] })
    const tally = payout.tally([coin])
    const next = payout.tally([coin], { week: '2026-W48' as Week })
    const late = await payout.sign(await payout.build(next), next)
    await payout.send(await payout.sign(await payout.build(tally), tally))
    payout.chain.mine(1)
    await expect(payout.send(late)).rejects.toMatchObject({ code: 'PAYOUT_NOT_THE_THREAD' })
  })

  test('R-PAY-3 a changed branch id voids the signatures: what is built anew spends the same thread output', async () => {
    // The wallet pays in block 65, the thread is built at 74.
    await using payout = await startPayoutChain({
      chain: { upgradeHeights: { 'NU6.2': 1, 'NU6.3': 77 } },
      coins: [50n * coin],
    })
    const { chain, node } = payout
    const tally = payout.tally(Array.from({ length: 1_001 }, () => 6_000n))
    const built = await payout.build(tally)
    const old = await payout.sign(built, tally)
    expect(old.drafts[0]!.fields.consensusBranchId).toBe(0x5437f330)
    chain.mine(76 - chain.tip.height)
    const store = createMemoryStore()
    await expect(payout.send(old, store)).rejects.toMatchObject({
      code: 'PAYOUT_REFUSED',
      // The node's own words.
      message: expect.stringContaining('incorrect consensus branch id') as string,
    })
    await expect(
      signPayout({
        network: payout.network,
        files: [built],
        tally,
        witness: { is: 'node', node },
        key: null,
      }),
    ).rejects.toMatchObject({ code: 'PAYOUT_STALE_BRANCH' })
    const fresh = await payout.sign(await payout.build(tally), tally)
    expect(fresh.drafts[0]!.fields.consensusBranchId).toBe(0x37a5165b)
    expect(fresh.drafts[0]!.fields.inputs[0]!.previousTxid).toEqual(
      old.drafts[0]!.fields.inputs[0]!.previousTxid,
    )
    expect(fresh.drafts[0]!.fields.inputs[0]!.previousIndex).toBe(
      old.drafts[0]!.fields.inputs[0]!.previousIndex,
    )
    await payout.send(fresh, store)
    // The new bytes are in the place of the old ones.
    expect((await createOutbox(store, 'zcash').ofWeek(week)).map(({ part }) => part)).toEqual([1, 2])
    chain.mine(1)
    expect(await payout.send(null, store)).toMatchObject([{ state: 'confirmed' }, { state: 'confirmed' }])
    expect((await verified(payout, tally)).isMatch).toBe(true)
  })

  test('R-PAY-3 a payout that a reorganisation took off the chain is sent again', async () => {
    await using payout = await startPayoutChain()
    const { chain } = payout
    const tally = payout.tally([coin])
    const store = createMemoryStore()
    await payout.send(await payout.sign(await payout.build(tally), tally), store)
    chain.mine(1)
    expect((await verified(payout, tally)).isMatch).toBe(true)
    chain.reorganise(1, 2)
    expect((await verified(payout, tally)).isMatch).toBe(false)
    expect(await payout.send(null, store)).toMatchObject([{ state: 'sent' }])
    chain.mine(1)
    expect((await verified(payout, tally)).isMatch).toBe(true)
    expect(payout.received(0).outputs).toBe(1)
  })

  test('R-PAY-3 with nothing written down there is nothing to send', async () => {
    await using payout = await startPayoutChain()
    await expect(payout.send(null)).rejects.toMatchObject({ code: 'PAYOUT_NOTHING_TO_SEND', exitCode: 3 })
  })

  test.each(['zcash', 'zen'] as const)(
    'R-PAY-3 sent twice in a row, the node has it already: %s',
    async (family) => {
      await using payout = await startPayoutChain({ family })
      const tally = payout.tally([coin])
      const signed = await payout.sign(await payout.build(tally), tally)
      const store = createMemoryStore()
      const [first] = await payout.send(signed, store)
      const [second] = await payout.send(signed, store)
      expect(second).toEqual(first)
      payout.chain.mine(1)
      expect(await payout.send(signed, store)).toMatchObject([{ state: 'confirmed', txid: first!.txid }])
      expect(payout.received(0)).toEqual({ value: coin, outputs: 1 })
    },
  )
})
