import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, matchesGlob, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import config from '../vitest.config.ts'

const { engines, devDependencies } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as {
  engines: { node: string }
  devDependencies: Record<string, string>
}
const major = Number(/^>=(\d+)$/.exec(engines.node)![1])
const majorOf = (version: string): number => Number(/^v(\d+)\./.exec(version)![1])

/** A script that runs from this folder's packages: Node of the dev dependency, or a newer one of the machine. */
const script = new URL('./toolchain-version.ts', import.meta.url)

test('tests run on the Node that package.json asks for', () => {
  expect(majorOf(process.version)).toBeGreaterThanOrEqual(major)
  expect(devDependencies['node']).toMatch(new RegExp(`^${major}\\.`))
})

test('a worker thread in TypeScript runs on the same', async () => {
  const worker = new Worker(script, { argv: ['worker'] })
  const version = await new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await worker.terminate()
  expect(version).toBe(process.version)
})

test('a child process in TypeScript runs on the same, by its path and by its name', async () => {
  const run = promisify(execFile)
  for (const command of [process.execPath, 'node']) {
    const { stdout } = await run(command, [script.pathname])
    expect(stdout.trim()).toBe(process.version)
  }
})

test('every test is in exactly one lane', () => {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const files = readdirSync(join(root, 'test'), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => !config.test!.exclude!.some((pattern) => matchesGlob(file, pattern)))
  const lanes = config.test!.projects!.map((lane) => (lane as { test: { include: string[] } }).test.include)
  const lanesOf = (file: string): number =>
    lanes.filter((patterns) => patterns.some((pattern) => matchesGlob(file, pattern))).length
  expect(files.length).toBeGreaterThan(200)
  expect(files.filter((file) => lanesOf(file) !== 1)).toEqual([])
})
