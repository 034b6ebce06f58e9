import { SecnodeError } from '../errors.ts'

export interface LimitOptions {
  /** Tasks that run at once. */
  maxRunning: number
  /** Tasks that wait for a place; one more is refused. */
  maxWaiting: number
  /** The error for a task that is refused; ASYNC_FULL by default. */
  whenFull?: () => Error
}

/** Runs a bounded number of tasks at once; a bounded number of others wait in the order in which they came. */
export interface Limit {
  /**
   * Resolves with a place once one is free; disposing gives it back, and more than once does nothing. Errors: ASYNC_FULL,
   * or that of `whenFull`, if too many wait already; the reason of the signal if that aborts before a place is free.
   */
  enter(signal?: AbortSignal): Promise<Disposable>
  /** Runs `work` in a place. Errors: those of `enter`, and what `work` rejects with; running work heeds the signal itself. */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>
  running(): number
  waiting(): number
  /** Whether one more task would be refused. */
  isFull(): boolean
}

export const createLimit = ({ maxRunning, maxWaiting, whenFull }: LimitOptions): Limit => {
  let running = 0
  /** In the order in which they came. */
  const waiting = new Set<() => void>()

  const takePlace = (): Disposable => {
    let hasLeft = false
    running++
    return {
      [Symbol.dispose]: () => {
        if (hasLeft) return
        hasLeft = true
        running--
        const [next] = waiting
        next?.()
      },
    }
  }

  const wait = (signal: AbortSignal | undefined): Promise<Disposable> =>
    new Promise((resolve, reject) => {
      const enter = (): void => {
        leave()
        resolve(takePlace())
      }
      const giveUp = (): void => {
        leave()
        reject(signal!.reason as Error)
      }
      const leave = (): void => {
        waiting.delete(enter)
        signal?.removeEventListener('abort', giveUp)
      }
      waiting.add(enter)
      signal?.addEventListener('abort', giveUp, { once: true })
    })

  const limit: Limit = {
    enter: async (signal) => {
      signal?.throwIfAborted()
      if (running < maxRunning) return takePlace()
      if (limit.isFull()) {
        throw whenFull?.() ?? new SecnodeError('ASYNC_FULL', `${waiting.size} tasks wait already`)
      }
      return await wait(signal)
    },
    run: async (work, signal) => {
      using _place = await limit.enter(signal)
      return await work()
    },
    running: () => running,
    waiting: () => waiting.size,
    isFull: () => running >= maxRunning && waiting.size >= maxWaiting,
  }
  return limit
}
