import { z } from 'zod'
import latencyFile from './data/region-latencies.json' with { type: 'json' }
import shareFile from './data/region-shares.json' with { type: 'json' }
import type { ActorStream } from './actor-stream.ts'

/** Where nodes stand: positions in `regionNames`. */
export type Region = number

const LatencyFile = z.strictObject({
  about: z.string(),
  source: z.string().min(1),
  license: z.string().min(1),
  derived: z.string(),
  regions: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z][a-z-]*$/),
        /** Its name in the source. */
        measured: z.string(),
        continent: z.string(),
        neighbour: z.string().optional(),
        toNeighbourMs: z.number().positive().optional(),
      }),
    )
    .min(2),
  /** From row to column; null on the diagonal. */
  roundTripMs: z.array(z.array(z.number().positive().nullable())),
})

const ShareFile = z.strictObject({
  about: z.string(),
  source: z.string().min(1),
  derived: z.string(),
  continents: z.record(z.string(), z.number().min(0).max(1)),
})

/** Names and one-way medians, checked: a file that does not fit together is our own fault, and throws. */
const readLatencies = (value: unknown): { names: string[]; continents: string[]; oneWayMs: Float64Array } => {
  const { regions, roundTripMs } = LatencyFile.parse(value)
  const count = regions.length
  const within = regions.flatMap(({ toNeighbourMs }) => toNeighbourMs ?? []).sort((a, b) => a - b)
  const oneWayMs = new Float64Array(count * count)
  const roundTrip = (from: number, to: number): number => {
    const published = roundTripMs[from]?.[to]
    const found = from === to ? (regions[from]!.toNeighbourMs ?? within[within.length >> 1]) : published
    if (found === undefined || found === null || (from === to && published !== null)) {
      throw new RangeError(`region-latencies.json: no round trip from row ${from} to column ${to}`)
    }
    return found
  }
  for (let from = 0; from < count; from++) {
    for (let to = 0; to < count; to++)
      oneWayMs[from * count + to] = (roundTrip(from, to) + roundTrip(to, from)) / 4
  }
  return {
    names: regions.map(({ name }) => name),
    continents: regions.map(({ continent }) => continent),
    oneWayMs,
  }
}

const latencies = readLatencies(latencyFile)

/** Names of the regions that scenarios may use; a region's number is its position here. */
export const regionNames: readonly string[] = latencies.names

/**
 * Median latency one way in milliseconds, row by row: from region i to region j at `i * regionNames.length + j`.
 * Symmetric, above 0 within a region too. Source: sim/data/region-latencies.json.
 */
export const regionLatenciesMs = (): Float64Array => latencies.oneWayMs.slice()

/** Share of the nodes in each region where a scenario does not say; sums to 1. Source: sim/data/region-shares.json. */
export const defaultRegionShares = (): Float64Array => {
  const { continents } = ShareFile.parse(shareFile)
  const total = Object.values(continents).reduce((sum, share) => sum + share, 0)
  return Float64Array.from(latencies.continents, (continent) => {
    const share = continents[continent]
    if (share === undefined) throw new RangeError(`region-shares.json: no share of ${continent}`)
    return share / total / latencies.continents.filter((other) => other === continent).length
  })
}

/** Shares by name, as a scenario gives them, at their positions. */
export const sharesByRegion = (shares: Readonly<Record<string, number>>): Float64Array =>
  Float64Array.from(regionNames, (name) => shares[name] ?? 0)

/** One region, drawn by shares that sum to 1. */
export const drawRegion = (shares: Float64Array, stream: ActorStream): Region => {
  let left = stream.uniform()
  let last = 0
  for (let region = 0; region < shares.length; region++) {
    if (shares[region] === 0) continue
    last = region
    left -= shares[region]!
    if (left <= 0) return region
  }
  // Sums of shares miss 1 by rounding.
  return last
}
