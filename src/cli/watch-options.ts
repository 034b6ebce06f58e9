import { type Command, InvalidArgumentError } from 'commander'
import type { Screen } from './watch.ts'

const seconds = (text: string): number => {
  const value = Number(text)
  if (!(value >= 0.1 && value <= 3_600)) throw new InvalidArgumentError('It must be 0.1 to 3600 seconds.')
  return value
}

/** The options of all commands that look at a running daemon. */
export const withWatchOptions = (command: Command): Command =>
  command
    .option('--dir <dir>', 'data directory of the running node', 'data')
    .option('--json', 'print JSON')
    .option('--watch', 'show it again whenever it changes, until interrupted')
    .option('--every <seconds>', 'with --watch: how often to look', seconds, 2)

export const screenOf = (stdout: Pick<NodeJS.WriteStream, 'isTTY' | 'rows'>): Screen => ({
  isTerminal: stdout.isTTY,
  rows: stdout.rows ?? 24,
})
