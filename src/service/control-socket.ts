import { createHash } from 'node:crypto'
import { type Stats, statSync } from 'node:fs'
import { lstat, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { SecnodeError } from '../errors.ts'

/** A socket's path has room for 108 bytes, on some systems 104. */
const maxSocketPathBytes = 100

/**
 * Where a running daemon answers the command line of its own machine: in its data directory, or, where that path is too
 * long for a socket, in a private folder of the directory's owner below the system's temporary one.
 */
export const controlSocketOf = (dir: string): string => {
  const path = join(resolve(dir), 'control.sock')
  if (Buffer.byteLength(path) <= maxSocketPathBytes) return path
  const name = createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 32)
  return join(tmpdir(), `secnode-${ownerOf(dir)}`, `${name}.sock`)
}

/** The daemon's side: makes room for the socket. Errors: CONTROL_UNSAFE. */
export const prepareControlSocket = async (dir: string): Promise<string> => {
  const path = controlSocketOf(dir)
  if (isInPrivateFolder(dir, path)) {
    await mkdir(dirname(path), { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    await assertPrivateFolder(dir, dirname(path))
  }
  // Left behind by a daemon that was killed; the lock of the store says that none runs now.
  await rm(path, { force: true })
  return path
}

/**
 * The command line's side: the socket, if there is one. Another user's program that answered in the daemon's place could
 * say anything. Errors: CONTROL_UNSAFE.
 */
export const trustedControlSocket = async (dir: string): Promise<string> => {
  const path = controlSocketOf(dir)
  if (isInPrivateFolder(dir, path)) await assertPrivateFolder(dir, dirname(path)).catch(unlessMissing)
  const stats = await lstat(path).catch(unlessMissing)
  if (stats === undefined) return path
  if (!stats.isSocket()) throw unsafe(`${path} is not a socket`)
  if (!trustedBy(dir).has(stats.uid)) throw unsafe(`${path} belongs to user ${stats.uid}`)
  return path
}

const isInPrivateFolder = (dir: string, path: string): boolean => dirname(path) !== resolve(dir)

const assertPrivateFolder = async (dir: string, folder: string): Promise<void> => {
  const fault = folderFault(await lstat(folder), trustedBy(dir))
  if (fault !== null) throw unsafe(`${folder} ${fault}`)
}

/** What is wrong with a folder that others must not enter; null if nothing is. */
export const folderFault = (
  stats: Pick<Stats, 'isDirectory' | 'uid' | 'mode'>,
  trusted: ReadonlySet<number>,
): string | null => {
  if (!stats.isDirectory()) return 'is not a directory'
  if (!trusted.has(stats.uid)) return `belongs to user ${stats.uid}`
  return (stats.mode & 0o077) === 0 ? null : 'can be entered by other users'
}

/** Of the data directory, or of the process that would make it. */
const ownerOf = (dir: string): number => statSync(dir, { throwIfNoEntry: false })?.uid ?? ownUser()

const ownUser = (): number => process.getuid?.() ?? 0

/** Root can do anything anyway, and a daemon in a container may run as root on a directory of another user. */
const trustedBy = (dir: string): ReadonlySet<number> => new Set([0, ownUser(), ownerOf(dir)])

const unsafe = (message: string): SecnodeError =>
  new SecnodeError('CONTROL_UNSAFE', message, {
    hint: 'Remove it if you know who made it, or choose a `dir` with a shorter path, or set TMPDIR to a folder of your own.',
  })

const unlessMissing = (error: NodeJS.ErrnoException): undefined => {
  // What may not be looked at may not be opened either, and that says so.
  if (!missing.has(error.code ?? '')) throw error
  return undefined
}

const missing: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EACCES'])
