// Says which Node runs it, as a worker thread or as a child process. Types are there to be stripped.
import { parentPort } from 'node:worker_threads'

const version: string = process.version
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
if (parentPort !== null) parentPort.postMessage(version)
else process.stdout.write(`${version}\n`)
