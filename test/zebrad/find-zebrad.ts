import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { messageOf } from '../../src/errors.ts'

export type FoundZebrad =
  { is: 'found'; path: string } | { is: 'missing' } | { is: 'unusable'; path: string; why: string }

/** What ZEBRAD names, else the first `zebrad` on PATH. */
export const findZebrad = (environment: Readonly<Record<string, string | undefined>>): FoundZebrad => {
  const named = environment['ZEBRAD']
  const candidates =
    named === undefined
      ? (environment['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'zebrad'))
      : [named]
  const path = candidates.find(isExecutable)
  if (path === undefined) {
    return named === undefined
      ? { is: 'missing' }
      : { is: 'unusable', path: named, why: 'it is no file that may be run' }
  }
  try {
    zebradVersion(path)
    return { is: 'found', path }
  } catch (error) {
    return { is: 'unusable', path, why: messageOf(error) }
  }
}

/** As it says itself: `zebrad 7.0.0`. */
export const zebradVersion = (path: string): string =>
  execFileSync(path, ['--version'], {
    encoding: 'utf8',
    timeout: 20_000,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
    .trim()
    .split('\n')[0]!

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
