import { type ChildProcess, fork } from 'node:child_process'
import { on, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { CrowdMessage, CrowdTask } from './task.ts'

/** A process of strangers: ready, but they do nothing before they are told to go. */
export const startCrowd = async (task: CrowdTask) => {
  const child: ChildProcess = fork(fileURLToPath(new URL('./process.ts', import.meta.url)))
  const messages = on(child, 'message')
  const next = async (): Promise<CrowdMessage> => ((await messages.next()).value as [CrowdMessage])[0]
  child.send(task)
  await next()
  return {
    /** What became of them, when they have done it or were told to stop. */
    go: async (): Promise<Record<string, number>> => {
      child.send('go')
      const message = await next()
      return message.is === 'done' ? message.outcomes : {}
    },
    stop: () => child.send('stop'),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of the heap that are in use. */
export const heapInUse = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
