import { storeClosed } from './errors.ts'
import type { Store, StoreEntry, StoreOperation, StoreRange } from './store.ts'

/** A store that lives and dies with the process: for tests, the devnet and one-shot commands. */
export const createMemoryStore = (): Store => new MemoryStore()

/** Entries of a chunk before it is split in two: insertion moves at most this many pointers. */
const maxChunkEntries = 512

/**
 * A sorted list in chunks: finding and inserting cost a binary search over chunks and one inside. Entries are never
 * changed, only replaced, so the copy of the pointers that a range takes at its start is a snapshot.
 */
class MemoryStore implements Store {
  #chunks: StoreEntry[][] = []
  #isClosed = false

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#assertOpen()
    return this.#find(key)?.slice()
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#assertOpen()
    return keys.map((key) => this.#find(key)?.slice())
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    this.#assertOpen()
    for (const operation of operations) {
      if (operation.type === 'put') this.#put(operation.key.slice(), operation.value.slice())
      else this.#delete(operation.key)
    }
  }

  async *range(range: StoreRange = {}): AsyncIterable<StoreEntry> {
    this.#assertOpen()
    for (const [key, value] of this.#entriesOf(range)) {
      this.#assertOpen()
      yield [key.slice(), value.slice()]
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#chunks = []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #assertOpen(): void {
    if (this.#isClosed) throw storeClosed()
  }

  #find(key: Uint8Array): Uint8Array | undefined {
    const chunk = this.#chunks[this.#chunkIndexOf(key)]
    if (chunk === undefined) return undefined
    const entry = chunk[lowerBound(chunk, key)]
    return entry !== undefined && Buffer.compare(entry[0], key) === 0 ? entry[1] : undefined
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    const chunkIndex = this.#chunkIndexOf(key)
    const chunk = this.#chunks[chunkIndex]
    if (chunk === undefined) {
      this.#chunks.push([[key, value]])
      return
    }
    const index = lowerBound(chunk, key)
    const found = chunk[index]
    if (found !== undefined && Buffer.compare(found[0], key) === 0) {
      chunk[index] = [key, value]
      return
    }
    chunk.splice(index, 0, [key, value])
    if (chunk.length > maxChunkEntries) {
      this.#chunks.splice(chunkIndex + 1, 0, chunk.splice(maxChunkEntries / 2))
    }
  }

  #delete(key: Uint8Array): void {
    const chunkIndex = this.#chunkIndexOf(key)
    const chunk = this.#chunks[chunkIndex]
    if (chunk === undefined) return
    const index = lowerBound(chunk, key)
    const found = chunk[index]
    if (found === undefined || Buffer.compare(found[0], key) !== 0) return
    chunk.splice(index, 1)
    if (chunk.length === 0) this.#chunks.splice(chunkIndex, 1)
  }

  /** The last chunk that begins at or before the key, else the first one. */
  #chunkIndexOf(key: Uint8Array): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Buffer.compare(this.#chunks[middle]![0]![0], key) <= 0) low = middle + 1
      else high = middle
    }
    return Math.max(low - 1, 0)
  }

  #entriesOf({ gte, lt, reverse = false, limit = Infinity }: StoreRange): StoreEntry[] {
    const entries: StoreEntry[] = []
    const start = gte === undefined ? 0 : this.#chunkIndexOf(gte)
    const end = lt === undefined ? this.#chunks.length : this.#chunkIndexOf(lt) + 1
    const chunks = this.#chunks.slice(start, end)
    if (reverse) chunks.reverse()
    for (const chunk of chunks) {
      const from = gte === undefined ? 0 : lowerBound(chunk, gte)
      const to = lt === undefined ? chunk.length : lowerBound(chunk, lt)
      const part = chunk.slice(from, Math.max(from, to))
      if (reverse) part.reverse()
      for (const entry of part) {
        if (entries.length >= limit) return entries
        entries.push(entry)
      }
    }
    return entries
  }
}

/** Index of the first entry at or after the key. */
const lowerBound = (chunk: readonly StoreEntry[], key: Uint8Array): number => {
  let low = 0
  let high = chunk.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (Buffer.compare(chunk[middle]![0], key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
