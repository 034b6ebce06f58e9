import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isSecnodeError } from '../../src/errors.ts'
import { openLevelStore } from '../../src/store/level-store.ts'
import { put } from '../../src/store/store.ts'
import { storeCompliance } from './compliance.ts'
import { newDirectory } from './directories.ts'

storeCompliance('level', async () => openLevelStore(newDirectory()))

const withCode = (code: string) => (error: unknown) => isSecnodeError(error, code) && error.hint !== undefined

/** Runs a module in its own process; `ulimit` as the shell's `ulimit -f` (blocks of 512 or 1,024 bytes). */
const runChild = (directory: string, mode: 'count' | 'hold', fileLimit?: number) => {
  const module = new URL('writer-process.ts', import.meta.url).pathname
  // A process whose SIGXFSZ is ignored gets EFBIG from write(), as it would ENOSPC on a full disk.
  const limit =
    fileLimit === undefined ? '' : `trap '' XFSZ 2>/dev/null || trap '' 25; ulimit -f ${fileLimit};`
  return spawn('/bin/sh', ['-c', `${limit} exec "$0" "$@"`, process.execPath, module, directory, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

const lineOf = async (
  child: ReturnType<typeof runChild>,
  wanted: (line: string) => boolean,
): Promise<string> => {
  let rest = ''
  for await (const chunk of child.stdout) {
    rest += String(chunk)
    const lines = rest.split('\n')
    rest = lines.pop()!
    const found = lines.find(wanted)
    if (found !== undefined) return found
  }
  throw new Error(`the process ended without the line; it left ${rest}`)
}

/** Checks that each batch of the writer is there as a whole or not at all, and gives the number of the last one. */
const assertWholeBatches = async (directory: string): Promise<number> => {
  await using store = await openLevelStore(directory)
  const counts = new Map<number, number>()
  for await (const [key] of store.range()) {
    const batch = new DataView(key.buffer, key.byteOffset).getUint32(0)
    counts.set(batch, (counts.get(batch) ?? 0) + 1)
  }
  expect([...counts.keys()]).toEqual(Array.from({ length: counts.size }, (_, i) => i))
  for (const count of counts.values()) expect(count).toBe(20)
  return counts.size - 1
}

describe('level store and the world', () => {
  test('a second opening is refused with STORE_LOCKED, from this process and from another', async () => {
    const directory = newDirectory()
    const child = runChild(directory, 'hold')
    await lineOf(child, (line) => line === 'open')
    await expect(openLevelStore(directory)).rejects.toSatisfy(withCode('STORE_LOCKED'))
    child.kill('SIGKILL')
    await once(child, 'exit')
    // The lock dies with its process.
    await using _store = await openLevelStore(directory)
    await expect(openLevelStore(directory)).rejects.toSatisfy(withCode('STORE_LOCKED'))
  })

  test('kill -9 in the middle of writing leaves whole batches only', async () => {
    const directory = newDirectory()
    for (const batches of [3, 40, 200]) {
      const child = runChild(directory, 'count')
      const line = await lineOf(child, (text) => Number(text) >= batches)
      child.kill('SIGKILL')
      await once(child, 'exit')
      // Every batch that was acknowledged is there: a killed process loses nothing that write() took.
      expect(await assertWholeBatches(directory)).toBeGreaterThanOrEqual(Number(line))
    }
  })

  test('a full disk is STORE_FULL, and what was there before is intact', async () => {
    const directory = newDirectory()
    const child = runChild(directory, 'count', 64)
    const line = await lineOf(child, (text) => text.startsWith('failed'))
    expect(line).toMatch(/^failed STORE_FULL (\d+)$/)
    await once(child, 'exit')
    const acknowledged = Number(line.split(' ')[2])
    expect(acknowledged).toBeGreaterThan(0)
    expect(await assertWholeBatches(directory)).toBeGreaterThanOrEqual(acknowledged)
  })

  const writeSome = async (directory: string): Promise<void> => {
    // Twice, so that the first log is turned into a table.
    for (const round of [1, 2]) {
      await using store = await openLevelStore(directory)
      await store.batch(
        Array.from({ length: 500 }, (_, i) =>
          put(Uint8Array.of(round, i >>> 8, i & 0xff), new Uint8Array(100)),
        ),
        { sync: true },
      )
    }
  }
  const fileLike = (directory: string, pattern: RegExp): string =>
    join(
      directory,
      readdirSync(directory).find((name) => pattern.test(name))!,
    )

  const damages: [string, (directory: string) => void][] = [
    ['a cut manifest', (directory) => truncateSync(fileLike(directory, /^MANIFEST/), 10)],
    ['a missing manifest', (directory) => rmSync(fileLike(directory, /^MANIFEST/))],
    ['a missing CURRENT', (directory) => rmSync(join(directory, 'CURRENT'))],
    ['garbage in CURRENT', (directory) => writeFileSync(join(directory, 'CURRENT'), 'garbage')],
    ['a missing table', (directory) => rmSync(fileLike(directory, /\.ldb$/))],
    [
      'a cut table',
      (directory) => {
        const table = fileLike(directory, /\.ldb$/)
        truncateSync(table, Math.floor(statSync(table).size / 2))
      },
    ],
  ]
  test.each(damages)('%s is STORE_DAMAGED, with what to do', async (_name, damage) => {
    const directory = newDirectory()
    await writeSome(directory)
    damage(directory)
    const readAll = async (): Promise<void> => {
      await using store = await openLevelStore(directory)
      for await (const _entry of store.range());
    }
    await expect(readAll()).rejects.toSatisfy(withCode('STORE_DAMAGED'))
  })

  test('a path that cannot be a directory is refused with a code', async () => {
    const directory = newDirectory()
    writeFileSync(join(directory, 'file'), '')
    await expect(openLevelStore(join(directory, 'file'))).rejects.toSatisfy(withCode('STORE_FAILED'))
  })
})
