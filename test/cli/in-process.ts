import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Command, CommanderError } from 'commander'
import { type CliIo, printError } from '../../src/cli/io.ts'
import { createProgram } from '../../src/cli/program.ts'

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

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** The command as a user runs it: another process with its exit code, both streams, and `input` to read. */
export const runAsProcess = (args: readonly string[], input = ''): Promise<Run> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
    // A command that refuses its arguments does not read.
    child.stdin!.on('error', () => {})
    child.stdin!.end(input)
  })
