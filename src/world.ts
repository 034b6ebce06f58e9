import { randomBytes } from 'node:crypto'

/** Everything of the outside that is not input: time and chance. Tests and the devnet pass their own. */
export interface World {
  /** Milliseconds since 1970, for logs and certificate dates; never for a rule. */
  now(): number
  /** Milliseconds that never go back, for measuring. */
  monotonicMs(): number
  randomBytes(length: number): Uint8Array
  /** Calls back once after `ms`; the returned function cancels. A timer never keeps the process alive. */
  setTimer(ms: number, callback: () => void): () => void
}

export const realWorld = (): World => ({
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
  setTimer: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
})
