import { isSecnodeError, messageOf } from '../errors.ts'
import { asciiJson, withoutEscapes } from './printable.ts'

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
  io.stdout(`${asciiJson(JSON.stringify(value))}\n`)
}

/** Message, then what to do; the stack only when asked for. Returns the exit code. */
export const printError = (io: CliIo, error: unknown, verbose: boolean): 0 | 1 | 2 | 3 => {
  const print = (line: string): void => io.stderr(`${withoutEscapes(line)}\n`)
  const printStack = (stack: string): void => stack.split('\n').forEach((line) => print(`  ${line}`))
  if (isSecnodeError(error)) {
    print(`secnode: ${error.message} [${error.code}]`)
    // Indented, so that no line of it passes for one of ours.
    for (const line of error.hint?.split('\n') ?? []) print(`  ${line}`)
    if (verbose && error.stack !== undefined) printStack(error.stack)
    return error.exitCode
  }
  print(`secnode: ${messageOf(error)}`)
  if (verbose && error instanceof Error && error.stack !== undefined) printStack(error.stack)
  else print('  This is a fault of Secnode; run again with --verbose and report what it prints.')
  return 1
}
