import { leastAskedEffort, mostAskedEffort } from '../../protocol/index.ts'
import type { World } from '../world.ts'

/** What strangers are asked for, by what becomes of them. */
export interface PuzzlePrice {
  /** In hashes; 0 for nothing. */
  effort(): number
  /** Lets the time pass; to be called before anything else. `isWaiting` says whether somebody waits now. */
  settle(isWaiting: boolean): void
  /** Somebody has to wait. */
  waited(): void
  /** Somebody found no place who had done this much. */
  turnedAway(effort: number): void
}

const intervalMs = 1_000

/**
 * R-PUZ-4: what is asked for. It doubles in each second in which somebody who had done that work was turned away, falls
 * by a third in each in which nobody waited and few were turned away, and is 0 below the least. From nothing to the most
 * it takes 13 steps, back 21.
 */
export const createPuzzlePrice = (world: Pick<World, 'monotonicMs'>, places: number): PuzzlePrice => {
  let effort = 0
  let sinceMs = world.monotonicMs()
  let isOverloaded = false
  let hasWaited = false
  let unpaid = 0

  const settle: PuzzlePrice['settle'] = (isWaiting) => {
    const nowMs = world.monotonicMs()
    for (; nowMs - sinceMs >= intervalMs; sinceMs += intervalMs) {
      if (isOverloaded) effort = Math.min(2 * effort, mostAskedEffort)
      // Those who do not pay are not let in while work is asked for; if they were, they would fill the queue again.
      else if (!hasWaited && unpaid <= places) effort = Math.floor((effort * 2) / 3)
      if (effort < leastAskedEffort) effort = 0
      isOverloaded = false
      hasWaited = isWaiting
      unpaid = 0
      if (effort === 0) sinceMs = nowMs - intervalMs
    }
  }

  return {
    effort: () => effort,
    settle,
    waited: () => {
      hasWaited = true
    },
    turnedAway: (paid) => {
      if (paid === 0) unpaid++
      if (effort === 0) {
        effort = leastAskedEffort
        sinceMs = world.monotonicMs()
      } else if (paid >= effort) isOverloaded = true
    },
  }
}
