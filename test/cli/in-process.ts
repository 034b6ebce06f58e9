import { type Command, CommanderError } from 'commander'
import { type CliIo, printError } from '../../src/cli/io.ts'
import { createProgram } from '../../src/cli/main.ts'

export interface Run {
  exitCode: number
  stdout: string
  stderr: string
}

/** A command as `main` runs it, in this process: starting one takes longer than all that it does. */
export const runInProcess = async (...args: readonly string[]): Promise<Run> => {
  const result: Run = { exitCode: 0, stdout: '', stderr: '' }
  const io: CliIo = {
    stdout: (text) => void (result.stdout += text),
    stderr: (text) => void (result.stderr += text),
    isTerminal: false,
    signal: new AbortController().signal,
    setExitCode: (code) => void (result.exitCode = code),
  }
  const program = createProgram(io)
  const capture = (command: Command): void => {
    command.configureOutput({ writeOut: (text) => io.stdout(text), writeErr: (text) => io.stderr(text) })
    for (const each of command.commands) capture(each)
  }
  capture(program)
  try {
    await program.parseAsync(['node', 'secnode', ...args])
  } catch (error) {
    if (error instanceof CommanderError) result.exitCode = error.exitCode === 0 ? 0 : 2
    else result.exitCode = printError(io, error, false)
  }
  return result
}
