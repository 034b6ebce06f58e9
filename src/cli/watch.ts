import { isSecnodeError } from '../errors.ts'
import { pause } from '../async/deadline.ts'
import type { World } from '../world.ts'
import { type CliIo, printError, printJson } from './io.ts'

export interface WatchFlags {
  json?: true
  watch?: true
  every: number
}

/** A terminal on stdout that can be drawn on again. */
export interface Screen {
  isTerminal: boolean
  rows: number
}

const clear = '\u001B[H\u001B[J'

/**
 * Shows something once, or with --watch until it is interrupted: on a terminal drawn again in place, elsewhere, and with
 * --json, one line of JSON whenever it has changed. What goes wrong while watching is shown and tried again.
 */
export const showOrWatch = async <T>(
  io: CliIo,
  flags: WatchFlags,
  ask: () => Promise<T>,
  format: (value: T) => string,
  world: World,
  screen: Screen,
): Promise<void> => {
  if (flags.watch !== true) {
    const value = await ask()
    if (flags.json === true) printJson(io, value)
    else io.stdout(format(value))
    return
  }
  const isDrawn = screen.isTerminal && flags.json !== true
  let last = ''
  while (!io.signal.aborted) {
    try {
      const value = await ask()
      if (isDrawn) io.stdout(`${clear}${fitting(format(value), screen.rows)}`)
      else if (JSON.stringify(value) !== last) printJson(io, value)
      last = JSON.stringify(value)
    } catch (error) {
      // Nothing was shown yet: the mistake is in the call.
      if (last === '' || io.signal.aborted || !isSecnodeError(error)) throw error
      printError(io, error, false)
    }
    await pause(world, flags.every * 1_000, io.signal)
  }
}

/** No more lines than the screen has, so that the top stays in sight. */
const fitting = (text: string, rows: number): string => {
  const lines = text.trimEnd().split('\n')
  if (lines.length < rows) return text
  return `${lines.slice(0, rows - 2).join('\n')}\n… ${lines.length - rows + 2} more lines\n`
}
