import { LRUCache } from 'lru-cache'
import {
  bytesToHex,
  encodePaidRequest,
  type NetworkId,
  type PuzzleAnswer,
  puzzleAnswerCodec,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'
import type { NetMetrics } from './counters.ts'
import type { PuzzleSolver } from './puzzle-solver.ts'

export interface TollsOptions {
  networkId: NetworkId
  /** This node's key. */
  client: Uint8Array
  solver: PuzzleSolver
  world: Pick<World, 'monotonicMs'>
  metrics: NetMetrics
}

/** The side that is asked to work (R-PUZ-1). */
export interface Tolls {
  /**
   * One request and its answer; before it, as often as it takes, the work that the other side asks for. `send` makes one
   * exchange. Errors: those of `send` and of the solver, and NET_PUZZLE_REFUSED if the other side takes none of it.
   */
  exchange(
    to: { server: Uint8Array; purpose: string },
    request: Uint8Array,
    send: (bytes: Uint8Array) => Promise<Uint8Array>,
    /** `maxEffort`: less than the solver's own bound, for this request. */
    options: { maxEffort?: number | undefined; signal: AbortSignal },
  ): Promise<Uint8Array>
}

/** The price may rise while the work is done, and others may do more. */
const maxSolutions = 5
/** A cookie is good for at least as long (R-PUZ-3). */
const cookieMs = 60_000
const maxRemembered = 64

export const createTolls = ({ networkId, client, solver, world, metrics }: TollsOptions): Tolls => {
  /** What was told lately, so that the next request to the same server need not be made twice. */
  const toldByName = new LRUCache<string, Told>({ max: maxRemembered })

  const remembered = (name: string): Told | null => {
    const told = toldByName.peek(name)
    if (told === undefined) return null
    if (told.untilMs > world.monotonicMs()) return told
    toldByName.delete(name)
    return null
  }

  return {
    async exchange({ server, purpose }, request, send, { maxEffort = Infinity, signal }) {
      const name = `${bytesToHex(server)} ${purpose}`
      const pay = async ({ cookie, effort }: Told): Promise<Uint8Array> => {
        try {
          const puzzle = { networkId, purpose, server, client, cookie, effort }
          const solution = await solver.solve(puzzle, { maxEffort, signal })
          metrics.increment('puzzles', 'solved')
          return encodePaidRequest(solution, request)
        } catch (error) {
          metrics.increment('puzzles', error instanceof SecnodeError ? error.code : 'failed')
          throw error
        }
      }

      let told = remembered(name)
      for (let solutions = 0; ; solutions++) {
        const answer = await send(told === null ? request : await pay(told))
        const puzzle = readPuzzle(answer)
        if (puzzle === null) return answer
        if (solutions === maxSolutions || !isWorthMore(puzzle[3])) {
          metrics.increment('puzzles', 'NET_PUZZLE_REFUSED')
          throw refusedBy(name, puzzle[3])
        }
        told = {
          cookie: puzzle[1],
          effort: nextEffort(puzzle, told),
          untilMs: world.monotonicMs() + cookieMs,
        }
        toldByName.set(name, told)
      }
    },
  }
}

interface Told {
  cookie: Uint8Array
  effort: number
  untilMs: number
}

const puzzleHead = puzzleAnswerCodec.encode(['puzzle', new Uint8Array(16), 1, 'a']).slice(0, 8)

/** Anything else is an answer, and whether it makes sense is for whoever asked. */
const readPuzzle = (answer: Uint8Array): PuzzleAnswer | null => {
  if (!puzzleHead.every((byte, i) => answer[i] === byte)) return null
  const decoded = puzzleAnswerCodec.decode(answer)
  return decoded.is === 'ok' ? decoded.value : null
}

/** False for what another solution does not mend. */
const isWorthMore = (code: string): boolean => !['malformed', 'wrong-purpose', 'wrong-peer'].includes(code)

/** Whoever was outbid does twice as much, as clients of onion services do, at most what the largest effort allows. */
const nextEffort = ([, , effort, code]: PuzzleAnswer, before: Told | null): number => {
  const isTooLittle = before !== null && (code === 'outbid' || code === 'late')
  return isTooLittle ? Math.min(Math.max(effort, 2 * before.effort), 0xffff_ffff) : effort
}

const refusedBy = (name: string, code: string): SecnodeError =>
  new SecnodeError('NET_PUZZLE_REFUSED', `peer ${name} takes no work for its answer: ${code}`, {
    hint: 'The node is under load, or does not follow R-PUZ: ask another one.',
  })
