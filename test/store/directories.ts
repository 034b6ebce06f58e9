import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []

/** A new empty directory that goes away when the test file is done. */
export const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'secnode-test-'))
  if (made.length === 0) {
    afterAll(() => {
      for (const name of made.splice(0)) rmSync(name, { recursive: true, force: true })
    })
  }
  made.push(directory)
  return directory
}
