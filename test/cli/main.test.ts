import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { daemonVersion } from '../../src/node/daemon.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const secnode = (args: readonly string[], nodeArgs: readonly string[] = []) =>
  spawnSync(process.execPath, [...nodeArgs, main, ...args], { encoding: 'utf8', timeout: 30_000 })

test('--version is all that standard output gets', () => {
  expect(secnode(['--version'])).toMatchObject({ status: 0, stdout: `${daemonVersion}\n`, stderr: '' })
})

test('an option that is none: exit code 2, and standard output stays empty', () => {
  const { status, stdout, stderr } = secnode(['status', '--bogus'])
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toContain("unknown option '--bogus'")
})

test('an older Node is told which one is needed', () => {
  const asOlder =
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.9.0"}})'
  const { status, stdout, stderr } = secnode(['--version'], ['--import', asOlder])
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toContain('this is Node 20.9.0, and it needs 24 or later [NODE_VERSION]')
})
