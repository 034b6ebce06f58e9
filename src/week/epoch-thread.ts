import { type ErrorCode, isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import type { WeekCrypto } from './ports.ts'
import { createEpochReader, type EpochJob, type EpochReading, type ReadEpoch } from './week-job.ts'

/** One thread that reads epochs. Calls are carried out in their order. */
export interface EpochThread {
  read(id: number, job: EpochJob): Promise<EpochReading>
  /** The rows whose signature does not verify; the epoch is forgotten afterwards. */
  check(id: number, rows: Uint32Array): Promise<Uint32Array>
  /** Calls that are not answered yet. */
  readonly waiting: number
  close(): Promise<void>
}

/** What a thread is asked. An epoch stays in it from `read` to `check`. */
export type ThreadRequest =
  | { is: 'read'; call: number; id: number; job: EpochJob }
  | { is: 'check'; call: number; id: number; rows: Uint32Array }

export type ThreadAnswer =
  | { call: number; is: 'read'; reading: EpochReading }
  | { call: number; is: 'checked'; failed: Uint32Array }
  | {
      call: number
      is: 'failed'
      code: ErrorCode
      message: string
      hint: string | undefined
      exitCode: 1 | 2 | 3
    }

/** Inside of a thread: answers one request. The transferable buffers are those that the asker gets for good. */
export const createThreadWork = (
  engine: WeekCrypto,
): ((request: ThreadRequest) => { answer: ThreadAnswer; transfer: ArrayBuffer[] }) => {
  const read = createEpochReader(engine)
  const epochs = new Map<number, ReadEpoch>()
  return (request) => {
    const { call, id } = request
    try {
      if (request.is === 'read') {
        const epoch = read(request.job)
        epochs.set(id, epoch)
        const { reading } = epoch
        // The indexes stay here too: signatures are checked with them. What only the asker needs goes over.
        const transfer = [reading.digests, reading.previous, reading.outcomes].map(({ buffer }) => buffer)
        return { answer: { call, is: 'read', reading }, transfer: transfer as ArrayBuffer[] }
      }
      const failed = epochs.get(id)!.checkSignatures(request.rows)
      epochs.delete(id)
      return { answer: { call, is: 'checked', failed }, transfer: [] }
    } catch (error) {
      const code = isSecnodeError(error) ? error.code : 'INTERNAL'
      const hint = isSecnodeError(error) ? error.hint : undefined
      const exitCode = isSecnodeError(error) ? error.exitCode : 1
      return { answer: { call, is: 'failed', code, message: messageOf(error), hint, exitCode }, transfer: [] }
    }
  }
}

/** A thread that is none: small weeks are done on the calling one before another has started. */
export const createLocalThread = (engine: WeekCrypto): EpochThread => {
  const work = createThreadWork(engine)
  const calls = createThreadCalls((request) => {
    void Promise.resolve().then(() => calls.settle(work(request).answer))
  })
  return calls.threadOf(() => Promise.resolve())
}

/** The asking side of a thread: what `post` carries over is answered through `settle`, or all of it fails. */
export const createThreadCalls = (post: (request: ThreadRequest, transfer: ArrayBuffer[]) => void) => {
  const pending = new Map<number, { resolve(answer: ThreadAnswer): void; reject(error: unknown): void }>()
  let last = 0
  const ask = (request: ThreadRequest, transfer: ArrayBuffer[]): Promise<ThreadAnswer> =>
    new Promise((resolve, reject) => {
      pending.set(request.call, { resolve, reject })
      post(request, transfer)
    })
  return {
    settle: (answer: ThreadAnswer): void => {
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
    threadOf: (close: () => Promise<void>): EpochThread => ({
      async read(id, job) {
        const buffers = new Set(job.blocks.map(({ bytes }) => bytes.buffer as ArrayBuffer))
        const answer = await ask({ is: 'read', call: ++last, id, job }, [...buffers])
        return (answer as Extract<ThreadAnswer, { is: 'read' }>).reading
      },
      async check(id, rows) {
        const answer = await ask({ is: 'check', call: ++last, id, rows }, [rows.buffer as ArrayBuffer])
        return (answer as Extract<ThreadAnswer, { is: 'checked' }>).failed
      },
      get waiting() {
        return pending.size
      },
      close,
    }),
  }
}
