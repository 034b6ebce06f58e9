import { availableParallelism } from 'node:os'
import { SimulationError } from '../errors.ts'
import { type Plan, type PointSummary, summarise, tasksOf, type TaskResult } from '../tasks.ts'
import type { SimIo } from './io.ts'
import { runOnThreads } from './pool.ts'
import { keyOf, openProgress, readResults, type Shard, writeResults } from './results.ts'

export interface BatchOptions {
  /** Where results go; null keeps them in memory. */
  out: string | null
  threads: number | null
  shard: Shard | null
}

/** Runs a plan, or what is left of it, and writes its results. */
export const runBatch = async (
  io: SimIo,
  plan: Plan,
  origin: string,
  options: BatchOptions,
): Promise<PointSummary[]> => {
  const all = tasksOf(plan, origin)
  const { shard, out } = options
  const tasks = shard === null ? all : all.filter(({ index }) => index % shard.of === shard.part - 1)
  const progress = out === null ? null : openProgress(out, keyOf(plan))
  const results: TaskResult[] = [...(progress?.done ?? [])]
  const done = new Set(results.map(({ index }) => index))
  const left = tasks.filter(({ index }) => !done.has(index))
  const report = createReport(io, tasks.length, results.length)
  await runOnThreads(plan, left, options.threads ?? availableParallelism(), io.signal, (result) => {
    results.push(result)
    progress?.add(result)
    report(results.length)
  })
  if (out !== null) return writeResults(out, plan, all.length, shard, results)
  return summarise(results.toSorted((a, b) => a.index - b.index))
}

/** Joins the parts of one sweep: the same bytes as if it had run in one piece. */
export const mergeBatch = (out: string, directories: readonly string[]): PointSummary[] => {
  const parts = directories.map((directory) => ({ directory, ...readResults(directory) }))
  const first = parts[0]!
  const byIndex = new Map<number, TaskResult>()
  for (const { directory, manifest, results } of parts) {
    if (manifest.key !== first.manifest.key || manifest.tasks !== first.manifest.tasks) {
      throw new SimulationError(
        'bad-parts',
        `${directory} and ${first.directory} are not parts of one sweep`,
        'give every part the same scenario, options and version',
      )
    }
    for (const result of results) byIndex.set(result.index, result)
  }
  const missing = first.manifest.tasks - byIndex.size
  if (missing > 0) {
    throw new SimulationError(
      'bad-parts',
      `${missing} of ${first.manifest.tasks} runs are missing`,
      'name the directories of all parts',
    )
  }
  return writeResults(out, first.manifest.plan, first.manifest.tasks, null, [...byIndex.values()])
}

/** Progress with the time that is left, on stderr: redrawn on a terminal, else a line at each tenth. */
const createReport = (io: SimIo, total: number, before: number): ((done: number) => void) => {
  const started = performance.now()
  let tenth = Math.floor((10 * before) / total)
  return (done) => {
    if (total === 1) return
    const leftSeconds = ((performance.now() - started) / (done - before) / 1_000) * (total - done)
    const line = `${done} of ${total} runs, about ${Math.ceil(leftSeconds)} s left`
    if (io.isTerminal) io.stderr(`\r\u001b[K${line}${done === total ? '\n' : ''}`)
    else if (Math.floor((10 * done) / total) > tenth) io.stderr(`${line}\n`)
    tenth = Math.floor((10 * done) / total)
  }
}
