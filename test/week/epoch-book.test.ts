import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCommittees, epochStart, networkIdOf, type Week } from '../../protocol/index.ts'
import { createEpochBook, type EpochBook } from '../../src/week/epoch-book.ts'
import { createTestChain } from '../fixtures/test-chain.ts'
import { genesis, nodesOf, paramsWith } from '../protocol/fixture.ts'

const week = '2026-W47' as Week
const rows = nodesOf(5)

/** A book whose chain has come to an epoch, and what was read for it. */
const createBook = (epoch: number) => {
  const height = epochStart(genesis, epoch)
  const chain = createTestChain({ genesis, snapshotOf: () => rows, week, epochsPerWeek: 42 }, height)
  const snapshotOf = chain.view.snapshotOf.bind(chain.view)
  const reads: number[] = []
  const most = { reading: 0, atOnce: 0 }
  chain.view.snapshotOf = async (number) => {
    reads.push(number)
    most.atOnce = Math.max(most.atOnce, ++most.reading)
    // As a store would, it gives others their turn.
    await new Promise(setImmediate)
    most.reading--
    return await snapshotOf(number)
  }
  const book = createEpochBook(
    genesis,
    networkIdOf(genesis),
    [{ from: week, params: paramsWith({ committee: 3 }) }],
    chain.view,
  )
  return { book, chain, reads, most }
}

const getAll = (book: Pick<EpochBook, 'get'>, epochs: readonly number[]) =>
  Promise.all(epochs.map((epoch) => book.get(epoch)))

const current = 300
const running = [298, 299, 300]
const old = fc.array(fc.nat(current + 5), { maxLength: 120 })

test('R-EPOCH-3 no question of others, and no work on old weeks, takes a running epoch away', async () => {
  await fc.assert(
    fc.asyncProperty(old, old, fc.boolean(), async (ofOthers, ofOwn, areTogether) => {
      const { book } = createBook(current)
      const before = await getAll(book, running)
      const asked = () => getAll(book.forOthers, ofOthers)
      const worked = () => getAll(book, ofOwn)
      if (areTogether) await Promise.all([asked(), worked()])
      else {
        await asked()
        await worked()
      }
      expect(running.map((epoch) => book.peek(epoch))).toEqual(before)
      for (const [i, epoch] of running.entries()) expect(book.peek(epoch)).toBe(before[i])
    }),
    { numRuns: 30 },
  )
})

test('what others ask evicts nothing that was read for this node, and is read one at a time', async () => {
  const { book, reads, most } = createBook(current)
  const own = Array.from({ length: 45 }, (_, i) => 200 + i)
  await getAll(book, own)
  reads.length = 0
  most.atOnce = 0
  const answers = await getAll(
    book.forOthers,
    Array.from({ length: 100 }, (_, i) => i),
  )
  expect(answers.map((context) => context?.epoch)).toEqual(answers.map((_, i) => i))
  expect(most.atOnce).toBe(1)
  reads.length = 0
  await getAll(book, own)
  await getAll(book.forOthers, own)
  expect(reads).toEqual([])
  // All of them together keep a small number of epochs.
  const kept = Array.from({ length: current }, (_, epoch) => book.peek(epoch)).filter(Boolean)
  expect(kept.length).toBeLessThanOrEqual(own.length + 8)
})

test('weeks of any number of epochs are read one after the other, and only some are kept', async () => {
  const { book } = createBook(500)
  for (let epoch = 0; epoch < 420; epoch++) expect((await book.get(epoch))?.epoch).toBe(epoch)
  const kept = Array.from({ length: 501 }, (_, epoch) => book.peek(epoch)).filter(Boolean)
  expect(kept.length).toBeLessThanOrEqual(48)
})

test('an epoch that runs no longer is one like any other; a new one takes its place', async () => {
  const { book, chain } = createBook(current)
  await getAll(book, running)
  await chain.advance(epochStart(genesis, current + 3))
  expect(running.map((epoch) => book.isRunning(epoch))).toEqual([false, false, false])
  expect(book.isRunning(current + 3)).toBe(true)
  expect(book.isRunning(current + 4)).toBe(false)
  await getAll(book, [301, 302, 303])
  await getAll(
    book,
    Array.from({ length: 60 }, (_, i) => i),
  )
  expect(running.map((epoch) => book.peek(epoch))).toEqual([undefined, undefined, undefined])
  expect([301, 302, 303].map((epoch) => book.peek(epoch)?.epoch)).toEqual([301, 302, 303])
})

test('R-CHAIN-2 running epochs of a branch that is gone are forgotten, for others as well', async () => {
  const { book } = createBook(current)
  const before = await getAll(book, running)
  book.forgetAbove(epochStart(genesis, 299) - 1)
  expect(running.map((epoch) => book.peek(epoch) !== undefined)).toEqual([true, false, false])
  const after = await getAll(book.forOthers, running)
  expect(after[0]).toBe(before[0])
  expect(after[1]).not.toBe(before[1])
})

test('R-COM-1 the ring is drawn once, when it is first asked for', async () => {
  const { book } = createBook(current)
  const { beacon, committees } = (await book.get(current))!
  expect(committees).toEqual(createCommittees(beacon, rows.length, 3))
  expect(book.peek(current)?.committees).toBe(committees)
})
