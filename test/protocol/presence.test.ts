import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  absent,
  hasRunThrough,
  type Height,
  interrupted,
  type Presence,
  presentAt,
} from '../../protocol/index.ts'

const attestBlocks = 5

/** What happens to a node: so many blocks come together, it is interrupted, or blocks are taken back. */
const life = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ is: fc.constant('blocks' as const), count: fc.integer({ min: 1, max: 9 }) }),
    },
    { weight: 1, arbitrary: fc.constant({ is: 'break' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({
        is: fc.constant('reorganised' as const),
        depth: fc.integer({ min: 1, max: 9 }),
      }),
    },
  ),
  { maxLength: 40 },
)

test('R-CP-3 an epoch was run through if no break lies between its opening and its close', () => {
  fc.assert(
    fc.property(life, fc.nat(40), fc.integer({ min: 1, max: 40 }), (events, opens, length) => {
      const closes = opens + length
      let presence: Presence = absent
      let height = 0
      /** Heights that were dealt with since the last break. */
      let run: Height[] = []
      for (const event of events) {
        if (event.is === 'blocks') {
          if (run.length > 0 && event.count > attestBlocks) run = []
          height += event.count
          run.push(height)
          presence = presentAt(presence, height, attestBlocks)
        } else {
          if (event.is === 'reorganised') height -= event.depth
          run = []
          presence = interrupted(presence)
        }
        const isThrough = run.length > 0 && run[0]! <= opens && run.at(-1)! >= closes
        expect(hasRunThrough(presence, { opens, closes })).toBe(isThrough)
      }
    }),
  )
})

test('R-CP-3 a pause of `attestBlocks` is none, one block more is', () => {
  const phases = { opens: 10, closes: 30 }
  const after = (pause: number): boolean => {
    let presence = presentAt(absent, 10, attestBlocks)
    for (const height of [20 - pause, 20, 25, 30]) presence = presentAt(presence, height, attestBlocks)
    return hasRunThrough(presence, phases)
  }
  // From 10 to 15 it is five, and so on.
  expect(after(5)).toBe(true)
  expect(after(4)).toBe(false)
  expect(after(6)).toBe(false)
})
