import { SimulationError } from '../errors.ts'

/** Where a command writes: stdout is the result, stderr is the log and the progress. */
export interface SimIo {
  stdout(text: string): void
  stderr(text: string): void
  isTerminal: boolean
  signal: AbortSignal
}

/** Message, then what to do; the stack only when asked for. Returns the exit code: 2 for what the user wrote, else 1. */
export const printError = (io: SimIo, error: unknown, verbose: boolean): 1 | 2 => {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof SimulationError) {
    io.stderr(`sim: ${message} [${error.code}]\n`)
    if (error.hint !== undefined) io.stderr(`  ${error.hint}\n`)
  } else {
    io.stderr(`sim: ${message}\n`)
    if (!verbose)
      io.stderr('  This is a fault of the simulator; run again with --verbose and report what it prints.\n')
  }
  if (verbose && error instanceof Error && error.stack !== undefined) io.stderr(`${error.stack}\n`)
  return error instanceof SimulationError && error.code.startsWith('bad-') ? 2 : 1
}
