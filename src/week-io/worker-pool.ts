import { Worker } from 'node:worker_threads'
import { SecnodeError } from '../errors.ts'
import type { EpochJob, EpochReading } from '../week/week-job.ts'
import { createWeekWorker, type WorkerAnswer, type WorkerRequest } from './week-worker.ts'

/** One thread that reads epochs. Calls are carried out in their order. */
export interface EpochThread {
  read(id: number, job: EpochJob): Promise<EpochReading>
  /** The rows whose signature does not verify; the epoch is forgotten afterwards. */
  check(id: number, rows: Uint32Array): Promise<Uint32Array>
  /** Calls that are not answered yet. */
  readonly waiting: number
  close(): Promise<void>
}

/** `threads` threads; with 0, one that is no thread: small weeks are done before a thread has started. */
export const createPool = (threads: number): EpochThread[] =>
  threads === 0 ? [createLocalThread()] : Array.from({ length: threads }, () => createThread())

const createThread = (): EpochThread => {
  // Built, the file beside this one is JavaScript.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./week-worker.${extension}`, import.meta.url))
  const calls = createCalls((request, transfer) => worker.postMessage(request, transfer))
  worker.on('message', calls.settle)
  worker.on('error', calls.fail)
  worker.on('exit', (code) => calls.fail(new Error(`a thread ended with code ${code}`)))
  return {
    ...calls.thread,
    get waiting() {
      return calls.waiting()
    },
    close: async () => {
      await worker.terminate()
    },
  }
}

const createLocalThread = (): EpochThread => {
  const answer = createWeekWorker()
  const calls = createCalls((request) => queueMicrotask(() => calls.settle(answer(request).answer)))
  return {
    ...calls.thread,
    get waiting() {
      return calls.waiting()
    },
    close: async () => undefined,
  }
}

const createCalls = (post: (request: WorkerRequest, transfer: ArrayBuffer[]) => void) => {
  const pending = new Map<number, { resolve(answer: WorkerAnswer): void; reject(error: unknown): void }>()
  let last = 0
  const ask = (request: WorkerRequest, transfer: ArrayBuffer[]): Promise<WorkerAnswer> =>
    new Promise((resolve, reject) => {
      pending.set(request.call, { resolve, reject })
      post(request, transfer)
    })
  return {
    settle: (answer: WorkerAnswer): void => {
      const call = pending.get(answer.call)
      pending.delete(answer.call)
      if (answer.is !== 'failed') call?.resolve(answer)
      else {
        const { code, message, hint, exitCode } = answer
        call?.reject(new SecnodeError(code, message, hint === undefined ? { exitCode } : { hint, exitCode }))
      }
    },
    fail: (error: unknown): void => {
      for (const call of pending.values()) call.reject(error)
      pending.clear()
    },
    waiting: () => pending.size,
    thread: {
      read: async (id: number, job: EpochJob): Promise<EpochReading> => {
        const buffers = new Set(job.blocks.map(({ bytes }) => bytes.buffer as ArrayBuffer))
        const answer = await ask({ is: 'read', call: ++last, id, job }, [...buffers])
        return (answer as Extract<WorkerAnswer, { is: 'read' }>).reading
      },
      check: async (id: number, rows: Uint32Array): Promise<Uint32Array> => {
        const answer = await ask({ is: 'check', call: ++last, id, rows }, [rows.buffer as ArrayBuffer])
        return (answer as Extract<WorkerAnswer, { is: 'checked' }>).failed
      },
    },
  }
}
