import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochStart } from '../../protocol/index.ts'
import { whyRefused } from '../../protocol/epoch.ts'
import { createTipWatch } from '../../src/week/chain-tip.ts'

const genesis = { activationHeight: 1_000, epochBlocks: 192, confirmations: 10 }
const startSeconds = 1_800_000_000

/** A chain with one block each `spacing` seconds, whose followed part ends at `chain.confirmedHeight`. */
const watch = (spacing: number, confirmedHeight: number, clock: { seconds: number }) => {
  const chain = {
    confirmedHeight,
    medianTimeAt: (height: number) =>
      Promise.resolve(
        height < 0 || height > chain.confirmedHeight ? undefined : startSeconds + (height - 5) * spacing,
      ),
  }
  return { chain, tip: createTipWatch(chain, genesis, { now: () => clock.seconds * 1_000 }) }
}

/** Times are read beside: the first question gives none. */
const settled = async (tip: ReturnType<typeof watch>['tip']) => {
  expect(tip().ageSeconds).toBe(null)
  for (let i = 0; i < 10; i++) await Promise.resolve()
  return tip()
}

describe('the tip of the chain', () => {
  test('R-ATT-6 its height and age follow from the confirmed blocks', async () => {
    const height = 2_000
    const clock = { seconds: startSeconds + (height + genesis.confirmations) * 75 + 30 }
    const { tip } = watch(75, height, clock)
    expect(await settled(tip)).toEqual({ height: 2_010, ageSeconds: 30, spacingSeconds: 75 })
    clock.seconds += 120
    expect(tip().ageSeconds).toBe(150)
  })

  test('R-ATT-6 its times are read again after each block, and unknown meanwhile', async () => {
    const clock = { seconds: startSeconds + 2_010 * 75 }
    const { chain, tip } = watch(75, 2_000, clock)
    await settled(tip)
    chain.confirmedHeight = 2_001
    clock.seconds += 75
    expect(await settled(tip)).toEqual({ height: 2_011, ageSeconds: 0, spacingSeconds: 75 })
  })

  test('R-ATT-6 a clock behind the chain, or a chain too short to be measured, tells no age', async () => {
    const behind = watch(75, 2_000, { seconds: startSeconds + 1_000 * 75 })
    expect(await settled(behind.tip)).toMatchObject({ ageSeconds: null })
    const short = watch(75, 50, { seconds: startSeconds + 60 * 75 })
    expect(await settled(short.tip)).toMatchObject({ height: 60, ageSeconds: null })
  })

  test('R-ATT-6 a chain node that cannot be read tells no age', async () => {
    const tip = createTipWatch(
      { confirmedHeight: 2_000, medianTimeAt: () => Promise.reject(new Error('closed')) },
      genesis,
      { now: () => 0 },
    )
    expect(await settled(tip)).toMatchObject({ height: 2_010, ageSeconds: null })
  })

  test('R-ATT-6 no honest peer is refused, however long this chain has stood still and however fast it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2, 75, 150),
        fc.constantFrom(4, 8, 192),
        fc.integer({ min: 0, max: 3_000 }),
        fc.nat(100),
        async (spacing, epochBlocks, stoodBlocks, secondsSinceBlock) => {
          const shape = { ...genesis, epochBlocks }
          const height = 2_000
          const theirs = height + stoodBlocks
          // Their tip has just come; this node saw nothing since its own.
          const since = Math.min(secondsSinceBlock, spacing - 1)
          const clock = { seconds: startSeconds + (theirs + genesis.confirmations) * spacing + since }
          const { tip } = watch(spacing, height, clock)
          const seen = await settled(tip)
          // The newest epoch that can be open there.
          const epoch = Math.floor((theirs - shape.activationHeight) / epochBlocks)
          expect(epochStart(shape, epoch)).toBeLessThanOrEqual(theirs)
          expect(whyRefused(shape, epoch, seen)).toBe(null)
        },
      ),
      { seed: 12, numRuns: 300 },
    )
  })
})
