import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { z } from 'zod'
import { bytesToHex } from '../../protocol/index.ts'
import { networkOf, parseProfile } from '../chain/profiles.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { loadNodeKeyFile, type NodeKeys, parseNodeKeys } from '../keys/node-key.ts'
import { createPrivateFile } from '../keys/private-file.ts'
import type { World } from '../world.ts'
import { type Config, configOf, loadConfig, parseConfig } from './config.ts'
import { readYaml } from './yaml.ts'

/**
 * The few files without which a node is another one, in one: what it is configured to be, its keys, and its profile if
 * that is a file of its own. The store is none of them: it comes back by following and sync, and whatever it knows of
 * the node's own signatures, three other seats know too (R-ATT-5).
 */
const Backup = z.strictObject({
  format: z.literal('secnode backup 1'),
  /** For people. */
  madeAt: z.iso.datetime(),
  host: z.string().max(255),
  peer: z.string().max(128),
  files: z.strictObject({ config: z.string(), keys: z.string(), profile: z.string().nullable() }),
  /** SHA-256 of the three, each with its length: a copy that was damaged on its way says so. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
type Backup = z.infer<typeof Backup>

/** A configuration has at most 0.1 MB, a profile 4. */
export const maxBackupBytes = 8_000_000

const checksumOf = (files: Backup['files']): string => {
  const hash = createHash('sha256')
  for (const text of [files.config, files.keys, files.profile ?? '']) {
    hash.update(`${Buffer.byteLength(text)}\n`).update(text)
  }
  return hash.digest('hex')
}

/** The text of a backup. It holds the node's secret keys. Errors: those of `loadConfig`, `loadNodeKeyFile`. */
export const makeBackup = async (configFile: string, world: World): Promise<string> => {
  const config = await loadConfig(configFile)
  const keys = await loadNodeKeyFile(config.keys)
  const files = {
    config: await readFile(configFile, 'utf8'),
    keys: await readFile(config.keys, 'utf8'),
    profile: isFile(config.profile) ? await readFile(config.profile, 'utf8') : null,
  }
  const backup: Backup = {
    format: 'secnode backup 1',
    madeAt: new Date(world.now()).toISOString(),
    host: config.host,
    peer: keys.peerId,
    files,
    sha256: checksumOf(files),
  }
  return `${JSON.stringify(backup, null, 2)}\n`
}

/** `loadConfig` makes a profile that is a file an absolute path; a built-in one stays a name. */
const isFile = (profile: string): boolean => isAbsolute(profile)

export interface RestoreOptions {
  /** Folder for the files. */
  to: string
  /** Data directory; that of the backed-up configuration if it is relative, else `data` below `to`. */
  dir?: string | undefined
  world: World
}

export interface Restored {
  configFile: string
  config: Config
  host: string
  peer: string
  madeAt: string
}

/**
 * Writes the files of a backup into a folder and makes the configuration name them there; comments stay. Nothing is
 * overwritten, and nothing is written before all of it was checked. What the configuration makes the node run and reach
 * (`powersOf`) is as the backup has it. Errors: BACKUP_DAMAGED and BACKUP_LEAVES (exit code 2), BACKUP_IN_THE_WAY,
 * BACKUP_UNWRITABLE, those of `parseConfig`, `parseNodeKeys` and `networkOf`.
 */
export const restoreBackup = async (text: string, options: RestoreOptions): Promise<Restored> => {
  const { to, world } = options
  const backup = parseBackup(text)
  const { files } = backup
  const configFile = join(to, 'secnode.yaml')
  const yaml = readYaml(files.config, configFile)
  const old = configOf(yaml, configFile)
  const keys = parseNodeKeys(files.keys, 'the key file of the backup')
  checkWhole(backup, old, keys)
  const { document } = yaml
  document.set('keys', 'node.key')
  if (files.profile !== null) document.set('profile', './profile.json')
  document.set('dir', options.dir ?? restoredDir(document.get('dir'), to))
  const written: [name: string, text: string][] = [
    // The configuration last: where it is, the rest is.
    ['node.key', files.keys],
    ...(files.profile === null ? [] : [['profile.json', files.profile] as [string, string]]),
    ['secnode.yaml', document.toString()],
  ]
  const config = parseConfig(document.toString(), configFile)
  const unique = bytesToHex(world.randomBytes(8))
  for (const [name, content] of written) await writeNew(join(to, name), content, unique)
  return { configFile, config, host: config.host, peer: keys.peerId, madeAt: backup.madeAt }
}

/** The parts of a backup must be of one node, and what it says of itself must be so. */
const checkWhole = ({ host, peer, files }: Backup, config: Config, keys: NodeKeys): void => {
  if (host !== config.host) throw damaged('it says another host than its configuration')
  if (peer !== keys.peerId) throw damaged('it says another peer than its keys')
  if (isFile(config.profile) !== (files.profile !== null)) {
    throw damaged('its configuration names a profile that is not the one in it')
  }
  if (files.profile !== null) networkOf(parseProfile(files.profile, 'of the backup'))
}

/** Another folder must not take the old one's data directory, which the old node may have open. */
const restoredDir = (dir: unknown, to: string): string => {
  if (typeof dir !== 'string' || isAbsolute(dir)) return 'data'
  const below = relative(to, resolve(to, dir))
  if (below !== '..' && !below.startsWith(`..${sep}`) && !isAbsolute(below)) return dir
  throw new SecnodeError(
    'BACKUP_LEAVES',
    `the data directory of the backup, ${dir}, is outside of the folder`,
    {
      exitCode: 2,
      hint: 'Name one with --dir, if you know who made the backup.',
    },
  )
}

const writeNew = async (path: string, content: string, unique: string): Promise<void> => {
  let isNew: boolean
  try {
    isNew = await createPrivateFile(path, content, unique)
  } catch (error) {
    throw new SecnodeError('BACKUP_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`, {
      hint: 'Check who owns the folder, and whether its disk is full.',
      cause: error,
    })
  }
  if (isNew || (await readFile(path, 'utf8').catch(() => null)) === content) return
  throw new SecnodeError('BACKUP_IN_THE_WAY', `${path} exists already and is another`, {
    hint: `Nothing is overwritten: restore into an empty folder, or move ${basename(path)} away first.`,
  })
}

const parseBackup = (text: string): Backup => {
  let backup: Backup
  try {
    backup = Backup.parse(JSON.parse(text))
  } catch (error) {
    throw damaged('it is no backup of Secnode', error)
  }
  if (checksumOf(backup.files) !== backup.sha256) throw damaged('its checksum is another')
  return backup
}

const damaged = (why: string, cause?: unknown): SecnodeError =>
  new SecnodeError('BACKUP_DAMAGED', `the backup cannot be used: ${why}`, {
    exitCode: 2,
    hint: 'Take another copy. Without one, make new keys with `secnode init` and announce again: the seat stays.',
    cause,
  })
