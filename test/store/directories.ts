import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []

/** A new empty directory that goes away when the test file that imports this is done. */
export const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'secnode-test-'))
  made.push(directory)
  return directory
}

afterAll(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true })
})
