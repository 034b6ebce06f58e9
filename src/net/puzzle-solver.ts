import { bytesToHex, nonceBytes, type Puzzle, searchSolution } from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'
import { throwIfAborted } from '../async/abort.ts'
import { nextTurn } from '../async/slices.ts'

/** What this node is told to do before another one works for it. */
export interface Toll {
  puzzle: Puzzle
  /** As far as the rate of earlier puzzles tells; half of all take less than 0.7 of it, one in twenty three times it. */
  expectedMs: number
}

export interface PuzzleSolverOptions {
  world: Pick<World, 'monotonicMs' | 'randomBytes'>
  /** The most hashes that a puzzle may need on the average. */
  maxEffort: number
  /** Called before work that is expected to take longer than `longMs`. */
  onLong?: (toll: Toll) => void
}

export interface PuzzleSolver {
  /**
   * The solution's bytes. The work is done in slices of about a millisecond, with everything else that is due between
   * them. Errors: NET_PUZZLE_DEAR (more than `maxEffort`, the solver's or that of this puzzle), NET_ABORTED or the
   * signal's own coded reason.
   */
  solve(puzzle: Puzzle, options: { maxEffort?: number; signal: AbortSignal }): Promise<Uint8Array>
}

/** What people notice. */
export const longMs = 2_000
const triesPerSlice = 512
/** Hashes a millisecond before any puzzle was met: what a small server does. */
const assumedRate = 400

export const createPuzzleSolver = (options: PuzzleSolverOptions): PuzzleSolver => {
  const { world, onLong } = options
  let hashesPerMs = assumedRate
  return {
    async solve(puzzle, { maxEffort: ownMost = Infinity, signal }) {
      const maxEffort = Math.min(options.maxEffort, ownMost)
      if (puzzle.effort > maxEffort) throw dear(puzzle, maxEffort)
      const expectedMs = puzzle.effort / hashesPerMs
      if (expectedMs > longMs) onLong?.({ puzzle, expectedMs })
      // Drawn, since a solution is good for one request only, and two requests may be made with one cookie.
      const nonce = world.randomBytes(nonceBytes)
      const startMs = world.monotonicMs()
      for (let slices = 1; ; slices++) {
        throwIfAborted(signal)
        const solution = searchSolution(puzzle, nonce, triesPerSlice)
        if (solution !== null) return solution
        // What else was done meanwhile counts: it will be there the next time as well.
        if (slices % 64 === 0) {
          hashesPerMs = (slices * triesPerSlice) / Math.max(1, world.monotonicMs() - startMs)
        }
        await nextTurn()
      }
    },
  }
}

const dear = ({ effort, server, purpose }: Puzzle, maxEffort: number): SecnodeError =>
  new SecnodeError(
    'NET_PUZZLE_DEAR',
    `peer ${bytesToHex(server)} asks for ${effort} hashes of work on ${purpose}; at most ${maxEffort} are allowed`,
    { hint: 'The node is under load: ask another one, ask later, or allow more work.' },
  )
