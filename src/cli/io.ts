import { isSecnodeError, messageOf } from '../errors.ts'

/** Where a command writes: stdout is the result, stderr is the log and the progress. */
export interface CliIo {
  stdout(text: string): void
  stderr(text: string): void
  /** True if stderr is a terminal, so that a progress line may be redrawn. */
  isTerminal: boolean
  /** Asks a person and waits for one line; absent where nobody sits before a terminal. */
  ask?(question: string): Promise<string>
  /** Aborted on SIGINT and SIGTERM. */
  signal: AbortSignal
  setExitCode(code: 0 | 1 | 2 | 3 | 130): void
}

export const printJson = (io: CliIo, value: unknown): void => {
  io.stdout(`${JSON.stringify(value)}\n`)
}

/** Message, then what to do; the stack only when asked for. Returns the exit code. */
export const printError = (io: CliIo, error: unknown, verbose: boolean): 0 | 1 | 2 | 3 => {
  if (isSecnodeError(error)) {
    io.stderr(`secnode: ${error.message} [${error.code}]\n`)
    if (error.hint !== undefined) io.stderr(`  ${error.hint}\n`)
    if (verbose && error.stack !== undefined) io.stderr(`${error.stack}\n`)
    return error.exitCode
  }
  io.stderr(`secnode: ${messageOf(error)}\n`)
  if (verbose && error instanceof Error && error.stack !== undefined) io.stderr(`${error.stack}\n`)
  else io.stderr('  This is a fault of Secnode; run again with --verbose and report what it prints.\n')
  return 1
}
