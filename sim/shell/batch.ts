import { availableParallelism } from 'node:os'
import { SimulationError } from '../errors.ts'
import { type Plan, type PointSummary, summarise, tasksOf, type TaskResult } from '../tasks.ts'
import type { SimIo } from './io.ts'
import { runOnThreads } from './pool.ts'
import {
  checkDirectory,
  distinctSources,
  keyOf,
  openProgress,
  readResults,
  type Shard,
  type Source,
  writeResults,
} from './results.ts'

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
  const progress = out === null ? null : openProgress(out, keyOf(plan), shard)
  if (progress !== null) warnOfSources(io, progress.sources)
  const results: TaskResult[] = [...(progress?.done ?? [])]
  const done = new Set(results.map(({ index }) => index))
  const left = tasks.filter(({ index }) => !done.has(index))
  const report = createReport(io, tasks.length, results.length)
  const threads = options.threads ?? availableParallelism()
  const onResult = (result: TaskResult): void => {
    results.push(result)
    progress?.add(result)
    report.done(result.index)
  }
  try {
    await runOnThreads(plan, left, threads, io.signal, onResult, report.progress)
  } catch (error) {
    if (io.signal.aborted && out !== null)
      io.stderr(
        `Broken off after ${results.length} of ${tasks.length} runs; the same command goes on from there\n`,
      )
    throw error
  }
  if (out !== null && progress !== null)
    return writeResults(out, plan, all.length, shard, results, progress.sources)
  return summarise(results.toSorted((a, b) => a.index - b.index))
}

/** Joins the parts of one sweep: the same bytes as if it had run in one piece. */
export const mergeBatch = (io: SimIo, out: string, directories: readonly string[]): PointSummary[] => {
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
  const sources = distinctSources(parts.map(({ manifest: { commit, node } }) => ({ commit, node })))
  warnOfSources(io, sources)
  const missing = first.manifest.tasks - byIndex.size
  if (missing > 0) {
    throw new SimulationError(
      'bad-parts',
      `${missing} of ${first.manifest.tasks} runs are missing`,
      'name the directories of all parts',
    )
  }
  checkDirectory(out, first.manifest.key, null)
  return writeResults(out, first.manifest.plan, first.manifest.tasks, null, [...byIndex.values()], sources)
}

/** Runs of different sources may differ: who mixes them is told, and the manifest names all of them. */
const warnOfSources = (io: SimIo, sources: readonly Source[]): void => {
  if (sources.length < 2) return
  const texts = sources.map(({ commit, node }) => `${commit ?? 'unknown'} on ${node}`)
  io.stderr(`These runs were made by different sources: ${texts.join(', ')}\n`)
}

/** On a pipe nobody wants more lines than this while nothing is finished. */
const secondsBetweenLines = 10

interface Report {
  progress: (index: number, share: number) => void
  done: (index: number) => void
}

/**
 * Progress with the time that is left, on stderr: redrawn on a terminal, else a line at each tenth of the runs and every
 * ten seconds in between. One run that is quick says nothing.
 */
const createReport = (io: SimIo, total: number, before: number): Report => {
  const started = performance.now()
  const shares = new Map<number, number>()
  let finished = before
  let saidAt = started
  const say = (now: number): void => {
    const work = [...shares.values()].reduce((sum, share) => sum + share, finished)
    const percent = Math.floor((100 * work) / total)
    // Before anything is done nobody knows how long the rest takes.
    const isKnown = work > before
    const leftSeconds = ((now - started) / 1_000 / (work - before)) * (total - work)
    const line = `${finished} of ${total} runs, ${percent} %${isKnown ? `, about ${Math.ceil(leftSeconds)} s left` : ''}`
    io.stderr(io.isTerminal ? `\r\u001b[K${line}${finished === total ? '\n' : ''}` : `${line}\n`)
    saidAt = now
  }
  return {
    progress: (index, share) => {
      shares.set(index, share)
      const now = performance.now()
      if (now - saidAt > (io.isTerminal ? 1_000 : 1_000 * secondsBetweenLines)) say(now)
    },
    done: (index) => {
      shares.delete(index)
      const tenth = Math.floor((10 * finished) / total)
      finished++
      if (total === 1 && saidAt === started) return
      if (io.isTerminal || Math.floor((10 * finished) / total) > tenth) say(performance.now())
    },
  }
}
