import { sha256 } from '@noble/hashes/sha2.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  beaconOf,
  encodeCanonical,
  epochOfHeight,
  epochPhases,
  epochStart,
  whyClosed,
} from '../../protocol/index.ts'
import { whyRefused } from '../../protocol/epoch.ts'
import { genesis, networkId, seedOf } from './fixture.ts'

const shapes = fc.record({
  activationHeight: fc.integer({ min: 1, max: 3_000_000 }),
  epochBlocks: fc.integer({ min: 4, max: 10_000 }),
  confirmations: fc.integer({ min: 0, max: 1_000 }),
})

describe('R-EPOCH-1', () => {
  test('R-EPOCH-1 every height from the activation on lies in one epoch', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 0, max: 100_000 }), (shape, e) => {
        const start = epochStart(shape, e)
        expect(start).toBe(shape.activationHeight + e * shape.epochBlocks)
        expect(epochOfHeight(shape, start)).toBe(e)
        expect(epochOfHeight(shape, start + shape.epochBlocks - 1)).toBe(e)
        expect(epochOfHeight(shape, start - 1)).toBe(e === 0 ? null : e - 1)
      }),
    )
  })
})

describe('R-EPOCH-3', () => {
  test('R-EPOCH-3 the phases of four-hour epochs', () => {
    const shape = { activationHeight: 1_000, epochBlocks: 192, confirmations: 10 }
    expect(epochPhases(shape, 16, 2)).toEqual({
      opens: 1_384,
      attests: 1_560,
      mustHold: 1_672,
      closes: 1_758,
    })
  })

  test('R-EPOCH-3 every phase has a block, whatever the parameters', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 1_000 }), fc.nat(1_000), (shape, attestBlocks, e) => {
        const phases = epochPhases(shape, attestBlocks, e)
        const next = epochStart(shape, e + 1)
        expect(phases.opens).toBe(epochStart(shape, e))
        expect(phases.attests - phases.opens).toBeGreaterThanOrEqual(shape.epochBlocks / 2)
        expect(phases.attests).toBeLessThan(next)
        expect(phases.mustHold).toBeGreaterThan(next)
        expect(phases.closes).toBeGreaterThan(phases.mustHold)
        expect(phases.closes).toBeLessThanOrEqual(epochStart(shape, e + 2))
      }),
    )
  })

  test('R-EPOCH-3 an epoch closes before the hash that draws its audits can be seen', () => {
    const shape = { activationHeight: 1_000, epochBlocks: 192, confirmations: 10 }
    const { closes } = epochPhases(shape, 16, 5)
    // With a confirmed height below `closes` the tip is below b(e + 2).
    expect(closes - 1 + shape.confirmations).toBe(epochStart(shape, 7) - 1)
  })
})

describe('R-ATT-6 when gossip takes an epoch', () => {
  test('R-ATT-6 from its beacon to its close', () => {
    const { opens, closes } = epochPhases(genesis, 4, 3)
    expect(whyClosed(genesis, 3, opens - 1)).toBe('early')
    expect(whyClosed(genesis, 3, opens)).toBe(null)
    expect(whyClosed(genesis, 3, closes - 1)).toBe(null)
    expect(whyClosed(genesis, 3, closes)).toBe('late')
  })
})

describe('R-ATT-6 an epoch that no honest peer can mean', () => {
  const spacingSeconds = 75
  const young = 2 * spacingSeconds - 1

  test('R-ATT-6 begins at no height: refused, however old the tip is', () => {
    const shape = { activationHeight: 1_000, epochBlocks: 192 }
    const last = Math.floor((0xffff_ffff - 1_000) / 192)
    for (const ageSeconds of [null, 0, young, 1_000_000]) {
      const tip = { height: 5_000, ageSeconds, spacingSeconds }
      expect(whyRefused(shape, last + 1, tip)).toBe('impossible')
      expect(whyRefused(shape, 0xffff_ffff, tip)).toBe('impossible')
    }
    expect(whyRefused(shape, last, { height: 5_000, ageSeconds: null, spacingSeconds })).toBe(null)
  })

  test('R-ATT-6 is more than two past that of a young tip: refused; any other tip may stand still', () => {
    const tipOf = (e: number, offset: number, ageSeconds: number | null) => ({
      height: epochStart(genesis, e) + offset,
      ageSeconds,
      spacingSeconds,
    })
    fc.assert(
      fc.property(
        fc.nat(1_000),
        fc.nat(genesis.epochBlocks - 1),
        fc.nat(2_000),
        fc.oneof(fc.constant(null), fc.integer({ min: -young, max: 10 * young })),
        (atTip, offset, epoch, ageSeconds) => {
          const isAhead = ageSeconds !== null && ageSeconds <= young && epoch > atTip + 2
          expect(whyRefused(genesis, epoch, tipOf(atTip, offset, ageSeconds))).toBe(isAhead ? 'ahead' : null)
        },
      ),
      { seed: 12 },
    )
  })

  test('R-ATT-6 a chain before its activation refuses nothing that can exist', () => {
    const tip = { height: genesis.activationHeight - 1, ageSeconds: 0, spacingSeconds }
    expect(whyRefused(genesis, 100, tip)).toBe(null)
  })
})

describe('R-EPOCH-4', () => {
  test('R-EPOCH-4 the beacon is the hash of network, epoch and block', () => {
    const block = seedOf('block')
    expect(beaconOf(networkId, 7, block)).toEqual(sha256(encodeCanonical(['beacon', networkId, 7, block])))
    expect(beaconOf(networkId, 8, block)).not.toEqual(beaconOf(networkId, 7, block))
  })
})
