import { isSecnodeError, SecnodeError } from '../errors.ts'
import { networkOfDirectory } from '../service/data-dir.ts'
import type { AskDaemon } from '../service/setup/facts.ts'
import { askDaemon } from './control-client.ts'

/** Nobody listens on the socket, or there is none. */
const notThere: ReadonlySet<unknown> = new Set(['ENOENT', 'ECONNREFUSED'])

/**
 * Asks the daemon of a data directory what only a running one knows. Errors: DIR_UNKNOWN, DAEMON_NOT_RUNNING (exit code
 * 3), and those of `askDaemon`.
 */
export const askRunning: AskDaemon = async (dir, path, schema, signal, body) => {
  try {
    return await askDaemon(dir, path, schema, signal, body)
  } catch (error) {
    if (!isSecnodeError(error, 'CONTROL_UNREACHABLE')) throw error
    if (!notThere.has((error.cause as NodeJS.ErrnoException | undefined)?.code)) throw error
    // A directory that is none is another mistake than a daemon that does not run.
    await networkOfDirectory(dir)
    throw new SecnodeError('DAEMON_NOT_RUNNING', `no daemon runs on ${dir}`, {
      exitCode: 3,
      hint: 'Start it with `secnode start --config FILE`, or name the `dir` of its configuration with --dir.',
      cause: error,
    })
  }
}
