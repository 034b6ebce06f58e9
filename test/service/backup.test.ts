import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { loadNetwork } from '../../src/service/load-network.ts'
import { createNodeKeyFile, createNodeKeys } from '../../src/keys/node-key.ts'
import { makeBackup, restoreBackup, type Restored } from '../../src/service/backup.ts'
import { profileJson } from '../../src/service/data-dir.ts'
import { realWorld } from '../../src/world.ts'
import { runInProcess } from '../cli/in-process.ts'
import { newDirectory } from '../store/directories.ts'

const world = realWorld()
const folder = newDirectory()
const devnet = (await loadNetwork('devnet')).profile
let restores = 0

interface BackupJson {
  host: string
  peer: string
  files: { config: string; keys: string; profile: string | null }
  sha256: string
}

const configOf = (changes: Record<string, string> = {}): string =>
  Object.entries({
    profile: 'devnet',
    dir: 'rows',
    keys: 'node.key',
    host: 'n1.devnet.test',
    stake: 'tmGYSmn8kVAiMk2evNXGJp9ZPB7oVKm2Rxq',
    certificate: '{ cert: c.pem, key: k.pem }',
    rpc: '{ url: "http://127.0.0.1:1" }',
    ...changes,
  })
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')

let own: BackupJson

beforeAll(async () => {
  await mkdir(join(folder, 'own'))
  await createNodeKeyFile(join(folder, 'own', 'node.key'), (length) => world.randomBytes(length))
  writeFileSync(join(folder, 'own', 'secnode.yaml'), configOf())
  own = JSON.parse(await makeBackup(join(folder, 'own', 'secnode.yaml'), world)) as BackupJson
})

/** A backup that somebody made up, with a checksum that is right. */
const foreign = (change: (backup: BackupJson) => void): string => {
  const backup = structuredClone(own)
  change(backup)
  const hash = createHash('sha256')
  for (const text of [backup.files.config, backup.files.keys, backup.files.profile ?? '']) {
    hash.update(`${Buffer.byteLength(text)}\n`).update(text)
  }
  return JSON.stringify({ ...backup, sha256: hash.digest('hex') })
}

const withConfig = (changes: Record<string, string>): string =>
  foreign(({ files }) => (files.config = configOf(changes)))

const nextFolder = (): string => join(folder, 'deep', 'er', `restored-${restores++}`)

const restore = async (text: string, to = nextFolder(), dir?: string): Promise<Restored> =>
  restoreBackup(text, { to, dir, world })

describe('restore of a backup that somebody else made', () => {
  const refused: [string, string, () => string][] = [
    ['a directory above the folder', 'BACKUP_LEAVES', () => withConfig({ dir: '../../../evil' })],
    ['the folder above', 'BACKUP_LEAVES', () => withConfig({ dir: '..' })],
    ['a way down and up again', 'BACKUP_LEAVES', () => withConfig({ dir: 'rows/../../evil' })],
    ['a quoted way up', 'BACKUP_LEAVES', () => withConfig({ dir: '"\\x2e./evil"' })],
    ['the same field twice', 'CONFIG_INVALID', () => withConfig({ log: 'info\nkeys: ../../evil' })],
    ['a field of a document behind', 'CONFIG_INVALID', () => withConfig({ log: 'info\n---\ndir: ../evil' })],
    ['an alias of what is replaced', 'CONFIG_INVALID', () => withConfig({ keys: '&k debug', log: '*k' })],
    [
      'a configuration of a megabyte',
      'CONFIG_INVALID',
      () => withConfig({ log: `info # ${'x'.repeat(1e6)}` }),
    ],
    ['a profile elsewhere', 'BACKUP_DAMAGED', () => withConfig({ profile: '../../profile.json' })],
    ['an absolute profile', 'BACKUP_DAMAGED', () => withConfig({ profile: '/etc/profile.json' })],
    ['another host', 'BACKUP_DAMAGED', () => foreign((backup) => (backup.host = 'n2.devnet.test'))],
    ['another peer', 'BACKUP_DAMAGED', () => foreign((backup) => (backup.peer = '12D3KooWother'))],
    ['keys that are none', 'KEY_FILE_DAMAGED', () => foreign(({ files }) => (files.keys = '{}'))],
    [
      'keys of somebody else',
      'BACKUP_DAMAGED',
      () =>
        foreign((backup) => {
          backup.peer = createNodeKeys((length) => world.randomBytes(length)).peerId
        }),
    ],
    [
      'a profile that is none',
      'PROFILE_INVALID',
      () =>
        foreign(({ files }) => {
          files.config = configOf({ profile: './profile.json' })
          files.profile = '{}'
        }),
    ],
    [
      'a profile that its configuration does not name',
      'BACKUP_DAMAGED',
      () => foreign(({ files }) => (files.profile = profileJson(devnet))),
    ],
  ]

  test.each(refused)('%s: %s, and nothing is written', async (_what, code, text) => {
    const to = nextFolder()
    await expect(restore(text(), to)).rejects.toMatchObject({ code })
    expect(existsSync(to)).toBe(false)
    expect(existsSync(join(folder, 'deep', 'evil'))).toBe(false)
  })

  test.each([
    ['an absolute directory', { dir: '/evil' }],
    ['an alias instead of a directory', { profile: '&d devnet', dir: '*d' }],
  ])('%s is replaced by one below the folder', async (_what, changes) => {
    const to = nextFolder()
    expect((await restore(withConfig(changes), to)).config.dir).toBe(join(to, 'data'))
  })

  test('keys and profile are those of the folder, whatever the configuration names', async () => {
    const to = nextFolder()
    const text = foreign(({ files }) => {
      files.config = configOf({ keys: '/evil.key', profile: '../../../evil.json', dir: './rows/' })
      files.profile = profileJson(devnet)
    })
    const { config } = await restore(text, to)
    expect(config).toMatchObject({
      dir: join(to, 'rows'),
      keys: join(to, 'node.key'),
      profile: join(to, 'profile.json'),
    })
    expect(readdirSync(to).sort()).toEqual(['node.key', 'profile.json', 'secnode.yaml'])
  })

  test('a directory that the operator names is taken, wherever it is', async () => {
    const { config } = await restore(withConfig({ dir: '../../evil' }), nextFolder(), '/srv/secnode')
    expect(config.dir).toBe('/srv/secnode')
  })

  test('a link in the folder is not written through', async () => {
    const to = nextFolder()
    await mkdir(to, { recursive: true })
    const victim = join(folder, 'victim')
    writeFileSync(victim, 'precious')
    symlinkSync(victim, join(to, 'node.key'))
    await expect(restore(withConfig({}), to)).rejects.toMatchObject({ code: 'BACKUP_IN_THE_WAY' })
    expect(readFileSync(victim, 'utf8')).toBe('precious')
  })

  test('the command prints what the node will run and reach, without tokens and control characters', async () => {
    const file = join(folder, 'foreign.backup')
    const text = withConfig({
      dir: '"rows\\e[2J"',
      rpc: '{ url: "http://user:secret@198.51.100.1:8232/x", cookie: /var/lib/other/.cookie }',
      web: '{ address: "::", port: 9736 }',
      alerts:
        '{ webhooks: [{ url: "https://hooks.example.org/T0KEN" }], commands: [[/bin/sh, -c, "id > /evil\\e[1A"]] }',
    })
    writeFileSync(file, text)
    const to = nextFolder()
    const run = await runInProcess('restore', file, '--to', to)
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    const said = run.stdout.split('\n').filter((line) => line.startsWith('  once started it '))
    expect(said).toEqual([
      '  once started it asks the chain node at http://198.51.100.1:8232 and sends it what /var/lib/other/.cookie holds',
      String.raw`  once started it runs /bin/sh -c "id > /evil\u001b[1A"`,
      '  once started it sends alerts to https://hooks.example.org',
      '  once started it serves its page at [::]:9736',
      '  once started it dials ports of this machine that other nodes announce, as its profile allows',
    ])
    expect(run.stdout).not.toMatch(/secret|T0KEN|\p{Cc}(?<!\n)/u)
    const json = await runInProcess('restore', file, '--to', to, '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({
      powers: {
        rpc: 'http://198.51.100.1:8232',
        cookie: '/var/lib/other/.cookie',
        commands: [['/bin/sh', '-c', 'id > /evil\u001b[1A']],
        webhooks: ['https://hooks.example.org'],
        page: '[::]:9736',
        dialsLoopback: true,
      },
    })
    expect((await runInProcess('restore', '--help')).stdout).toContain(
      'as powerful as the configuration in it',
    )
  })
})
