import { describe, expect, test } from 'vitest'
import { createActorStream } from '../../sim/actor-stream.ts'
import {
  defaultRegionShares,
  drawRegion,
  regionLatenciesMs,
  regionNames,
  sharesByRegion,
} from '../../sim/regions.ts'

const at = (from: string, to: string): number =>
  regionLatenciesMs()[regionNames.indexOf(from) * regionNames.length + regionNames.indexOf(to)]!

describe('regions', () => {
  test('one way is half of the published round trips, the mean of both directions', () => {
    // East US to UK South 79 ms, back 78 ms; Japan East to Australia East 103 ms, back 104 ms.
    expect(at('us-east', 'uk')).toBeCloseTo((79 + 78) / 4, 12)
    expect(at('australia', 'japan')).toBeCloseTo((103 + 104) / 4, 12)
    // Inside a region: to its neighbour (UK South and UK West), or the median of the others where it has none.
    expect(at('uk', 'uk')).toBe(3.5)
    expect(at('brazil', 'brazil')).toBe(6)
  })

  test('the matrix is symmetric and positive, and no way by a third region is much shorter than the direct one', () => {
    const count = regionNames.length
    const latencies = regionLatenciesMs()
    expect(latencies).toHaveLength(count * count)
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < count; j++) {
        expect(latencies[i * count + j]).toBeGreaterThan(0)
        expect(latencies[i * count + j]).toBe(latencies[j * count + i])
        // Routes are not shortest paths, but a slip of a digit would break this.
        for (let via = 0; via < count; via++) {
          expect(latencies[i * count + via]! + latencies[via * count + j]!).toBeGreaterThan(
            0.6 * latencies[i * count + j]!,
          )
        }
      }
    }
  })

  test('who asks gets a copy', () => {
    regionLatenciesMs().fill(0)
    expect(at('uk', 'uk')).toBe(3.5)
  })

  test('shares sum to 1, and draws follow them', () => {
    const shares = defaultRegionShares()
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12)
    const stream = createActorStream(11, 0, 'regions')
    const drawn = new Float64Array(regionNames.length)
    const trials = 20_000
    for (let i = 0; i < trials; i++) drawn[drawRegion(shares, stream)]!++
    for (const [region, share] of shares.entries()) {
      expect(Math.abs(drawn[region]! / trials - share)).toBeLessThan(5 * Math.sqrt(share / trials) + 1e-9)
    }
    const two = sharesByRegion({ uk: 0.25, korea: 0.75 })
    expect([...two].filter((share) => share > 0)).toEqual([0.25, 0.75])
    for (let i = 0; i < 100; i++) expect(['uk', 'korea']).toContain(regionNames[drawRegion(two, stream)])
  })
})
