import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import { chiSquareTail, chiSquareTest, uniformityTest } from '../../src/cli/chi-square.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

interface Run {
  exitCode: number
  stdout: string
  stderr: string
}

const uniformity = (...args: string[]): Promise<Run> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, 'beacon', 'uniformity', ...args], (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
  })

describe('chi-square', () => {
  // Upper critical values, NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4.
  test.each([
    [5.991, 2, 0.05],
    [9.21, 2, 0.01],
    [18.307, 10, 0.05],
    [23.209, 10, 0.01],
    [29.588, 10, 0.001],
    [31.41, 20, 0.05],
    [67.505, 50, 0.05],
    [124.342, 100, 0.05],
    [149.449, 100, 0.001],
  ])('P(X ≥ %f) with %i degrees of freedom is %f', (x, degreesOfFreedom, probability) => {
    expect(chiSquareTail(x, degreesOfFreedom) / probability).toBeCloseTo(1, 2)
  })

  test('the tail is 1 at 0, falls, and does not vanish too early', () => {
    expect(chiSquareTail(0, 1_000)).toBe(1)
    expect(chiSquareTail(1_000, 1_000)).toBeGreaterThan(0.4)
    expect(chiSquareTail(4_000, 4_000)).toBeGreaterThan(0.4)
    expect(chiSquareTail(1_000, 2)).toBeCloseTo(Math.exp(-500))
    expect(() => chiSquareTail(1, 3)).toThrow(RangeError)
  })

  test('the statistic is the sum of squares over what was expected', () => {
    expect(uniformityTest([10, 20, 30], 60)).toMatchObject({ statistic: 10, degreesOfFreedom: 2 })
    expect(chiSquareTest([5, 5, 20], [10, 10, 10]).statistic).toBe(15)
  })
})

describe('secnode beacon uniformity', () => {
  test('R-CHAL-2 R-RAND-1 draws of a fixed seed are uniform, as JSON and twice the same', async () => {
    const args = ['--draws', '200000', '--blocks', '100000', '--seed', 'ab'.repeat(32), '--json']
    const [first, second] = await Promise.all([uniformity(...args), uniformity(...args)])
    expect(first.exitCode).toBe(0)
    expect(second.stdout).toBe(first.stdout)
    const result = JSON.parse(first.stdout) as {
      heights: { degreesOfFreedom: number; pValue: number }
      transactions: { degreesOfFreedom: number; pValue: number }
      pairs: { degreesOfFreedom: number; pValue: number }
      deciles: number[]
      isUniform: boolean
    }
    expect(result).toMatchObject({ draws: 200_000, blocks: 100_000, seed: 'ab'.repeat(32), isUniform: true })
    expect([result.heights, result.transactions, result.pairs].map((row) => row.degreesOfFreedom)).toEqual([
      1_000, 56, 120,
    ])
    for (const { pValue } of [result.heights, result.transactions, result.pairs])
      expect(pValue).toBeGreaterThan(1e-3)
    expect(result.deciles.reduce((a, b) => a + b)).toBe(200_000)
  })

  test('as text, over a chain so short that bins are single heights', async () => {
    const run = await uniformity('--draws', '20000', '--blocks', '12', '--seed', '01'.repeat(32))
    expect(run.exitCode).toBe(0)
    expect(run.stdout).toMatch(
      /^20000 samples over 12 blocks, seed (01){32}\nheights over the chain +chi-square +[\d.]+ {2}degrees of freedom +10 {2}p /,
    )
    expect(run.stdout).toMatch(/\nuniform\n$/)
  })

  test.each([
    [['--draws', '9999'], 'must be a number from 10000'],
    [['--draws', '1e5'], 'must be a number'],
    [['--blocks', '10'], 'must be a number from 11'],
    [['--seed', 'ab'], 'must be 64 hex digits'],
    [['--unknown'], 'unknown option'],
  ])('%j is a mistake in usage', async (args, message) => {
    const run = await uniformity(...args)
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain(message)
  })

  test('an interrupt ends it at the next thousand challenges', async () => {
    const abort = new AbortController()
    const program = createProgram({
      stdout: () => {},
      stderr: () => {},
      isTerminal: false,
      signal: abort.signal,
      setExitCode: () => {},
    })
    const run = program.parseAsync(['node', 'secnode', 'beacon', 'uniformity', '--draws', '1000000000'])
    abort.abort(new Error('interrupted'))
    await expect(run).rejects.toThrow('interrupted')
  })
})
