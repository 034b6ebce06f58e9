/** Runs tasks one after the other, in the order in which they came. The caller bounds how many it hands over. */
export interface Sequence {
  /** Resolves or rejects as `work` does. A task that fails does not hold up the next. */
  run<T>(work: () => T | Promise<T>): Promise<T>
  /** Resolves once every task handed over before this call has ended, however it ended. */
  idle(): Promise<void>
}

export const createSequence = (): Sequence => {
  let last: Promise<void> = Promise.resolve()
  return {
    run: (work) => {
      const turn = last.then(work)
      last = settled(turn)
      return turn
    },
    idle: () => last,
  }
}

/** Runs tasks of the same name as a sequence, and those of different names side by side. */
export interface Serial {
  /** As of a sequence. */
  run<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Names with tasks that run or wait. */
  readonly size: number
}

export const createSerial = (): Serial => {
  const lastByName = new Map<string, Promise<void>>()
  return {
    run: async (name, work) => {
      const turn = Promise.resolve(lastByName.get(name)).then(work)
      const last = settled(turn)
      lastByName.set(name, last)
      try {
        return await turn
      } finally {
        if (lastByName.get(name) === last) lastByName.delete(name)
      }
    },
    get size() {
      return lastByName.size
    },
  }
}

const settled = (turn: Promise<unknown>): Promise<void> =>
  turn.then(
    () => undefined,
    () => undefined,
  )
