import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import { parseScenario } from '../../sim/scenario.ts'
import { runStatistical } from '../../sim/statistical/run.ts'
import { benchFlood } from './flood.ts'

/**
 * Both engines, or one of them: `npm run bench -- sim [statistical | flood]`.
 */
export const run = async (options: string[]): Promise<void> => {
  const { values, positionals } = parseArgs({
    args: options,
    allowPositionals: true,
    options: {
      seats: { type: 'string', default: '40000' },
      weeks: { type: 'string', default: '52' },
      nodes: { type: 'string', default: '10000' },
      floods: { type: 'string', default: '100' },
      runs: { type: 'string', default: '3' },
    },
  })
  const parts = positionals.length > 0 ? positionals : ['flood', 'statistical']
  if (parts.includes('flood')) {
    const [nodes, floods, runs] = [values.nodes, values.floods, values.runs].map(Number) as [
      number,
      number,
      number,
    ]
    for (const spreadMs of [1_000, 0]) benchFlood({ nodes, floods, spreadMs, runs })
  }
  if (parts.includes('statistical')) benchStatistical(Number(values.seats), Number(values.weeks))
}

/**
 * The statistical engine on a network of `--seats` (40,000) for `--weeks` (52), on one thread. The reference is what
 * the words of the shuffles alone cost in native SHA-256, measured in the same run: eight words a hash, one word a seat.
 * Goal: a year of 40,000 seats under 60 s of one core.
 */
const benchStatistical = (seats: number, weeks: number): void => {
  const scenario = parseScenario(
    {
      name: 'bench',
      weeks,
      population: [
        {
          name: 'honest',
          nodes: seats,
          largestOperator: 500,
          addresses: { prefixes24: seats, prefixes16: Math.ceil(seats / 200) },
        },
      ],
    },
    'the benchmark',
  )
  const hashes = Math.ceil(seats / 8)
  const reference = cpuSeconds(() => {
    const input = Buffer.alloc(36)
    for (let i = 0; i < hashes; i++) createHash('sha256').update(input).digest()
  })
  const started = performance.now()
  let credited: number | null = null
  const seconds = cpuSeconds(() => {
    credited = runStatistical(scenario, 0).measures['creditRate.honest'] ?? null
  })
  const epochs = weeks * 42
  process.stdout.write(
    `${JSON.stringify({
      bench: 'sim',
      engine: 'statistical',
      seats,
      weeks,
      epochs,
      verdicts: epochs * seats * 11,
      cpuSeconds: round(seconds),
      wallSeconds: round((performance.now() - started) / 1_000),
      millisecondsPerEpoch: round((seconds * 1_000) / epochs),
      timesNativeShuffleHashes: round(seconds / (reference * epochs)),
      peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1_024),
      creditRate: credited,
    })}\n`,
  )
}

/** Of this process: other people's load does not count. */
const cpuSeconds = (work: () => void): number => {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

const round = (value: number): number => Number(value.toPrecision(4))
