import { sha256 } from '@noble/hashes/sha2.js'
import {
  bytesToHex,
  encodePaidRequest,
  nonceBytes,
  type Puzzle,
  puzzleAnswerCodec,
  searchSolution,
  syncRequestCodec,
} from '../../protocol/index.ts'

const hex = bytesToHex

/** R-PUZ-1, R-PUZ-2: a puzzle, its first solution counted from nonce 0, and the request that is paid with it. */
export const puzzleVector = (puzzle: Puzzle) => {
  const solution = searchSolution(puzzle, new Uint8Array(nonceBytes), 100_000)!
  const request = syncRequestCodec.encode(['roots', 2, 2])
  return {
    purpose: puzzle.purpose,
    server: hex(puzzle.server),
    client: hex(puzzle.client),
    cookie: hex(puzzle.cookie),
    effort: puzzle.effort,
    answer: hex(puzzleAnswerCodec.encode(['puzzle', puzzle.cookie, puzzle.effort, 'unpaid'])),
    nonce: hex(solution.subarray(-nonceBytes)),
    solution: hex(solution),
    hash: hex(sha256(solution)),
    request: hex(request),
    paid: hex(encodePaidRequest(solution, request)),
  }
}
