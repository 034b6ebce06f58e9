import type { World } from '../world.ts'
import type { CliIo } from './io.ts'

/** One line about long work on standard error: redrawn on a terminal, elsewhere a new one now and then. */
export interface Progress {
  /** `part`: how much is done, from 0 to 1. */
  show(text: string, part?: number): void
  /** Clears the line. */
  end(): void
}

/** No closer than this, so that a log stays readable. */
const minMs = { terminal: 100, log: 10_000 }
const barCells = 30

export const createProgress = (io: CliIo, world: Pick<World, 'monotonicMs'>): Progress => {
  // What is soon done leaves nothing in a log.
  let lastMs = io.isTerminal ? Number.NEGATIVE_INFINITY : world.monotonicMs()
  let isOpen = false
  return {
    show(text, part) {
      const nowMs = world.monotonicMs()
      if (nowMs - lastMs < (io.isTerminal ? minMs.terminal : minMs.log)) return
      lastMs = nowMs
      if (!io.isTerminal) {
        io.stderr(`${text}\n`)
        return
      }
      const done = part === undefined ? null : Math.floor(Math.min(1, part) * barCells)
      const bar = done === null ? '' : `[${'#'.repeat(done)}${'.'.repeat(barCells - done)}] `
      io.stderr(`\r\u001B[K${bar}${text}`)
      isOpen = true
    },
    end() {
      if (isOpen) io.stderr('\r\u001B[K')
      isOpen = false
    },
  }
}
