import { describe, expect, test } from 'vitest'
import type { CliIo } from '../../src/cli/io.ts'
import { showOrWatch } from '../../src/cli/watch.ts'
import { SecnodeError } from '../../src/errors.ts'
import { realWorld, type World } from '../../src/world.ts'

/** No time passes between two looks. */
const world: World = {
  ...realWorld(),
  setTimer(_ms, callback) {
    const timer = setImmediate(callback)
    return () => clearImmediate(timer)
  },
}

/** Watches what `answers` gives, one after the other, until there are no more. */
const watch = async (
  answers: readonly (number | Error)[],
  options: { isTerminal?: boolean; json?: true; rows?: number } = {},
): Promise<{ stdout: string; stderr: string; error: unknown }> => {
  const abort = new AbortController()
  const out = { stdout: '', stderr: '', error: null as unknown }
  const io: CliIo = {
    stdout: (text) => void (out.stdout += text),
    stderr: (text) => void (out.stderr += text),
    isTerminal: true,
    signal: abort.signal,
    setExitCode: () => undefined,
  }
  const left = [...answers]
  const ask = (): Promise<{ value: number }> => {
    const next = left.shift()
    if (next === undefined) {
      abort.abort(new Error('interrupted'))
      return Promise.reject(new Error('interrupted'))
    }
    return next instanceof Error ? Promise.reject(next) : Promise.resolve({ value: next })
  }
  const { isTerminal = false, json, rows = 24 } = options
  const flags = { watch: true as const, every: 1, ...(json === undefined ? {} : { json }) }
  const lines = (value: number): string => Array.from({ length: value }, (_, i) => `line ${i + 1}\n`).join('')
  try {
    await showOrWatch(io, flags, ask, ({ value }) => lines(value), world, { isTerminal, rows })
  } catch (error) {
    out.error = error
  }
  return out
}

describe('--watch', () => {
  test('prints a line of JSON whenever something has changed, where nobody looks', async () => {
    const { stdout } = await watch([1, 1, 2, 2, 2, 1])
    expect(stdout).toBe('{"value":1}\n{"value":2}\n{"value":1}\n')
    expect((await watch([1, 2], { isTerminal: true, json: true })).stdout).toBe('{"value":1}\n{"value":2}\n')
  })

  test('draws in place on a terminal, and no more than fits', async () => {
    const { stdout } = await watch([1, 2], { isTerminal: true })
    expect(stdout).toBe('\u001B[H\u001B[Jline 1\n\u001B[H\u001B[Jline 1\nline 2\n')
    const long = await watch([30], { isTerminal: true, rows: 10 })
    expect(long.stdout.trimEnd().split('\n')).toHaveLength(9)
    expect(long.stdout).toContain('… 22 more lines')
  })

  test('goes on when the daemon is away for a while; one that was never there ends it', async () => {
    const away = new SecnodeError('DAEMON_NOT_RUNNING', 'no daemon runs', { hint: 'Start it.' })
    const { stdout, stderr } = await watch([1, away, 2])
    expect(stdout).toBe('{"value":1}\n{"value":2}\n')
    expect(stderr).toContain('[DAEMON_NOT_RUNNING]')
    expect((await watch([away, 1])).error).toBe(away)
  })
})
