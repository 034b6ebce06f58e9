import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chooseListing, type Epoch, isEnough, rowKey, type Seat } from '../../protocol/index.ts'
import type { Opinion, Said } from '../../protocol/listing.ts'

const epoch: Epoch = 4

/** An attestation that the proposer may list: who of the certifiers misses it without, and calls it late with it. */
interface Row {
  missing: readonly Seat[]
  late: readonly Seat[]
}

/** What the proposer lists of `rows` after it offered all of them, and none, and was told all. */
const listed = (rows: readonly Row[], certifiers: number): boolean[] => {
  const say =
    (wasListed: boolean) =>
    (from: Seat): [Seat, Said] => [from, { isEarly: true, wasListed }]
  const opinions = new Map(
    rows.map(({ missing, late }, seat): [string, Opinion] => [
      rowKey(epoch, seat),
      { epoch, seat, missing: new Map(missing.map(say(false))), late: new Map(late.map(say(true))) },
    ]),
  )
  const known = { opinions, lacked: new Set<string>(), lost: new Set<Seat>() }
  const listing = chooseListing(known, certifiers, false, () => 'may')
  return rows.map((_, seat) => listing.get(rowKey(epoch, seat)) ?? true)
}

const isContent = (seat: Seat, rows: readonly Row[], list: readonly boolean[]): boolean =>
  rows.every((row, i) => !(list[i] === true ? row.late : row.missing).includes(seat))

describe('R-CP-3 certifiers at odds', () => {
  test('one liar of 16 that says the opposite of many is not heard', () => {
    const liar = 15
    const tooLate = [1, 2, 3, 4, 5, 6].map((seat) => ({ missing: [liar], late: [seat] }))
    const inTime = [7, 8, 9, 10, 11].map((seat) => ({ missing: [seat], late: [liar] }))
    const rows = [...tooLate, ...inTime]
    const list = listed(rows, 16)
    expect(
      Array.from({ length: 15 }, (_, seat) => seat).filter((seat) => isContent(seat, rows, list)),
    ).toHaveLength(11)
  })

  test('one liar of 4, as the model found it', () => {
    const rows = [
      { missing: [1], late: [3] },
      { missing: [3], late: [2] },
    ]
    expect(listed(rows, 4)).toEqual([true, false])
  })

  test('R-EPOCH-3 one liar among any number never keeps enough honest ones from voting', () => {
    const scene = fc.integer({ min: 4, max: 24 }).chain((certifiers) => {
      const honest = fc.uniqueArray(fc.integer({ min: 1, max: certifiers - 2 }), { maxLength: certifiers })
      // No honest one must list what another has too late; the liar says what it likes of any of them.
      const row = fc.record({
        side: fc.constantFrom('missing' as const, 'late' as const),
        honest,
        lie: fc.constantFrom('missing' as const, 'late' as const, null),
      })
      return fc.tuple(fc.constant(certifiers), fc.array(row, { maxLength: 24 }))
    })
    fc.assert(
      fc.property(scene, ([certifiers, told]) => {
        const liar = certifiers - 1
        const rows = told.map(({ side, honest, lie }): Row => {
          const lies = (of: 'missing' | 'late') => (lie === of ? [liar] : [])
          const saying = (of: 'missing' | 'late') => [...(side === of ? honest : []), ...lies(of)]
          return { missing: saying('missing'), late: saying('late') }
        })
        const list = listed(rows, certifiers)
        const content = Array.from({ length: certifiers }, (_, seat) => seat).filter((seat) =>
          isContent(seat, rows, list),
        )
        expect(isEnough(content.length, certifiers)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })
})
