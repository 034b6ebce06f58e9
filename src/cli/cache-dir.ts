import { homedir } from 'node:os'
import { join } from 'node:path'
import type { NetworkId } from '../../protocol/index.ts'

/** Where chains that were followed for a command are kept, each network below its id: the user's cache folder. */
export const defaultCacheDir = (
  networkId: NetworkId,
  { platform, env }: Pick<NodeJS.Process, 'platform' | 'env'> = process,
): string => join(cacheHome(platform, env), 'secnode', networkId)

/** XDG Base Directory Specification 0.8; Apple's and Microsoft's own places on their systems. */
const cacheHome = (platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string => {
  if (env['XDG_CACHE_HOME'] !== undefined && env['XDG_CACHE_HOME'] !== '') return env['XDG_CACHE_HOME']
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches')
  if (platform === 'win32') return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local')
  return join(homedir(), '.cache')
}
