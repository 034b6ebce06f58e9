import { parentPort, workerData } from 'node:worker_threads'
import { type Plan, runTask, type Task } from '../tasks.ts'

/** Runs the tasks that it is sent, one after the other. */
const plan = workerData as Plan
parentPort!.on('message', (task: Task) => {
  parentPort!.postMessage(runTask(plan, task), [])
})
