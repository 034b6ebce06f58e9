import { isSecnodeError } from '../errors.ts'
import type { Store } from '../store/store.ts'

/**
 * The same store; whatever of it fails is told as well, wherever that comes to light. A daemon that cannot write down
 * what it signs must stop, whoever caught the error (R-ATT-5).
 */
export const watchStore = (store: Store, onFailed: (error: unknown) => void): Store => {
  const watched = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      // A closed store is what the last requests meet when the daemon stops.
      if (!isSecnodeError(error, 'STORE_CLOSED')) onFailed(error)
      throw error
    }
  }
  const close = (): Promise<void> => watched(store.close())
  return {
    get: (key) => watched(store.get(key)),
    getMany: (keys) => watched(store.getMany(keys)),
    batch: (operations, options) => watched(store.batch(operations, options)),
    async *range(range) {
      const entries = store.range(range)[Symbol.asyncIterator]()
      try {
        for (;;) {
          const next = await watched(entries.next())
          if (next.done === true) return
          yield next.value
        }
      } finally {
        await entries.return?.()
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
