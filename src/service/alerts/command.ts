import { spawn } from 'node:child_process'
import { SecnodeError, messageOf } from '../../errors.ts'
import type { World } from '../../world.ts'
import type { Alert } from './alert.ts'
import { type AlertTarget, targetId } from './target.ts'

export interface CommandOptions {
  /** The program and its arguments, as they are: no shell looks at them. */
  argv: readonly string[]
  timeoutMs: number
  world: Pick<World, 'setTimer'>
}

/** The tail of what a failing program says on stderr, for the log. */
const maxStderrChars = 500
/** Of the daemon's own environment no more than a program needs to be found and to speak its language. */
const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ'] as const

/**
 * Starts a program for each alert: the JSON on stdin, its main parts in the environment. Exit code 0 means that it was
 * taken. When its time is over it is killed with all that it started.
 */
export const createAlertCommand = ({ argv, timeoutMs, world }: CommandOptions): AlertTarget => {
  const [program = '', ...args] = argv
  return {
    kind: 'command',
    name: program,
    id: targetId('command', ...argv),
    deliver: (alert, signal) => run(program, args, alert, { timeoutMs, world, signal }),
  }
}

const run = (
  program: string,
  args: readonly string[],
  alert: Alert,
  { timeoutMs, world, signal }: Omit<CommandOptions, 'argv'> & { signal: AbortSignal },
): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    // A process group of its own, so that what it started can be killed with it.
    const child = spawn(program, args, {
      detached: true,
      stdio: ['pipe', 'ignore', 'pipe'],
      env: environmentOf(alert),
    })
    let stderr = ''
    let end: Error | null = null
    const kill = (why: string): void => {
      end ??= new SecnodeError('COMMAND_KILLED', why)
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It ended by itself in this very moment.
      }
    }
    const cancelTimer = world.setTimer(timeoutMs, () =>
      kill(`${program} was killed: it had ${timeoutMs / 1_000} seconds`),
    )
    const stop = (): void => kill(`${program} was killed: the node stops`)
    signal.addEventListener('abort', stop, { once: true })
    const settle = (error: Error | null): void => {
      cancelTimer()
      signal.removeEventListener('abort', stop)
      child.stderr.destroy()
      if (error === null) resolve()
      else reject(error)
    }
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (text: string) => (stderr = `${stderr}${text}`.slice(-maxStderrChars)))
    child.once('error', (error) =>
      settle(new SecnodeError('COMMAND_FAILED', `${program} does not start: ${messageOf(error)}`)),
    )
    // Not 'close': a grandchild that keeps stderr open would hold it back.
    child.once('exit', (code, killedBy) => {
      if (end === null && code === 0) return settle(null)
      const said = stderr.trim() === '' ? '' : `: ${stderr.trim().split('\n').at(-1)!}`
      const how = code === null ? `ended by ${killedBy}` : `exit code ${code}`
      settle(end ?? new SecnodeError('COMMAND_FAILED', `${program}: ${how}${said}`))
    })
    // A program that does not read is free to.
    child.stdin.on('error', () => undefined)
    child.stdin.end(`${JSON.stringify(alert)}\n`)
  })

const environmentOf = (alert: Alert): NodeJS.ProcessEnv => {
  const env: NodeJS.ProcessEnv = {
    SECNODE_ALERT_ID: alert.id,
    SECNODE_ALERT_IS: alert.is,
    SECNODE_ALERT_CODE: alert.code,
    SECNODE_ALERT_SUBJECT: alert.subject,
    SECNODE_ALERT_SEVERITY: alert.severity,
    SECNODE_ALERT_HOST: alert.node.host,
    SECNODE_ALERT_TITLE: alert.title,
    SECNODE_ALERT_TEXT: alert.text,
  }
  for (const name of inherited) if (process.env[name] !== undefined) env[name] = process.env[name]
  return env
}
