import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { type PreparedDevnet, prepareDevnet } from '../../src/devnet/prepare.ts'
import { assembleNode } from '../../src/service/assemble.ts'
import type { Config } from '../../src/service/config.ts'
import { controlSocketOf } from '../../src/service/control-socket.ts'
import { openStore } from '../../src/store/open.ts'
import { realWorld } from '../../src/world.ts'
import { silent } from '../net/local-hosts.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

let dir: string
let devnet: PreparedDevnet

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'secnode-assemble-'))
  devnet = await prepareDevnet(
    { nodes: 3, epochs: 3, seed: 83, with: {}, profile: 'devnet' },
    dir,
    realWorld(),
  )
})
afterAll(async () => {
  await devnet.close()
  rmSync(dir, { recursive: true, force: true })
})

const options = { logger: silent, world: realWorld() }
const configOf = (index: number, changes: Partial<Config> = {}): Config => ({
  ...devnet.nodes[index]!.config,
  ...changes,
})
let directories = 0
const newDir = (): string => join(dir, `data-${directories++}`)

const codeOf = async (work: Promise<unknown>): Promise<{ code: string; exitCode: number; hint: string }> =>
  await work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: { code: string; exitCode: number; hint: string }) => error,
  )

describe('what a configuration names and is not right', () => {
  test('a stake that is no address of this chain', async () => {
    const config = configOf(0, { dir: newDir(), stake: 't1SomethingElse' })
    expect(await codeOf(assembleNode(config, options))).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2 })
    expect(existsSync(config.dir)).toBe(false)
  })

  test('a hosts table where names come from DNS', async () => {
    const config = configOf(0, { dir: newDir(), profile: 'zcash-testnet', hosts: { 'a.b': '127.0.0.1' } })
    const error = await codeOf(assembleNode(config, options))
    expect(error.code).toBe('CONFIG_INVALID')
    expect(existsSync(config.dir)).toBe(false)
  })

  test('no such profile; no such key file', async () => {
    const profile = configOf(0, { dir: newDir(), profile: 'nowhere' })
    expect(await codeOf(assembleNode(profile, options))).toMatchObject({
      code: 'PROFILE_UNKNOWN',
      exitCode: 2,
    })
    const keys = configOf(0, { dir: newDir(), keys: join(dir, 'no.key') })
    expect(await codeOf(assembleNode(keys, options))).toMatchObject({ code: 'KEY_FILE_MISSING' })
    expect(existsSync(keys.dir)).toBe(false)
  })

  test('a directory that is a file, or that nobody may write to', async () => {
    const file = newDir()
    writeFileSync(file, '')
    expect((await codeOf(assembleNode(configOf(0, { dir: file }), options))).code).toBe('DIR_UNUSABLE')
    expect((await codeOf(assembleNode(configOf(0, { dir: join(file, 'below') }), options))).code).toBe(
      'DIR_UNUSABLE',
    )
  })

  test('the data directory is its owner’s alone', async () => {
    const config = configOf(0, { dir: newDir() })
    const node = await assembleNode(config, options)
    await node.stop()
    expect(statSync(config.dir).mode & 0o077).toBe(0)
  })
})

describe('a data directory that is not to be had', () => {
  test('R-ATT-5 another daemon has it: a clear error, and nothing of that daemon’s is touched', async () => {
    const config = configOf(0, { dir: newDir() })
    const first = await assembleNode(config, options)
    const profile = readFileSync(join(config.dir, 'profile.json'))
    // Another network's configuration that names the same directory.
    const other = configOf(0, { dir: config.dir, profile: 'zcash-regtest' })
    for (const second of [config, other]) {
      const error = await codeOf(assembleNode(second, options))
      expect(error.code).toBe('STORE_LOCKED')
      expect(error.hint).toContain('stop the other daemon')
    }
    expect(readFileSync(join(config.dir, 'profile.json'))).toEqual(profile)
    await first.stop()
    expect(await codeOf(assembleNode(other, options))).toMatchObject({ code: 'STORE_NETWORK' })
    expect(readFileSync(join(config.dir, 'profile.json'))).toEqual(profile)
    // And it is its own again.
    await (await assembleNode(config, options)).stop()
  })

  test('it is damaged: says so, and what to do', async () => {
    const config = configOf(0, { dir: newDir() })
    await (await assembleNode(config, options)).stop()
    const store = join(config.dir, 'store')
    const manifest = readdirSync(store).find((name) => name.startsWith('MANIFEST'))!
    truncateSync(join(store, manifest), 10)
    const error = await codeOf(assembleNode(config, options))
    expect(error.code).toBe('STORE_DAMAGED')
    expect(error.hint).toContain('Move the directory away')
  })

  test('a port that is taken: the daemon that could not start stops whole', async () => {
    const config = configOf(1, { dir: newDir() })
    const first = await assembleNode(config, options)
    await first.start()
    const second = await assembleNode(configOf(1, { dir: newDir() }), options)
    expect((await codeOf(second.start())).code).toBe('NET_CANNOT_LISTEN')
    await second.stop()
    await first.stop()
    // Both directories and the port are free again.
    const third = await assembleNode(config, options)
    await third.start()
    await third.stop()
  })

  test('a certificate that is none: the files are named', async () => {
    const none = join(dir, 'none.pem')
    writeFileSync(none, 'nothing')
    const config = configOf(1, { dir: newDir(), certificate: { cert: none, key: none } })
    const node = await assembleNode(config, options)
    const error = await codeOf(node.start())
    expect(error.code).toBe('TLS_BAD_CERTIFICATE')
    expect(error.hint).toContain(none)
    await node.stop()
  })
})

describe('`secnode start`', () => {
  /** `fileLimit` in blocks of the shell's `ulimit -f`: a process whose SIGXFSZ is ignored gets EFBIG, as on a full disk. */
  const run = (config: Config, fileLimit?: number) => {
    const file = join(dir, `${directories++}.yaml`)
    writeFileSync(file, stringify(config), { mode: 0o600 })
    const limit =
      fileLimit === undefined ? '' : `trap '' XFSZ 2>/dev/null || trap '' 25; ulimit -f ${fileLimit};`
    const child = spawn(
      '/bin/sh',
      ['-c', `${limit} exec "$0" "$@"`, process.execPath, main, 'start', '--config', file],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')))
    return {
      child,
      stderr: () => stderr,
      exitCode: async (): Promise<number | null> => {
        if (child.exitCode === null) await once(child, 'exit')
        return child.exitCode
      },
    }
  }

  test('a full disk while it follows the chain: stops by itself, says what to do, leaves whole rows', async () => {
    const config = configOf(2, { dir: newDir() })
    devnet.chain.mine(1_500)
    const running = run(config, 128)
    expect(await running.exitCode()).toBe(1)
    expect(running.stderr()).toContain('[STORE_FULL]')
    expect(running.stderr()).toContain('Free space on that disk and start again')
    expect(existsSync(controlSocketOf(config.dir))).toBe(false)
    // What was written before is there, and with room again it goes on.
    const store = await openStore({ directory: config.dir, networkId: devnet.network.networkId })
    let rows = 0
    for await (const _row of store.range()) rows++
    expect(rows).toBeGreaterThan(100)
    await store.close()
    const node = await assembleNode(config, options)
    await node.start()
    await node.follower.statusWhen(({ is }) => is === 'following', AbortSignal.timeout(90_000))
    await node.stop()
  })

  test('a key file that others may read, a missing field: one line, a hint, and the exit code', async () => {
    const exposed = join(dir, 'exposed.key')
    writeFileSync(exposed, readFileSync(devnet.nodes[0]!.config.keys))
    chmodSync(exposed, 0o644)
    const keys = run(configOf(0, { dir: newDir(), keys: exposed }))
    expect(await keys.exitCode()).toBe(1)
    expect(keys.stderr()).toMatch(/\[KEY_FILE_EXPOSED\]\n {2}Run: chmod 600/)

    const { host: _host, ...rest } = configOf(0, { dir: newDir() })
    const config = run(rest as Config)
    expect(await config.exitCode()).toBe(2)
    expect(config.stderr()).toMatch(
      /^secnode: .*\.yaml: host: is missing \[CONFIG_INVALID\]\n {2}Write for example/,
    )
  })
})
