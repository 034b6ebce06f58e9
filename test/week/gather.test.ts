import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bytesToHex, coin, type Fund, type Height, Verdict, type Week } from '../../protocol/index.ts'
import type { ChainView } from '../../src/week/chain-view.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import { reportEpoch, resolveWeek } from '../../src/week/answers.ts'
import { createFundBook } from '../../src/week-io/fund.ts'
import type { EpochContext } from '../../src/week/epoch-book.ts'
import type { FixedWeek, WeekSources } from '../../src/week/gather.ts'
import { openWeeks, type Weeks } from '../../src/week/weeks.ts'
import {
  attest,
  attestOtherwise,
  createTestNetwork,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { genesis, seedOf } from '../protocol/fixture.ts'
import { coinbaseBytes } from '../fixtures/coinbase.ts'

const never = new AbortController().signal

describe('R-TALLY-6 what came in for an epoch', () => {
  const early = seedOf('early treasury')
  const late = seedOf('late treasury')
  const first = genesis.activationHeight
  const { epochBlocks } = genesis
  const scripts = [
    { from: first + 10, script: bytesToHex(early) },
    { from: first + epochBlocks + 2, script: bytesToHex(late) },
  ]
  const fund: Fund = { kind: 'treasury', scripts }
  const hashOf = (branch: number, height: Height): Uint8Array => seedOf('block', branch, height)

  /** Every coinbase pays 1 coin to the early script, twice 2 to the late one, and 5 to somebody else. */
  const chainOf = (
    change: Partial<Pick<ChainView, 'hashAt' | 'readTransaction' | 'confirmedHeight'>> = {},
  ) => {
    let reads = 0
    const chain = {
      confirmedHeight: first + 10 * epochBlocks,
      hashAt: (height: Height) => Promise.resolve<Uint8Array | undefined>(hashOf(0, height)),
      readTransaction: (height: Height, index: number) => {
        reads++
        expect(index).toBe(0)
        return Promise.resolve(
          coinbaseBytes(height, [
            [early, coin],
            [late, 2n * coin],
            [seedOf('miner'), 5n * coin],
            [late, 2n * coin],
          ]),
        )
      },
      ...change,
    }
    return { chain, reads: () => reads }
  }

  test('the outputs to the script of each height, and nothing before the first', async () => {
    const { chain } = chainOf()
    const book = createFundBook(genesis, 'zcash', chain, createMemoryStore())
    expect(await book.ofEpoch(fund, 0, never)).toBe(BigInt(epochBlocks - 10) * coin)
    expect(await book.ofEpoch(fund, 1, never)).toBe(2n * coin + BigInt(epochBlocks - 2) * 4n * coin)
    expect(await book.ofWeek(fund, 0, 1, never)).toBe(
      BigInt(epochBlocks - 10 + 2 + 4 * (epochBlocks - 2)) * coin,
    )
    // Of a week that has just begun, no epoch is over.
    expect(await book.ofWeek(fund, 3, 2, never)).toBe(0n)
  })

  test('is added up once, and again after a reorganisation or with other scripts', async () => {
    const store = createMemoryStore()
    const { chain, reads } = chainOf()
    const book = createFundBook(genesis, 'zcash', chain, store)
    await book.ofEpoch(fund, 2, never)
    expect(reads()).toBe(epochBlocks)
    await book.ofEpoch(fund, 2, never)
    await createFundBook(genesis, 'zcash', chain, store).ofEpoch(fund, 2, never)
    expect(reads()).toBe(epochBlocks)
    await book.ofEpoch({ kind: 'treasury', scripts: scripts.slice(0, 1) }, 2, never)
    expect(reads()).toBe(2 * epochBlocks)
    chain.hashAt = (height) => Promise.resolve(hashOf(1, height))
    await book.ofEpoch(fund, 2, never)
    expect(reads()).toBe(3 * epochBlocks)
  })

  test('a reorganisation in the middle is no sum of two branches', async () => {
    const store = createMemoryStore()
    let branch = 0
    const { chain } = chainOf()
    chain.hashAt = (height) => Promise.resolve(hashOf(branch, height))
    const pays = (height: Height): Promise<Uint8Array> => {
      // The other branch, from the fifth block on, pays twice as much.
      if (height === first + 2 * epochBlocks + 4) branch = 1
      return Promise.resolve(coinbaseBytes(height, [[late, BigInt(branch + 1) * coin]]))
    }
    chain.readTransaction = pays
    const book = createFundBook(genesis, 'zcash', chain, store)
    expect(await book.ofEpoch(fund, 2, never)).toBe(BigInt(epochBlocks) * 2n * coin)
    branch = 0
    chain.readTransaction = () => Promise.reject(new Error('added up already'))
    await expect(book.ofEpoch(fund, 2, never)).rejects.toThrow('added up already')
  })

  test('blocks to come, a node that does not answer, an abort: an error, and nothing stored', async () => {
    const store = createMemoryStore()
    const { chain } = chainOf({ hashAt: () => Promise.resolve(undefined) })
    const book = createFundBook(genesis, 'zcash', chain, store)
    await expect(book.ofEpoch(fund, 2, never)).rejects.toMatchObject({ code: 'FUND_OPEN', exitCode: 3 })
    chain.hashAt = (height) => Promise.resolve(hashOf(0, height))
    chain.readTransaction = () => Promise.reject(new Error('no answer'))
    await expect(book.ofEpoch(fund, 2, never)).rejects.toThrow('no answer')
    await expect(book.ofEpoch(fund, 2, AbortSignal.abort(new Error('stopping')))).rejects.toThrow('stopping')
    let rows = 0
    for await (const _row of store.range()) rows++
    expect(rows).toBe(0)
  })

  test('a fixed amount is that of the week, whatever its blocks pay', async () => {
    const { chain, reads } = chainOf()
    const book = createFundBook(genesis, 'zcash', chain, createMemoryStore())
    const fixed: Fund = { kind: 'fixed', amount: 7n }
    expect(await book.ofWeek(fixed, 0, 5, never)).toBe(7n)
    expect(await book.ofEpoch(fixed, 0, never)).toBe(0n)
    expect(reads()).toBe(0)
  })
})

/** At each index of the snapshot, whether its attestation is there. */
const attestedOf = async (
  { standing }: Pick<WeekSources, 'standing'>,
  context: EpochContext,
): Promise<boolean[]> => {
  const seats = new Set((await Array.fromAsync(standing(context))).map(({ seat }) => seat))
  return context.snapshot.map(({ seat }) => seats.has(seat))
}

describe('what a tally reads', () => {
  let network: TestNetwork
  let node: TestNode
  let store: Store
  let weeks: Weeks
  let fixed: FixedWeek | null

  beforeEach(async () => {
    network = await createTestNetwork({ nodes: 5, params: { committee: 3 }, epochsPerWeek: 3 })
    store = createMemoryStore()
    node = await network.start(0, { store, stake: seedOf('nobody').slice(0, 20) })
    const { daemon, chain } = node
    fixed = null
    weeks = openWeeks({
      genesis: network.genesis,
      networkId: network.networkId,
      epochs: daemon.epochs,
      fund: createFundBook(network.genesis, 'zcash', chain.view, store),
      confirmedHeight: () => chain.view.confirmedHeight,
      standing: (context) => daemon.collector.standing(context),
      equivocators: (week) => daemon.collector.equivocators(week),
      changeOf: (epoch) => daemon.collector.changeOf(epoch),
      fixed: () => Promise.resolve(fixed),
      fixedAtHand: () => fixed,
      stateOf: () => undefined,
    })
  })
  afterEach(() => network.stop())

  const week = async (epoch: number): Promise<Week> => (await weeks.epochs.weekOf(epoch))!

  test('R-ATT-3 of each epoch what stands, seat by seat, without equivocators', async () => {
    const context = await node.context(2)
    const { collector } = node.daemon
    for (const i of [1, 2, 3]) await collector.take(attest(network, context, i).bytes, 'sync')
    await collector.take(attestOtherwise(network, context, 3).bytes, 'sync')
    const input = await weeks.input(await week(2), never)
    expect(input.epochs.map(({ epoch }) => epoch)).toEqual([0, 1, 2])
    expect(input.epochs.map(({ attested }) => attested)).toEqual([0, 0, 2])
    expect(await attestedOf(weeks, context)).toEqual([false, true, true, false, false])
    expect([...input.equivocators]).toEqual([network.rows[3]!.seat])
    expect(input.fund).toBe(1_000n * coin)
    expect(input.state).toBe('open')
  })

  test('R-CP-5 of an anchored week what the anchor fixes, not what this store holds', async () => {
    const context = await node.context(2)
    await node.daemon.collector.take(attest(network, context, 1).bytes, 'sync')
    const { attestation, payload, signature } = attest(network, context, 2)
    const cid = attestation.evidence
    fixed = {
      checkpoint: cid,
      anchor: { height: 500, hash: seedOf('block') },
      equivocators: new Set([network.rows[4]!.seat]),
      async *standing({ epoch }) {
        if (epoch === 2) yield { seat: attestation.seat, cid, signed: { payload, signature }, heldAt: 1 }
      },
    }
    const input = await weeks.input(await week(2), never)
    expect(input).toMatchObject({ state: 'anchored', checkpoint: cid, anchor: { height: 500 } })
    expect(input.epochs.map(({ attested }) => attested)).toEqual([0, 0, 1])
    expect(await attestedOf(fixed, context)).toEqual([false, false, true, false, false])
    expect([...input.equivocators]).toEqual([network.rows[4]!.seat])
    const report = await reportEpoch(weeks, 2)
    const said = report.seats.flatMap((seat) => Object.entries(seat.said))
    expect(said.filter(([word]) => word === 'valid').reduce((sum, [, count]) => sum + count, 0)).toBe(3)
  })

  test('R-CP-6 a week is open until block F, then frozen', async () => {
    const name = await week(2)
    const stateAt = async (height: number): Promise<string> => {
      await node.chain.advance(height)
      return (await weeks.input(name, never)).state
    }
    expect(await stateAt(network.height(4) - 1)).toBe('open')
    expect(await stateAt(network.height(4))).toBe('frozen')
  })

  test('reports one epoch: what was said of each seat, and by how many', async () => {
    const context = await node.context(2)
    const { collector } = node.daemon
    for (const i of [0, 1, 2, 3]) await collector.take(attest(network, context, i).bytes, 'sync')
    const abstaining = { verdicts: new Uint8Array(3).fill(Verdict.abstain), addresses: [] }
    await collector.take(attest(network, context, 4, abstaining).bytes, 'sync')
    const report = await reportEpoch(weeks, 2)
    expect(report).toMatchObject({ epoch: 2, week: context.week })
    for (const { challengers, said } of report.seats) {
      expect(challengers).toBe(3)
      expect(Object.values(said).reduce((sum, count) => sum + count, 0)).toBe(3)
    }
    const total = (word: string): number => report.seats.reduce((sum, { said }) => sum + (said[word] ?? 0), 0)
    expect([total('valid'), total('abstain'), total('silent')]).toEqual([12, 3, 0])
  })

  test.each([NaN, -1, 1.5])('%d is no epoch', async (number) => {
    await expect(reportEpoch(weeks, number)).rejects.toMatchObject({ code: 'TALLY_EPOCH', exitCode: 2 })
  })

  test('what has not begun, or is no week', async () => {
    await expect(reportEpoch(weeks, 3)).rejects.toMatchObject({ code: 'TALLY_NO_EPOCH', exitCode: 3 })
    await expect(weeks.input('2031-W01' as Week, never)).rejects.toMatchObject({
      code: 'TALLY_NO_WEEK',
      exitCode: 3,
    })
    await expect(resolveWeek(weeks, '2026-W60')).rejects.toMatchObject({ code: 'TALLY_WEEK', exitCode: 2 })
    await expect(resolveWeek(weeks, 'yesterday')).rejects.toMatchObject({ code: 'TALLY_WEEK', exitCode: 2 })
    expect(await resolveWeek(weeks, 'current')).toBe(network.blocks.week)
    expect(await resolveWeek(weeks, 'last')).not.toBe(network.blocks.week)
  })

  test('a row that cannot be read is STORE_DAMAGED, not a smaller tally', async () => {
    const context = await node.context(2)
    const signed = { payload: seedOf('no attestation'), signature: new Uint8Array(64) }
    const cid = attest(network, context, 1).attestation.evidence
    await node.daemon.node.attestations.put(2, context.beacon, [
      { seat: network.rows[1]!.seat, cid, signed, heldAt: 1 },
    ])
    await expect(weeks.input(context.week, never)).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
  })
})
