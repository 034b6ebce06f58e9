#!/usr/bin/env node
import { CommanderError } from 'commander'
import { createProgram } from './shell/commands.ts'
import { printError, type SimIo } from './shell/io.ts'

const createIo = (): SimIo => {
  const abort = new AbortController()
  let interrupts = 0
  const interrupt = (): void => {
    interrupts++
    // A second Ctrl-C is meant: leave at once.
    if (interrupts > 1) process.exit(130)
    abort.abort(new Error('interrupted'))
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  // `sim list | head` closes the pipe early: not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return {
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    isTerminal: process.stderr.isTTY,
    signal: abort.signal,
  }
}

/** Runs one command line; gives the exit code: 0 ok, 1 failed, 2 usage, 130 interrupted. */
export const main = async (args: readonly string[], io: SimIo = createIo()): Promise<number> => {
  const program = createProgram(io)
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (io.signal.aborted) return 130
    return printError(io, error, program.opts<{ verbose?: boolean }>().verbose === true)
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
