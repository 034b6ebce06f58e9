import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Plan, Task, TaskResult } from '../tasks.ts'
import type { WorkerMessage } from './worker.ts'

// `.ts` in a clone, `.js` where it was built.
const workerFile = new URL(`./worker${extname(import.meta.url)}`, import.meta.url)

/**
 * Runs tasks on so many threads and hands each result over as it comes, in any order; `onProgress` hears the share of a
 * running task that is done. Rejects with the first error or when the signal aborts; all threads have ended when it settles.
 */
export const runOnThreads = async (
  plan: Plan,
  tasks: readonly Task[],
  threads: number,
  signal: AbortSignal,
  onResult: (result: TaskResult) => void,
  onProgress: (index: number, share: number) => void,
): Promise<void> => {
  const left = [...tasks].reverse()
  const workers = Array.from(
    { length: Math.min(threads, tasks.length) },
    () => new Worker(workerFile, { workerData: plan }),
  )
  const abort = Promise.withResolvers<never>()
  const onAbort = (): void => abort.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const drain = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = (): void => {
        const task = left.pop()
        if (task === undefined) resolve()
        else worker.postMessage(task, [])
      }
      worker.on('message', (message: WorkerMessage) => {
        try {
          if (message.is === 'progress') {
            onProgress(message.index, message.share)
            return
          }
          onResult(message.result)
          next()
        } catch (error) {
          reject(error)
        }
      })
      worker.on('error', reject)
      worker.on('exit', (code) => reject(new Error(`a simulation thread ended with code ${code}`)))
      next()
    })
  try {
    await Promise.race([Promise.all(workers.map(drain)), abort.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}
