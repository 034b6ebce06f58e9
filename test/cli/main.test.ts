import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { daemonVersion } from '../../src/node/daemon.ts'
import type { PeerStatus } from '../../src/service/status.ts'
import { controlSocketOf } from '../../src/service/control-socket.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const secnode = (args: readonly string[], nodeArgs: readonly string[] = []) =>
  spawnSync(process.execPath, [...nodeArgs, main, ...args], { encoding: 'utf8', timeout: 120_000 })

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

test('--watch goes on until it is interrupted, though it waits for nothing but time', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'secnode-watch-'))
  const thirdLook = Promise.withResolvers<void>()
  let looks = 0
  const answer = (connections: number): PeerStatus[] => [
    {
      peer: '12D3KooW',
      seat: null,
      host: null,
      address: null,
      direction: 'inbound',
      connections,
      isRegistered: false,
      score: 0,
    },
  ]
  const daemon = createServer((_request, response) => {
    response.end(JSON.stringify(answer(++looks)), () => {
      if (looks === 3) thirdLook.resolve()
    })
  })
  daemon.listen(controlSocketOf(dir))
  await once(daemon, 'listening')
  const args = [main, 'peers', '--dir', dir, '--watch', '--json', '--every', '0.5']
  const watching = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    let stdout = ''
    watching.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    const exit = once(watching, 'close')
    await Promise.race([thirdLook.promise, exit])
    watching.kill('SIGINT')
    expect(await exit).toEqual([130, null])
    const lines = stdout.trim().split('\n')
    expect(lines.slice(0, 2).map((line) => JSON.parse(line) as unknown)).toEqual([answer(1), answer(2)])
  } finally {
    watching.kill('SIGKILL')
    daemon.close()
    daemon.closeAllConnections()
    await rm(dir, { recursive: true, force: true })
  }
})
