import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Network, Profile } from '../chain/profiles.ts'
import { loadNetwork } from './load-network.ts'
import { messageOf, SecnodeError } from '../errors.ts'

/** The profile that a data directory belongs to lies in it, so that whoever reads the store needs no configuration. */
const profileFile = (dir: string): string => join(dir, 'profile.json')

/** JSON has no bigint: amounts are strings of digits. */
export const profileJson = (profile: Profile): string =>
  `${JSON.stringify(profile, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value), 2)}\n`

/** Makes the directory, for this user alone, if it is not there. Errors: DIR_UNUSABLE. */
export const makeDirectory = async (dir: string): Promise<void> => {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw unusable(dir, error)
  }
}

/** Errors: DIR_UNUSABLE. */
export const writeProfile = async (dir: string, profile: Profile): Promise<void> => {
  const text = profileJson(profile)
  if ((await readFile(profileFile(dir), 'utf8').catch(() => '')) === text) return
  const fresh = `${profileFile(dir)}.new`
  try {
    await writeFile(fresh, text)
    await rename(fresh, profileFile(dir))
  } catch (error) {
    throw unusable(dir, error)
  }
}

const unusable = (dir: string, error: unknown): SecnodeError =>
  new SecnodeError('DIR_UNUSABLE', `cannot write to the data directory ${dir}: ${messageOf(error)}`, {
    hint: 'Check the `dir` of the configuration, who owns it, and whether its disk is full or mounted read-only.',
    cause: error,
  })

/** The network of a data directory. Errors: DIR_UNKNOWN (exit code 2), and those of `loadNetwork`. */
export const networkOfDirectory = async (dir: string): Promise<Network> => {
  try {
    await readFile(profileFile(dir))
  } catch (error) {
    throw new SecnodeError('DIR_UNKNOWN', `${dir} is no data directory of a Secnode daemon`, {
      exitCode: 2,
      hint: "Name the `dir` of the daemon's configuration with --dir.",
      cause: error,
    })
  }
  return await loadNetwork(profileFile(dir))
}
