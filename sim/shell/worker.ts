import { parentPort, workerData } from 'node:worker_threads'
import { type Plan, runTask, type Task, type TaskResult } from '../tasks.ts'

/** What a thread says: how far it is with its task, or what came out. */
export type WorkerMessage =
  { is: 'progress'; index: number; share: number } | { is: 'done'; result: TaskResult }

/** Runs the tasks that it is sent, one after the other. */
const plan = workerData as Plan
const say = (message: WorkerMessage): void => parentPort!.postMessage(message, [])
parentPort!.on('message', (task: Task) => {
  const result = runTask(plan, task, (share) => say({ is: 'progress', index: task.index, share }))
  say({ is: 'done', result })
})
