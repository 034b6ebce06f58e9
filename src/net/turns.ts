import { onNextTurn } from '../async/slices.ts'

/** One of those that take turns, as a circuit in one direction. */
export interface Turn {
  /** Does one piece of work; true if there is more that may be done now. */
  (): boolean
}

/**
 * Round robin: whoever has work gets one piece done in each round, so that nobody waits for another's queue. After a
 * few pieces everything else of the process has its turn.
 */
export interface Turns {
  /** There is work for this one; twice is no more than once. */
  ready(turn: Turn): void
}

/** Cells at some 20 µs each: about a millisecond without a look at the sockets. */
const piecesAtOnce = 48

export const createTurns = (): Turns => {
  const queue = new Set<Turn>()
  let isRunning = false

  const run = (): void => {
    for (let pieces = 0; pieces < piecesAtOnce; pieces++) {
      const [turn] = queue
      if (turn === undefined) break
      // To the end of the line, if there is more.
      queue.delete(turn)
      if (turn()) queue.add(turn)
    }
    isRunning = queue.size > 0
    if (isRunning) onNextTurn(run)
  }

  return {
    ready: (turn) => {
      queue.add(turn)
      if (isRunning) return
      isRunning = true
      onNextTurn(run)
    },
  }
}
