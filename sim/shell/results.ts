import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import packageJson from '../../package.json' with { type: 'json' }
import { SimulationError } from '../errors.ts'
import { reportOf } from '../report.ts'
import type { Scenario } from '../scenario.ts'
import { pointsOf, valueText } from '../setting.ts'
import { type Plan, type PointSummary, scenarioAt, summarise, type TaskResult } from '../tasks.ts'

/** Part i of n of a sweep, from 1. */
export interface Shard {
  part: number
  of: number
}

/** What a directory of results was made from, and what is in it. No times: the same command gives the same bytes. */
export interface Manifest {
  /** SHA-256 over plan and version: results of one key belong together. */
  key: string
  plan: Plan
  seed: number
  /** The scenario with every default filled in, at the first point of the sweep. */
  parameters: Scenario
  /** Runs in the whole sweep, and the part of them that is here. */
  tasks: number
  shard: Shard | null
  version: string
  /** Node's version, and the simulator's source; several of them where parts of a sweep, or its resumption, had others. */
  node: string
  /** With a + if sim/ or protocol/ were changed since; null outside of a clone. */
  commit: string | null
  /** SHA-256 by file. */
  files: Record<string, string>
}

const files = {
  runs: 'runs.jsonl',
  summary: 'summary.csv',
  manifest: 'manifest.json',
  report: 'report.html',
  progress: 'progress.jsonl',
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export const keyOf = (plan: Plan): string => sha256(JSON.stringify({ version: packageJson.version, plan }))

/** What runs were made by. */
export interface Source {
  commit: string | null
  node: string
}

const isSameSource = (a: Source, b: Source): boolean => a.commit === b.commit && a.node === b.node

/** Each once. */
export const distinctSources = (sources: readonly Source[]): Source[] =>
  sources.filter((source, i) => sources.findIndex((other) => isSameSource(other, source)) === i)

const commitOfSource = (): string | null => {
  try {
    const cwd = fileURLToPath(new URL('../..', import.meta.url))
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd, encoding: 'utf8', stdio: 'pipe' }).trim()
    const changes = git('status', '--porcelain', '--', 'sim', 'protocol')
    return `${git('rev-parse', 'HEAD')}${changes === '' ? '' : '+'}`
  } catch {
    return null
  }
}

/** Results so far of a sweep that was broken off, so that it goes on where it stood. */
export interface Progress {
  done: readonly TaskResult[]
  /** That made what is done, and the one at work now. */
  sources: readonly Source[]
  add(result: TaskResult): void
}

/** Refuses a directory that holds anything of another plan, or of another part of it. */
export const checkDirectory = (directory: string, key: string, shard: Shard | null): void => {
  if (!existsSync(join(directory, files.manifest))) return
  if (!isSamePart(readManifest(directory), { key, shard })) throw anotherPlan(directory)
}

const isSamePart = (a: Pick<Manifest, 'key' | 'shard'>, b: Pick<Manifest, 'key' | 'shard'>): boolean =>
  a.key === b.key && a.shard?.part === b.shard?.part && a.shard?.of === b.shard?.of

/** Begins or goes on in `directory`. Refuses one that holds anything of another plan, or of another part of it. */
export const openProgress = (directory: string, key: string, shard: Shard | null): Progress => {
  mkdirSync(directory, { recursive: true })
  checkDirectory(directory, key, shard)
  const path = join(directory, files.progress)
  const now: Source = { commit: commitOfSource(), node: process.version }
  const add = (result: TaskResult): void => appendFileSync(path, `${JSON.stringify(result)}\n`)
  const begin = (sources: readonly Source[], lines: readonly string[]): void =>
    writeFileSync(
      path,
      [JSON.stringify({ key, shard, sources }), ...lines].map((line) => `${line}\n`).join(''),
    )
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  // A kill may have cut the last line short: what follows the last line end is done again.
  const [head, ...lines] = text.split('\n').slice(0, -1)
  if (head === undefined) {
    begin([now], [])
    return { done: [], sources: [now], add }
  }
  const begun = JSON.parse(head) as { key: string; shard: Shard | null; sources: Source[] }
  if (!isSamePart(begun, { key, shard })) throw anotherPlan(directory)
  const sources = distinctSources([...begun.sources, now])
  if (!text.endsWith('\n') || sources.length > begun.sources.length) begin(sources, lines)
  return { done: lines.map((line) => JSON.parse(line) as TaskResult), sources, add }
}

const anotherPlan = (directory: string): SimulationError =>
  new SimulationError(
    'bad-directory',
    `${directory} holds results of another scenario, sweep, part or version`,
    'write another --out, or remove that directory',
  )

/** Writes everything under its final name, the manifest last; then the progress is not needed any more. */
export const writeResults = (
  directory: string,
  plan: Plan,
  tasks: number,
  shard: Shard | null,
  results: readonly TaskResult[],
  sources: readonly Source[],
): PointSummary[] => {
  mkdirSync(directory, { recursive: true })
  const sorted = results.toSorted((a, b) => a.index - b.index)
  const summary = summarise(sorted)
  const texts: Record<string, string> = {
    [files.runs]: sorted.map((result) => `${JSON.stringify(result)}\n`).join(''),
    [files.summary]: csvOf(summary),
  }
  const parameters = scenarioAt(plan, pointsOf(plan.axes)[0] ?? [], 'scenario')
  const manifest: Manifest = {
    key: keyOf(plan),
    plan,
    seed: parameters.seed,
    parameters,
    tasks,
    shard,
    version: packageJson.version,
    node: joined(sources.map(({ node }) => node)),
    commit: sources.every(({ commit }) => commit === null)
      ? null
      : joined(sources.map(({ commit }) => commit ?? 'unknown')),
    files: Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, sha256(text)])),
  }
  texts[files.report] = reportOf(plan, sorted, manifest)
  texts[files.manifest] = `${JSON.stringify(manifest, null, 2)}\n`
  for (const [name, text] of Object.entries(texts)) {
    const path = join(directory, name)
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }
  rmSync(join(directory, files.progress), { force: true })
  return summary
}

const joined = (texts: readonly string[]): string => [...new Set(texts)].join(', ')

const csvField = (value: string | number | null): string => {
  const text = value === null ? '' : String(value)
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Draws the page of a finished directory anew; gives its path. */
export const writeReport = (directory: string): string => {
  const { manifest, results } = readResults(directory)
  const path = join(directory, files.report)
  writeFileSync(path, reportOf(manifest.plan, results, manifest))
  return path
}

/** A row for each point and measure; the settings of the point in columns of their own. */
export const csvOf = (summary: readonly PointSummary[]): string => {
  const paths = (summary[0]?.settings ?? []).map(({ path }) => path)
  const rows = [['point', ...paths, 'measure', 'mean', 'low95', 'high95', 'repeats']] as (
    string | number | null
  )[][]
  for (const { point, settings, estimates } of summary) {
    const at = settings.map(({ value }) => valueText(value))
    for (const [measure, { mean, low, high, repeats }] of Object.entries(estimates))
      rows.push([point, ...at, measure, mean, low, high, repeats])
  }
  return rows.map((row) => `${row.map(csvField).join(',')}\n`).join('')
}

export const readManifest = (directory: string): Manifest => {
  const path = join(directory, files.manifest)
  if (!existsSync(path)) {
    throw new SimulationError(
      'bad-directory',
      `${directory} holds no finished results`,
      'write a directory that `sim run --out` or `sim sweep --out` has finished',
    )
  }
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Manifest
  } catch (error) {
    throw new SimulationError(
      'bad-directory',
      `${path} is no manifest`,
      'run the command that wrote it again',
      error,
    )
  }
}

/** The runs of a finished directory; refuses files that are not what their manifest says. */
export const readResults = (directory: string): { manifest: Manifest; results: TaskResult[] } => {
  const manifest = readManifest(directory)
  const path = join(directory, files.runs)
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (sha256(text) !== manifest.files[files.runs]) {
    throw new SimulationError(
      'bad-hash',
      `${path} is not the file that its manifest names`,
      'it was changed afterwards: run the command of the manifest again',
    )
  }
  return {
    manifest,
    results: text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as TaskResult),
  }
}
