import type { Logger } from 'pino'

/** Work that runs beside the caller and that `stop` waits for; at most `maxRunning` at once, the rest queues. */
export interface Tasks {
  /** False if the queue is full: the caller decides what that means. */
  run(name: string, work: (signal: AbortSignal) => Promise<void>): boolean
  readonly running: number
  /** Aborts all, forgets what waits and waits for what runs. Idempotent. */
  stop(): Promise<void>
}

export const createTasks = (logger: Logger, maxRunning: number, maxWaiting: number): Tasks => {
  const abort = new AbortController()
  const running = new Set<Promise<void>>()
  const waiting: (() => void)[] = []

  const start = (name: string, work: (signal: AbortSignal) => Promise<void>): void => {
    const task = work(abort.signal)
      .catch((error: unknown) => {
        if (!abort.signal.aborted) logger.error({ err: error, task: name }, 'a task failed')
      })
      .finally(() => {
        running.delete(task)
        if (!abort.signal.aborted) waiting.shift()?.()
      })
    running.add(task)
  }

  return {
    run(name, work) {
      if (abort.signal.aborted) return false
      if (running.size < maxRunning) start(name, work)
      else if (waiting.length < maxWaiting) waiting.push(() => start(name, work))
      else return false
      return true
    },
    get running() {
      return running.size
    },
    async stop() {
      abort.abort(new Error('stopping'))
      waiting.length = 0
      await Promise.allSettled(running)
    },
  }
}
