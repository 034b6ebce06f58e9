import { type Command, InvalidArgumentError } from 'commander'
import { maxEffort, peerIdOfKey } from '../../protocol/index.ts'
import { defaultMaxEffort } from '../net/host.ts'
import type { Toll } from '../net/puzzle-solver.ts'
import type { CliIo } from './io.ts'

/** `--max-effort`: what this command is ready to do for nodes under load (R-PUZ-4). */
export interface TollOptions {
  maxEffort: number
}

const effort = (text: string): number => {
  const hashes = /^[0-9]{1,10}$/.test(text) ? Number(text) : NaN
  if (!(hashes <= maxEffort))
    throw new InvalidArgumentError(`It must be a number of hashes up to ${maxEffort}.`)
  return hashes
}

/** `context` says whose answers may cost work. */
export const withTollOption = (command: Command, context: string): Command =>
  command.option(
    '--max-effort <hashes>',
    `${context}: the most work to do first for one that is under load (0: none)`,
    effort,
    defaultMaxEffort,
  )

/** Says on standard error that another node asks for work first, and how long that may take. */
export const sayToll =
  (io: CliIo) =>
  ({ puzzle, expectedMs }: Toll): void => {
    const peer = peerIdOfKey(puzzle.server)
    io.stderr(`${peer} is under load and asks for work first: some ${Math.ceil(expectedMs / 1_000)} s\n`)
  }
