/** Lets a bounded number of tasks run at once; the others wait in order, a bounded number of them. */
export interface Gate {
  /** Resolves when a place is free, with the function that gives it back. Rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<() => void>
}

/** `whenFull` makes the error for a task that finds all waiting places taken. */
export const createGate = (maxRunning: number, maxWaiting: number, whenFull: () => Error): Gate => {
  let running = 0
  const waiting = new Set<() => void>()

  const leaveOnce = (): (() => void) => {
    let hasLeft = false
    return () => {
      if (hasLeft) return
      hasLeft = true
      running--
      const [next] = waiting
      next?.()
    }
  }

  return {
    enter: async (signal) => {
      signal.throwIfAborted()
      if (running < maxRunning) {
        running++
        return leaveOnce()
      }
      if (waiting.size >= maxWaiting) throw whenFull()
      return new Promise((resolve, reject) => {
        const admit = (): void => {
          waiting.delete(admit)
          signal.removeEventListener('abort', giveUp)
          running++
          resolve(leaveOnce())
        }
        const giveUp = (): void => {
          waiting.delete(admit)
          reject(signal.reason as Error)
        }
        waiting.add(admit)
        signal.addEventListener('abort', giveUp, { once: true })
      })
    },
  }
}
