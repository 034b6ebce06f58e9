import { describe, expect, test } from 'vitest'
import { createActorStream } from '../../sim/actor-stream.ts'
import { createPopulation } from '../../sim/population.ts'
import {
  defaultRegionShares,
  drawRegion,
  regionLatenciesMs,
  regionNames,
  sharesByRegion,
} from '../../sim/regions.ts'
import { parseScenario } from '../../sim/scenario.ts'
import { runStatistical } from '../../sim/statistical/run.ts'

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

describe('regions in a scenario', () => {
  const scenarioWith = (
    incidents: object[],
    attackerRegion: string,
    regions: object = { germany: 0.25, canada: 0.75 },
  ) =>
    parseScenario(
      {
        name: 'regional',
        weeks: 1,
        population: [
          {
            name: 'honest',
            nodes: 200,
            availability: 1,
            missRate: 0,
            regions,
            addresses: { prefixes24: 100, prefixes16: 50 },
          },
        ],
        attackers: [{ name: 'other', nodes: 20, regions: { [attackerRegion]: 1 } }],
        incidents,
      },
      'test',
    )
  const dayOf = (fields: object): object[] => [{ kind: 'outage', from: 10, epochs: 6, ...fields }]
  const measuresOf = (...args: Parameters<typeof scenarioWith>) =>
    runStatistical(scenarioWith(...args), 0).measures

  test('nodes stand where their shares say, and one seed puts them there again', () => {
    const scenario = scenarioWith([], 'japan')
    const { regionOf, actors } = createPopulation(scenario, 0)
    const namesOf = (i: number): string[] =>
      [...regionOf.subarray(actors[i]!.first, actors[i]!.first + actors[i]!.nodes)].map(
        (region) => regionNames[region]!,
      )
    expect(new Set(namesOf(0))).toEqual(new Set(['germany', 'canada']))
    expect(new Set(namesOf(1))).toEqual(new Set(['japan']))
    expect(createPopulation(scenario, 0).regionOf).toEqual(regionOf)
    expect(createPopulation(scenario, 1).regionOf).not.toEqual(regionOf)
  })

  test('an outage of a region takes down all who stand there, attackers too, and nobody else', () => {
    // 6 of 42 epochs.
    const there = measuresOf(dayOf({ regions: ['germany'] }), 'germany')
    expect(there['creditRate.other']).toBeCloseTo(36 / 42, 12)
    const elsewhere = measuresOf(dayOf({ regions: ['germany'] }), 'japan')
    // Who stands elsewhere loses a credit only where most of his challengers stood there (R-TALLY-1).
    expect(elsewhere['creditRate.other']).toBeGreaterThan(0.98)
    expect(elsewhere['rate invalid: unreachable.other']).toBeUndefined()
    const scenario = scenarioWith([], 'japan')
    const { regionOf } = createPopulation(scenario, 0)
    const germans = [...regionOf].filter((region) => regionNames[region] === 'germany').length
    expect(elsewhere['rate invalid: unreachable.honest']).toBeCloseTo(((germans / 200) * 6) / 42, 2)
    // Controls: a region where nobody stands, and a share of all nodes, which spares attackers.
    expect(measuresOf(dayOf({ regions: ['brazil'] }), 'germany')['creditRate.honest']).toBe(1)
    expect(measuresOf(dayOf({ share: 0.1 }), 'germany')['creditRate.other']).toBe(1)
  })

  test('a partition by region cuts one region off from the rest', () => {
    const partition = [{ kind: 'partition', from: 10, epochs: 6, regions: ['germany'] }]
    const cutOff = measuresOf(partition, 'japan')
    expect(cutOff['honestUp.wronglyFailed']).toBeGreaterThan(0.02)
    expect(cutOff['creditRate.other']).toBeGreaterThan(0.99)
    expect(measuresOf(partition, 'germany')['creditRate.other']).toBeLessThan(0.9)
    // Control: the whole population in one region is on one side.
    expect(measuresOf(partition, 'germany', { germany: 1 })['honestUp.wronglyFailed']).toBe(0)
  })

  test('payouts by region have a concentration', () => {
    const one = measuresOf([], 'germany', { germany: 1 })
    expect(one['concentration.region.hhi']).toBeCloseTo(1, 12)
    expect(measuresOf([], 'japan')['concentration.region.hhi']).toBeLessThan(0.7)
  })
})
