import { describe, expect, test } from 'vitest'
import { chooseListing, type Epoch, rowKey, type Seat, type Stance } from '../../protocol/index.ts'
import type { HoldingOf, Known, Opinion, Said } from '../../protocol/listing.ts'

const certifiers = 16
const epoch: Epoch = 4

/** What was said of one seat's attestation; all of it in first answers to the base unless a test says otherwise. */
interface Row {
  seat: Seat
  is: Stance | 'proved' | null
  missing?: readonly Seat[]
  late?: readonly Seat[]
  isLacked?: boolean
  said?: Partial<Said>
}

const seatsFrom = (first: Seat, count: number): Seat[] => Array.from({ length: count }, (_, i) => first + i)

const listed = (rows: readonly Row[], { lost = [] as Seat[], isLast = false } = {}) => {
  const opinions = new Map<string, Opinion>()
  for (const { seat, missing = [], late = [], said } of rows) {
    const say = (from: Seat): [Seat, Said] => [from, { isEarly: true, wasListed: null, ...said }]
    opinions.set(rowKey(epoch, seat), {
      epoch,
      seat,
      missing: new Map(missing.map(say)),
      late: new Map(late.map(say)),
    })
  }
  const lacked = rows.filter(({ isLacked }) => isLacked === true).map(({ seat }) => rowKey(epoch, seat))
  const known: Known = { opinions, lacked: new Set(lacked), lost: new Set(lost) }
  const holdingOf: HoldingOf = (_, seat) => rows.find((row) => row.seat === seat)?.is ?? null
  const listing = chooseListing(known, certifiers, isLast, holdingOf)
  return rows.map(({ seat }) => listing.get(rowKey(epoch, seat)) ?? null)
}

/** Of 16, six are decisive: without them ten are left, and eleven are enough. */
describe('R-CP-3 what a proposer lists', () => {
  const five = seatsFrom(1, 5)
  const six = seatsFrom(1, 6)

  test('is its base while enough could vote for it', () => {
    expect(listed([{ seat: 90, is: 'late', missing: five }])).toEqual([false])
    expect(listed([{ seat: 90, is: 'may', late: [1, 2] }])).toEqual([true])
    // A sixth makes it doubtful, and without it enough could vote as well.
    expect(listed([{ seat: 90, is: 'may', late: [1, 2, 3] }])).toEqual([false])
  })

  test('is what decisive many insist on, and what decisive many call late is not', () => {
    expect(listed([{ seat: 90, is: 'late', missing: six }])).toEqual([true])
    expect(listed([{ seat: 90, is: 'may', missing: six, isLacked: true }])).toEqual([true])
    expect(listed([{ seat: 90, is: 'may', late: six }])).toEqual([false])
    const further = { isEarly: false }
    expect(listed([{ seat: 90, is: 'late', missing: six, said: further }])).toEqual([true])
    expect(listed([{ seat: 90, is: 'may', late: six, said: further }])).toEqual([false])
  })

  test('is never chosen of what it must hold, does not hold, or of a seat with a proof', () => {
    const all = seatsFrom(1, 15)
    expect(listed([{ seat: 90, is: 'must', late: all }])).toEqual([null])
    expect(listed([{ seat: 90, is: null, missing: all }])).toEqual([null])
    expect(listed([{ seat: 90, is: 'proved', late: all, missing: all }])).toEqual([null])
  })

  test('is judged by all objections together, and no more is listed than they need', () => {
    const a: Row = { seat: 90, is: 'late', missing: [1, 2, 3] }
    const b: Row = { seat: 91, is: 'late', missing: [4, 5, 6, 7] }
    expect(listed([a])).toEqual([false])
    expect(listed([b])).toEqual([false])
    // Three and itself, that held it too late, still object: eleven of sixteen are left.
    expect(listed([a, b])).toEqual([false, true])
  })

  test('minds no certifier whose vote is not to be had, but counts it as one that objects', () => {
    const wanted: Row = { seat: 90, is: 'late', missing: [1, 2, 3] }
    const refused: Row = { seat: 91, is: 'must', late: [1, 2, 3] }
    const others: Row = { seat: 92, is: 'late', missing: [7, 8, 9] }
    // The first three can have nothing; the last three are needed then.
    expect(listed([wanted, refused, others])).toEqual([false, null, true])
    expect(listed([wanted, others], { lost: [1, 2, 3] })).toEqual([false, true])
    expect(listed([wanted], { lost: [4, 5, 6] })).toEqual([true])
  })

  test('is not changed by what somebody says later than in two answers, or untruly', () => {
    const needed: Row = { seat: 92, is: 'late', missing: [7, 8, 9] }
    const further: Row = { seat: 90, is: 'late', missing: [1, 2, 3, 4], said: { isEarly: false } }
    expect(listed([further, needed])).toEqual([false, true])
    const untrue: Row = { seat: 91, is: 'may', late: [1, 2, 3, 4], said: { wasListed: false } }
    expect(listed([untrue, needed])).toEqual([true, true])
  })

  test('has nothing of what is disputed if enough could vote for that, and as its last payload', () => {
    const late: Row = { seat: 90, is: 'may', late: [1, 2, 3] }
    const split: Row = { seat: 91, is: 'may', late: [4, 5, 6] }
    expect(listed([late, split])).toEqual([false, false])
    expect(listed([{ seat: 90, is: 'may', late: [1] }], { isLast: true })).toEqual([false])
    expect(listed([{ seat: 90, is: 'late', missing: six }], { isLast: true })).toEqual([true])
  })
})
