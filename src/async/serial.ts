/**
 * Runs tasks of the same name one after the other, in the order in which they came, and those of different names side by
 * side. A task that fails does not hold up the next. The caller bounds how many it hands over.
 */
export interface Serial {
  /** Rejects with what `work` rejects with. */
  run<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Names with tasks that run or wait. */
  readonly size: number
}

export const createSerial = (): Serial => {
  const lastByName = new Map<string, Promise<unknown>>()
  return {
    run: async (name, work) => {
      const turn = Promise.resolve(lastByName.get(name)).then(work)
      const settled = turn.catch(() => undefined)
      lastByName.set(name, settled)
      try {
        return await turn
      } finally {
        if (lastByName.get(name) === settled) lastByName.delete(name)
      }
    },
    get size() {
      return lastByName.size
    },
  }
}
