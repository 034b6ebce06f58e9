import { parentPort } from 'node:worker_threads'
import { isSecnodeError, messageOf } from '../errors.ts'
import { createEpochReader, type EpochJob, type EpochReading, type ReadEpoch } from '../week/week-job.ts'

/** What a thread is asked. An epoch stays in it from `read` to `check`. */
export type WorkerRequest =
  | { is: 'read'; call: number; id: number; job: EpochJob }
  | { is: 'check'; call: number; id: number; rows: Uint32Array }

export type WorkerAnswer =
  | { call: number; is: 'read'; reading: EpochReading }
  | { call: number; is: 'checked'; failed: Uint32Array }
  | {
      call: number
      is: 'failed'
      code: string
      message: string
      hint: string | undefined
      exitCode: 1 | 2 | 3
    }

/** Answers one request; the transferable buffers are those that the asker gets for good. */
export const createWeekWorker = (): ((request: WorkerRequest) => {
  answer: WorkerAnswer
  transfer: ArrayBuffer[]
}) => {
  const read = createEpochReader()
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

// Absent when a test or a small week runs it on the calling thread.
if (parentPort !== null) {
  const port = parentPort
  const answer = createWeekWorker()
  port.on('message', (request: WorkerRequest) => {
    const { answer: message, transfer } = answer(request)
    port.postMessage(message, transfer)
  })
}
