import type { Steps } from '../../protocol/index.ts'

/** Calls back once the event loop has come round, with the sockets in between; no clock. It keeps the process alive. */
export const onNextTurn = (callback: () => void): void => {
  // A browser has no setImmediate.
  if ('setImmediate' in globalThis) setImmediate(callback)
  else setTimeout(callback)
}

/** Resolves once the event loop has come round. */
export const nextTurn = (): Promise<void> => new Promise(onNextTurn)

/** Whoever waits for an answer of this process meanwhile waits for one slice of each such computation. */
const sliceMs = 10

/**
 * Drives a long computation in slices, with whatever else there is to do between them. By the process's own clock and no
 * injected one: how long the event loop is held is a matter of this process alone, and no result depends on it.
 */
export const inSlices = async <T>(steps: Steps<T>): Promise<T> => {
  let endsMs = performance.now() + sliceMs
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (performance.now() < endsMs) continue
    await nextTurn()
    endsMs = performance.now() + sliceMs
  }
}
