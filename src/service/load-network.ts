import { readFile } from 'node:fs/promises'
import { builtInNames, builtInNetwork, type Network, networkOf, parseProfile } from '../chain/profiles.ts'
import { messageOf, SecnodeError } from '../errors.ts'

/**
 * Loads a built-in profile by its name, else the JSON file at that path. Errors, all with exit code 2: PROFILE_UNKNOWN,
 * PROFILE_INVALID (names the field).
 */
export const loadNetwork = async (nameOrPath: string): Promise<Network> => {
  const builtIn = builtInNetwork(nameOrPath)
  if (builtIn !== undefined) return builtIn
  let text: string
  try {
    text = await readFile(nameOrPath, 'utf8')
  } catch (error) {
    throw new SecnodeError('PROFILE_UNKNOWN', `no profile ${nameOrPath}: ${messageOf(error)}`, {
      hint: `Built in are ${builtInNames.join(', ')}; anything else is the path of a JSON file.`,
      cause: error,
      exitCode: 2,
    })
  }
  return networkOf(parseProfile(text, nameOrPath))
}
