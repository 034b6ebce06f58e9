import { chmod, chown, lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { askDaemon, textFromDaemon } from '../../src/cli/control-client.ts'
import {
  controlSocketOf,
  folderFault,
  prepareControlSocket,
  trustedControlSocket,
} from '../../src/service/control-socket.ts'
import { PageAnswer } from '../../src/web/control/schemas.ts'

/** `own` is the system's temporary folder of the test, in which other users may write, too. */
let own: string
let before: string | undefined

beforeEach(async () => {
  before = process.env['TMPDIR']
  own = await mkdtemp(join(tmpdir(), 'sn-'))
  process.env['TMPDIR'] = own
})
afterEach(async () => {
  if (before === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = before
  await rm(own, { recursive: true, force: true })
})

const makeDir = async (name: string): Promise<string> => {
  const dir = join(own, name)
  await mkdir(dir, { recursive: true })
  return dir
}
const longName = 'a'.repeat(120)
const isUnsafe = expect.objectContaining({ code: 'CONTROL_UNSAFE' }) as Error

/** Answers on the socket until it is stopped. */
const answerOn = async (path: string): Promise<AsyncDisposable> => {
  const server = createServer((_request, response) => response.end('an answer'))
  await new Promise<void>((resolve) => {
    server.listen(path, resolve)
  })
  return {
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const ask = (dir: string): Promise<string> => textFromDaemon(dir, '/status', new AbortController().signal)

describe('the control socket', () => {
  test('lies in the data directory, if its path is not too long', async () => {
    const dir = await makeDir('data')
    const path = await prepareControlSocket(dir)
    expect(path).toBe(join(dir, 'control.sock'))
    await using _daemon = await answerOn(path)
    expect(await ask(dir)).toBe('an answer')
  })

  test('of a long path lies in a folder that nobody else may enter, and serves the command line from there', async () => {
    const dir = await makeDir(longName)
    const path = await prepareControlSocket(dir)
    expect(Buffer.byteLength(path)).toBeLessThanOrEqual(104)
    expect((await lstat(dirname(path))).mode & 0o777).toBe(0o700)
    await using _daemon = await answerOn(path)
    expect(await ask(dir)).toBe('an answer')
    // Once more, as after a daemon that was killed.
    expect(await prepareControlSocket(dir)).toBe(path)
    const other = await prepareControlSocket(await makeDir(`${longName}b`))
    expect(other).not.toBe(path)
  })

  test('answers as described, or the command line takes nothing of it', async () => {
    const dir = await makeDir('data')
    await using _daemon = await answerOn(await prepareControlSocket(dir))
    const { signal } = new AbortController()
    await expect(askDaemon(dir, '/page', PageAnswer, signal)).rejects.toMatchObject({
      code: 'CONTROL_ANSWER',
    })
  })

  test('is not there: the command line says so', async () => {
    for (const name of ['data', longName]) {
      const dir = await makeDir(name)
      await expect(ask(dir)).rejects.toMatchObject({ code: 'CONTROL_UNREACHABLE' })
    }
  })

  const planted: [string, (folder: string) => Promise<unknown>][] = [
    ['that others may enter', (folder) => mkdir(folder).then(() => chmod(folder, 0o755))],
    ['that others may write in', (folder) => mkdir(folder).then(() => chmod(folder, 0o770))],
    [
      'that is a link to another one',
      async (folder) => {
        await mkdir(join(own, 'elsewhere'), { mode: 0o700 })
        await symlink(join(own, 'elsewhere'), folder)
      },
    ],
    ['that is a file', (folder) => writeFile(folder, '', { mode: 0o600 })],
  ]

  test.each(planted)('in a folder %s is neither made nor asked', async (_what, plant) => {
    const dir = await makeDir(longName)
    const path = controlSocketOf(dir)
    await plant(dirname(path))
    await expect(prepareControlSocket(dir)).rejects.toThrow(isUnsafe)
    await expect(trustedControlSocket(dir)).rejects.toThrow(isUnsafe)
    await expect(ask(dir)).rejects.toThrow(isUnsafe)
  })

  test('that is another kind of file is not asked', async () => {
    const dir = await makeDir('data')
    await writeFile(controlSocketOf(dir), '')
    await expect(ask(dir)).rejects.toThrow(isUnsafe)
  })

  test('in a folder of another user is neither made nor asked, whatever its mode', () => {
    const stats = { isDirectory: () => true, uid: 1_001, mode: 0o40700 }
    expect(folderFault(stats, new Set([0, 1_001]))).toBeNull()
    expect(folderFault(stats, new Set([0, 1_000]))).toContain('user 1001')
  })

  // Only root can give a file away.
  test.runIf(process.getuid?.() === 0)('of another user is not asked', async () => {
    const dir = await makeDir('data')
    const path = await prepareControlSocket(dir)
    await using _other = await answerOn(path)
    await chown(path, 12_345, 12_345)
    await expect(ask(dir)).rejects.toThrow(isUnsafe)
    // It may be the owner of the directory.
    await chown(dir, 12_345, 12_345)
    expect(await ask(dir)).toBe('an answer')
  })
})
