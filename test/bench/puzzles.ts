import { sha256 } from '@noble/hashes/sha2.js'
import { parseArgs } from 'node:util'
import {
  createPuzzleCheck,
  hash,
  leastAskedEffort,
  type NetworkId,
  nonceBytes,
  type Puzzle,
  searchSolution,
} from '../../protocol/index.ts'
import { encodeSolution } from '../../protocol/puzzle.ts'
import { noMetrics } from '../../src/net/counters.ts'
import { createPuzzleGate } from '../../src/net/puzzle-gate.ts'
import { createPuzzleSolver } from '../../src/net/puzzle-solver.ts'
import { realWorld } from '../../src/world.ts'

/**
 * Puzzles (R-PUZ): what a check costs beside one SHA-256 of as many bytes, what the gate adds to it, and what an effort
 * costs whoever does it. Options: `--seconds <n>` per case (2), `--solutions <n>` per effort (40).
 */
export const run = async (options: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: options,
    options: { seconds: { type: 'string', default: '2' }, solutions: { type: 'string', default: '40' } },
  })
  const milliseconds = Number(values.seconds) * 1_000
  const solutions = Number(values.solutions)
  if (!(milliseconds > 0)) throw new RangeError('--seconds takes a number above 0')
  if (!(solutions >= 1)) throw new RangeError('--solutions takes a number from 1')

  const print = (line: object): void =>
    void process.stdout.write(`${JSON.stringify({ bench: 'puzzles', ...line })}\n`)
  for (const [name, bytes] of Object.entries(solutionsByCase())) {
    print({
      case: `check: ${name}`,
      ...compare(() => void check(bytes, puzzle.client, cookies), bytes, milliseconds),
    })
  }
  print({ case: 'gate', ...(await gateRate(milliseconds)) })
  for (const effort of [leastAskedEffort, 2 ** 14, 2 ** 16, 2 ** 18]) {
    print({ case: 'solve', effort, ...(await solveRate(effort, solutions, milliseconds)) })
  }
}

const networkId = '0123456789abcdef0123456789abcdef' as NetworkId
const puzzle: Puzzle = {
  networkId,
  purpose: 'sync/1',
  server: hash('server'),
  client: hash('client'),
  cookie: hash('cookie').slice(0, 16),
  effort: 64,
}
const cookies = [
  { cookie: hash('newer').slice(0, 16), leastEffort: 1 },
  { cookie: puzzle.cookie, leastEffort: 1 },
]
const check = createPuzzleCheck(puzzle)

const solve = (of: Puzzle): Uint8Array => searchSolution(of, new Uint8Array(nonceBytes), 2 ** 30)!

const solutionsByCase = (): Record<string, Uint8Array> => ({
  accepted: solve(puzzle),
  'too light': encodeSolution({ ...puzzle, effort: 0xffff_ffff }, new Uint8Array(nonceBytes)),
  stale: solve({ ...puzzle, cookie: new Uint8Array(16) }),
  'wrong peer': solve({ ...puzzle, client: hash('another') }),
  'wrong purpose': solve({ ...puzzle, purpose: 'evidence/1' }),
  malformed: new Uint8Array(160).fill(0x81),
})

const slices = 20

/** Takes turns with the reference, so that whatever else the machine does meets both alike. */
const compare = (task: () => void, bytes: Uint8Array, milliseconds: number) => {
  const totals = [task, () => void sha256(bytes)].map((turn) => ({ turn, count: 0, elapsedMs: 0 }))
  for (const { turn } of totals) for (let i = 0; i < 5_000; i++) turn()
  for (let slice = 0; slice < slices; slice++) {
    for (const total of totals) {
      const startMs = performance.now()
      let elapsedMs = 0
      for (; elapsedMs < milliseconds / slices / 2; elapsedMs = performance.now() - startMs) {
        for (let i = 0; i < 100; i++) total.turn()
        total.count += 100
      }
      total.elapsedMs += elapsedMs
    }
  }
  const [checksPerSecond, sha256PerSecond] = totals.map(({ count, elapsedMs }) => (1_000 * count) / elapsedMs)
  return {
    checksPerSecond: Math.round(checksPerSecond!),
    sha256PerSecond: Math.round(sha256PerSecond!),
    ratio: Number((checksPerSecond! / sha256PerSecond!).toFixed(3)),
  }
}

/** A stranger's whole way in and out: check, memory of spent solutions, place. */
const gateRate = async (milliseconds: number) => {
  const world = realWorld()
  const gate = createPuzzleGate({ ...puzzle, world, metrics: noMetrics, sha256: luckySha256 })
  const signal = new AbortController().signal
  const refused = await gate.enter({ client: puzzle.client, solution: new Uint8Array(0), signal })
  if (refused.is !== 'refused' || refused.puzzle === null) throw new Error('a malformed solution was taken')
  // Any nonce solves it, so that what is measured is the gate. Fewer than would bring the next cookie.
  const solutions = Array.from({ length: 8_000 }, (_, i) => {
    const nonce = Buffer.alloc(nonceBytes)
    nonce.writeUInt32BE(i)
    return encodeSolution({ ...puzzle, ...refused.puzzle! }, nonce)
  })
  const startMs = performance.now()
  let entered = 0
  for (const solution of solutions) {
    const outcome = await gate.enter({ client: puzzle.client, solution, signal })
    if (outcome.is !== 'entered') throw new Error(outcome.code)
    outcome.leave()
    entered++
  }
  const enteredMs = performance.now() - startMs
  const replayed = solutions[0]!
  const bytes = compare(() => void check(replayed, puzzle.client, cookies), replayed, milliseconds)
  const entriesPerSecond = (1_000 * entered) / enteredMs
  return {
    entriesPerSecond: Math.round(entriesPerSecond),
    sha256PerSecond: bytes.sha256PerSecond,
    ratio: Number((entriesPerSecond / bytes.sha256PerSecond).toFixed(3)),
    spent: gate.status().spent,
  }
}

/** The whole hash, and then its first six bytes are nothing. */
const luckySha256 = (bytes: Uint8Array): Uint8Array => sha256(bytes).copyWithin(6, 0).fill(0, 0, 6)

/** As a client does it: in slices, with everything else that is due between them. */
const solveRate = async (effort: number, solutions: number, milliseconds: number) => {
  const solver = createPuzzleSolver({ world: realWorld(), maxEffort: effort })
  const signal = new AbortController().signal
  const tookMs: number[] = []
  for (let i = 0; i < solutions; i++) {
    const startMs = performance.now()
    await solver.solve({ ...puzzle, effort }, { signal })
    tookMs.push(performance.now() - startMs)
  }
  tookMs.sort((a, b) => a - b)
  const bytes = solve(puzzle)
  const { sha256PerSecond } = compare(() => undefined, bytes, milliseconds / 4)
  const meanMs = tookMs.reduce((sum, ms) => sum + ms, 0) / solutions
  const effortPerSecond = (1_000 * effort) / meanMs
  return {
    solutions,
    meanMs: Number(meanMs.toFixed(1)),
    medianMs: Number(tookMs[solutions >> 1]!.toFixed(1)),
    mostMs: Number(tookMs.at(-1)!.toFixed(1)),
    effortPerSecond: Math.round(effortPerSecond),
    sha256PerSecond,
    ratio: Number((effortPerSecond / sha256PerSecond).toFixed(3)),
  }
}
