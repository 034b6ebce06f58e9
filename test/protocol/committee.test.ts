import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  challengersOf,
  createCommittees,
  createStream,
  hash,
  indexOfSeat,
  shuffledIndexes,
  targetsOf,
} from '../../protocol/index.ts'
import { seedOf } from './fixture.ts'

const beacons = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('R-COM-1 the ring', () => {
  test('R-COM-1 each challenges k others and is challenged by exactly k, the i-th as its i-th target', () => {
    fc.assert(
      fc.property(beacons, fc.nat(60), fc.integer({ min: 1, max: 48 }), (beacon, size, committee) => {
        const committees = createCommittees(beacon, size, committee)
        const k = Math.max(0, Math.min(committee, size - 1))
        expect(committees.k).toBe(k)
        const challenged = new Uint32Array(size)
        for (let index = 0; index < size; index++) {
          const targets = targetsOf(committees, index)
          expect(new Set(targets).size).toBe(k)
          expect(targets).not.toContain(index)
          for (const [i, target] of targets.entries()) {
            challenged[target]!++
            expect(challengersOf(committees, target)[i]).toBe(index)
          }
        }
        expect([...challenged]).toEqual(Array.from({ length: size }, () => k))
      }),
    )
  })

  test('R-COM-1 the ring is the shuffle of the indexes under the beacon', () => {
    const beacon = seedOf('beacon')
    const { ring, positions } = createCommittees(beacon, 50, 11)
    expect(ring).toEqual(shuffledIndexes(createStream(hash('shuffle', beacon)), 50))
    for (const [position, index] of ring.entries()) expect(positions[index]).toBe(position)
    expect(targetsOf(createCommittees(beacon, 50, 11), ring[48]!)).toEqual(
      [49, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((p) => ring[p]),
    )
  })
})

test('R-REG-3 a seat is found among rows in order of seat, or not at all', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(200), { maxLength: 40 }), fc.nat(200), (seats, wanted) => {
      const rows = seats.toSorted((a, b) => a - b).map((seat) => ({ seat }))
      expect(indexOfSeat(rows, wanted)).toBe(rows.findIndex((row) => row.seat === wanted))
    }),
  )
})
