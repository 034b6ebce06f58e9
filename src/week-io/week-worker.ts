import { parentPort } from 'node:worker_threads'
import { createThreadWork, type ThreadRequest } from '../week/epoch-thread.ts'
import { nativeCrypto } from './native.ts'

const port = parentPort!
const work = createThreadWork(nativeCrypto())
port.on('message', (request: ThreadRequest) => {
  const { answer, transfer } = work(request)
  port.postMessage(answer, transfer)
})
