import PQueue from 'p-queue'
import { SecnodeError } from '../errors.ts'

export interface LimitOptions {
  /** Tasks that run at once. */
  maxRunning: number
  /** Tasks that wait for a place; one more is refused. */
  maxWaiting: number
}

/** Runs a bounded number of tasks at once; a bounded number of others wait in the order in which they came. */
export interface Limit {
  /**
   * Runs `work` once it has a place. Errors: ASYNC_FULL if too many wait already; the reason of the signal if that aborts
   * while the task waits (a running task heeds the signal itself); else what `work` rejects with.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>
  running(): number
  waiting(): number
}

export const createLimit = ({ maxRunning, maxWaiting }: LimitOptions): Limit => {
  const queue = new PQueue({ concurrency: maxRunning })
  return {
    run: async (work, signal) => {
      if (queue.pending >= maxRunning && queue.size >= maxWaiting) {
        throw new SecnodeError('ASYNC_FULL', `${queue.size} tasks wait already`)
      }
      return await queue.add(work, signal === undefined ? {} : { signal })
    },
    running: () => queue.pending,
    waiting: () => queue.size,
  }
}
