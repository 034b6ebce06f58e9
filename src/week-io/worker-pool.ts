import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { createLocalThread, createThreadCalls, type EpochThread } from '../week/epoch-thread.ts'
import type { VerifyEngine } from '../week/verify-week.ts'
import { nativeCrypto } from './native.ts'

/** Verifies weeks on so many threads: by default as many as the machine runs at once, with 0 on the calling one. */
export const nativeEngine = (threads: number = availableParallelism()): VerifyEngine => ({
  ...nativeCrypto(),
  openThreads: () => createPool(threads),
})

const createPool = (threads: number): EpochThread[] =>
  threads === 0 ? [createLocalThread(nativeCrypto())] : Array.from({ length: threads }, () => createThread())

const createThread = (): EpochThread => {
  // Built, the file beside this one is JavaScript.
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./week-worker.${extension}`, import.meta.url))
  const calls = createThreadCalls((request, transfer) => worker.postMessage(request, transfer))
  worker.on('message', calls.settle)
  worker.on('error', calls.fail)
  worker.on('exit', (code) => calls.fail(new Error(`a thread ended with code ${code}`)))
  return calls.threadOf(async () => {
    await worker.terminate()
  })
}
