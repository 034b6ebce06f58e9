import { execFile } from 'node:child_process'
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { exportBundle } from '../../src/week/bundle.ts'
import { tallyBundle } from '../../src/week/index.ts'
import { sha256, sinkOf } from '../../src/week-io/native.ts'
import { nativeEngine } from '../../src/week-io/worker-pool.ts'
import { nodesOf, seedOf } from '../protocol/fixture.ts'
import { newDirectory } from '../store/directories.ts'
import { createAnchoredSet, earlierWeek, params, week } from '../week/anchored-set.ts'
import { textOf } from '../week/in-browser.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const project = newDirectory()
const installed = join(project, 'node_modules', 'secnode')
const run = promisify(execFile)
const set = createAnchoredSet({
  seats: 9,
  epochs: [
    [earlierWeek, [5, 6]],
    [week, [7, 8, 9, 10]],
  ],
  equivocators: [4],
})
const facts = {
  anchored: set.chain.anchored,
  frame: set.chain.frame,
  chain: 'zcash-regtest',
  week,
  anchor: { height: 1_000, hash: seedOf('anchor') },
  fund: 1_000_000n,
} as const

/** The program of docs/implementers.md, as it stands there. */
const tenLines = (): string => {
  const page = readFileSync(join(root, 'docs', 'implementers.md'), 'utf8')
  return /```ts\n(import [\s\S]*?)```/.exec(page)![1]!
}

/** Every package that `dependencies` bring in, and no other: links, since a test must not need a registry. */
const linkDependencies = async (): Promise<void> => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: true }>
  }
  for (const [path, { dev }] of Object.entries(packages)) {
    // Types of Node are what a program in TypeScript has of its own.
    const isOwn = /^node_modules\/(?:@types\/node|undici-types)$/.test(path)
    if ((dev === true && !isOwn) || path === '' || path.includes('/node_modules/')) continue
    if (!existsSync(join(root, path))) continue
    await mkdir(dirname(join(project, path)), { recursive: true })
    await symlink(join(root, path), join(project, path))
  }
}

beforeAll(async () => {
  await run('npm', ['pack', '--pack-destination', project], { cwd: root })
  const packed = (await readdir(project)).find((name) => name.endsWith('.tgz'))!
  await mkdir(installed, { recursive: true })
  await run('tar', ['-xzf', join(project, packed), '-C', installed, '--strip-components=1'])
  await linkDependencies()
  await cp(new URL('project', import.meta.url), project, { recursive: true })
  await writeFile(join(project, 'tally.ts'), tenLines())
  await exportBundle(set.source, week, sinkOf(createWriteStream(join(project, `${week}.car`))), {
    sha256,
    withEvidence: true,
  })
  await writeFile(join(project, `${week}.json`), textOf({ ...facts, snapshot: nodesOf(9), params }))
})

test('R-CP-8 R-TALLY-7 ten lines over the packed tarball, in an empty project, tally a bundle', async () => {
  expect(tenLines().trim().split('\n').length).toBeLessThanOrEqual(12)
  const node = ['--preserve-symlinks', '--preserve-symlinks-main']
  const { stdout } = await run(process.execPath, [...node, 'tally.ts'], { cwd: project })
  const { digest, document } = await tallyBundle(
    readFileStream(),
    { ...set.chain, ...facts },
    nativeEngine(0),
  )
  expect(stdout).toBe(`${digest} ${document.totals.paid}\n`)
})

test('its types are whole: the program compiles, and with a wrong name it does not', async () => {
  const compile = async (): Promise<string> => {
    const { stdout } = await run(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'],
      {
        cwd: project,
      },
    ).catch((error: unknown) => error as { stdout: string })
    return stdout
  }
  expect(await compile()).toBe('')
  await writeFile(join(project, 'tally.ts'), tenLines().replace('totals.paid', 'totals.payed'))
  expect(await compile()).toContain("'payed'")
})

test('the command of the package runs', async () => {
  const { stdout } = await run(process.execPath, [join(installed, 'dist/src/cli/main.js'), '--help'])
  expect(stdout).toContain('Usage: secnode')
})

async function* readFileStream(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(readFileSync(join(project, `${week}.car`)))
}
