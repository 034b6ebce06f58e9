import type { Logger } from 'pino'
import { createLimit } from '../async/limit.ts'

/** Work that runs beside the caller and that `stop` waits for; at most `maxRunning` at once, the rest queues. */
export interface Tasks {
  /** False if the queue is full: the caller decides what that means. */
  run(name: string, work: (signal: AbortSignal) => Promise<void>): boolean
  /** Aborts all, forgets what waits and waits for what runs. Idempotent. */
  stop(): Promise<void>
}

export const createTasks = (logger: Logger, maxRunning: number, maxWaiting: number): Tasks => {
  const stopping = new AbortController()
  const { signal } = stopping
  const limit = createLimit({ maxRunning, maxWaiting })
  /** Those that wait included. */
  const tasks = new Set<Promise<void>>()

  return {
    run(name, work) {
      if (signal.aborted || limit.isFull()) return false
      const task = limit
        .run(() => work(signal), signal)
        .catch((error: unknown) => {
          if (!signal.aborted) logger.error({ err: error, task: name }, 'a task failed')
        })
        .finally(() => tasks.delete(task))
      tasks.add(task)
      return true
    },
    async stop() {
      stopping.abort(new Error('stopping'))
      await Promise.all(tasks)
    },
  }
}
