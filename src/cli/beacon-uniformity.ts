import { Command, InvalidArgumentError } from 'commander'
import {
  beaconOf,
  bytesToHex,
  hash,
  hexToBytes,
  type NetworkId,
  type Sample,
  samplesOf,
} from '../../protocol/index.ts'
import { realWorld, type World } from '../world.ts'
import { type ChiSquare, chiSquareTail, chiSquareTest } from './chi-square.ts'
import { type CliIo, printJson } from './io.ts'
import { nextTurn } from '../async/slices.ts'

interface UniformityOptions {
  draws: number
  blocks: number
  seed?: Uint8Array
  json?: boolean
}

/** `secnode beacon uniformity`: whether the samples of challenges fall as R-CHAL-2 says. */
export const beaconUniformityCommand = (io: CliIo, world: World = realWorld()): Command =>
  new Command('uniformity')
    .description('draw samples as challenges do, over a model chain, and test that they are uniform')
    .option('--draws <n>', 'samples to draw', integerBetween(10_000, 1_000_000_000), 1_000_000)
    .option('--blocks <n>', 'height of the model chain', integerBetween(11, 0xffff_ffff), 3_000_000)
    .option('--seed <hex>', '32 bytes in hex that all draws follow from; random without it', seedOf)
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
Beacons and nonces follow from the seed; samples are drawn by the rules' own code (R-RAND-1, R-CHAL-2). Three chi-square
tests: heights over the chain, transactions over their block, and pairs of heights that follow each other. The model's
block h has 1 + 2·(⌊2654435769·h / 2^16⌋ mod 8) transactions. A p-value is the probability of a statistic at least as
large if the draws are uniform. Exit code 0: all p-values are at least 10^-6; 1: one is below.

Example:
  $ secnode beacon uniformity --draws 10000000
  $ secnode beacon uniformity --seed ${'00'.repeat(32)} --json`,
    )
    .action(async (options: UniformityOptions) => {
      const seed = options.seed ?? world.randomBytes(32)
      const result = await testUniformity(options, seed, io, world)
      if (options.json === true)
        printJson(io, { draws: options.draws, blocks: options.blocks, seed: bytesToHex(seed), ...result })
      else io.stdout(toText(options, seed, result))
      io.setExitCode(result.isUniform ? 0 : 1)
    })

const integerBetween =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`must be a number from ${min} to ${max}.`)
    return value
  }

const seedOf = (text: string): Uint8Array => {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) throw new InvalidArgumentError('must be 64 hex digits.')
  return hexToBytes(text)
}

interface Uniformity {
  heights: ChiSquare
  transactions: ChiSquare
  pairs: ChiSquare
  /** Samples in each tenth of the chain. */
  deciles: number[]
  isUniform: boolean
}

/** Below this no honest generator is met by chance, however often somebody tries. */
const smallestPValue = 1e-6
const samplesOfChallenge = 64

/** Odd counts, so that each block leaves an even number of degrees of freedom. */
const transactionCount = (height: number): number => 1 + 2 * ((Math.imul(height, 0x9e3779b9) >>> 16) & 7)
const maxTransactions = 15

const testUniformity = async (
  { draws, blocks }: UniformityOptions,
  seed: Uint8Array,
  io: CliIo,
  world: World,
): Promise<Uniformity> => {
  const heights = createBins(Math.min(1_001, oddBelow(blocks)), blocks)
  const pairCells = createBins(Math.min(11, oddBelow(blocks)), blocks)
  const pairs = new Uint32Array(pairCells.sizes.length ** 2)
  const deciles = createBins(10, blocks)
  const indexes = Array.from({ length: maxTransactions + 1 }, (_, count) => new Uint32Array(count))

  const take = (samples: readonly Sample[]): void => {
    for (const { height, index } of samples) {
      heights.counts[heights.binOf(height)]!++
      deciles.counts[deciles.binOf(height)]!++
      indexes[transactionCount(height)]![index]!++
    }
    for (let i = 0; i + 1 < samples.length; i += 2) {
      const first = pairCells.binOf(samples[i]!.height)
      pairs[first * pairCells.sizes.length + pairCells.binOf(samples[i + 1]!.height)]!++
    }
  }

  const progress = createProgress(io, world, draws)
  let pairDraws = 0
  for (let drawn = 0, challenge = 0; drawn < draws; challenge++) {
    const samples = drawChallenge(seed, challenge, Math.min(samplesOfChallenge, draws - drawn), blocks)
    take(samples)
    drawn += samples.length
    pairDraws += Math.floor(samples.length / 2)
    if (challenge % 1_000 === 999) {
      progress.report(drawn)
      await nextTurn()
      io.signal.throwIfAborted()
    }
  }
  progress.end()

  const heightTest = chiSquareTest(heights.counts, sharesOf(heights.sizes, blocks, draws))
  const pairShares = sharesOf(pairCells.sizes, blocks, 1)
  const expectedPairs = pairShares.flatMap((first) => pairShares.map((second) => pairDraws * first * second))
  const result = {
    heights: heightTest,
    transactions: sumOfTests(indexes.filter((counts) => counts.length > 1)),
    pairs: chiSquareTest(pairs, expectedPairs),
    deciles: [...deciles.counts],
  }
  const pValues = [result.heights, result.transactions, result.pairs].map(({ pValue }) => pValue)
  return { ...result, isUniform: pValues.every((pValue) => pValue >= smallestPValue) }
}

/** The samples of the n-th challenge of a seed: another beacon, another pair of seats, another nonce each time. */
const drawChallenge = (seed: Uint8Array, n: number, samples: number, blocks: number): Sample[] => {
  const networkId = '0'.repeat(32) as NetworkId
  const terms = {
    networkId,
    epoch: n,
    beacon: beaconOf(networkId, n, seed),
    targetSeat: n % 40_000,
    targetStake: seed.subarray(0, 20),
    challengerSeat: (n * 7 + 1) % 40_000,
    nonce: hash('uniformity nonce', seed, n),
  }
  return samplesOf(terms, samples, blocks, transactionCount)
}

const oddBelow = (n: number): number => (n % 2 === 1 ? n : n - 1)

interface Bins {
  counts: Uint32Array
  /** Heights in each bin. */
  sizes: number[]
  binOf(height: number): number
}

/** Heights 1 … blocks in `count` bins as equal as whole numbers allow. */
const createBins = (count: number, blocks: number): Bins => {
  const startOf = (bin: number): number => Math.ceil((bin * blocks) / count)
  return {
    counts: new Uint32Array(count),
    sizes: Array.from({ length: count }, (_, bin) => startOf(bin + 1) - startOf(bin)),
    binOf: (height) => Math.floor(((height - 1) * count) / blocks),
  }
}

const sharesOf = (sizes: readonly number[], blocks: number, total: number): number[] =>
  sizes.map((size) => (total * size) / blocks)

/** One test for each number of transactions; statistics of independent tests and their degrees of freedom add up. */
const sumOfTests = (all: readonly Uint32Array[]): ChiSquare => {
  let statistic = 0
  let degreesOfFreedom = 0
  for (const counts of all) {
    const total = counts.reduce((sum, count) => sum + count, 0)
    if (total < 5 * counts.length) continue
    const mean = total / counts.length
    statistic += counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)
    degreesOfFreedom += counts.length - 1
  }
  return { statistic, degreesOfFreedom, pValue: chiSquareTail(statistic, degreesOfFreedom) }
}

const createProgress = (io: CliIo, world: World, draws: number) => {
  let lastMs = world.monotonicMs()
  let isShown = false
  return {
    report(drawn: number): void {
      if (world.monotonicMs() - lastMs < 1_000) return
      lastMs = world.monotonicMs()
      isShown = true
      const text = `${drawn} of ${draws} samples drawn`
      io.stderr(io.isTerminal ? `\r${text}` : `${text}\n`)
    },
    end(): void {
      if (isShown && io.isTerminal) io.stderr('\n')
    },
  }
}

const toText = ({ draws, blocks }: UniformityOptions, seed: Uint8Array, result: Uniformity): string => {
  const line = (name: string, { statistic, degreesOfFreedom, pValue }: ChiSquare): string =>
    `${name.padEnd(34)} chi-square ${statistic.toFixed(1).padStart(9)}  degrees of freedom ${String(degreesOfFreedom).padStart(5)}  p ${pValue.toPrecision(3)}\n`
  return (
    `${draws} samples over ${blocks} blocks, seed ${bytesToHex(seed)}\n` +
    line('heights over the chain', result.heights) +
    line('transactions over their block', result.transactions) +
    line('pairs of heights that follow', result.pairs) +
    `samples in each tenth of the chain ${result.deciles.join(' ')}\n` +
    (result.isUniform ? 'uniform\n' : `not uniform: a p-value is below ${smallestPValue}\n`)
  )
}
