import { readdir } from 'node:fs/promises'
import { Level } from 'level'
import { storeClosed, storeDamaged, translateLevelError } from './errors.ts'
import type { BatchOptions, Store, StoreEntry, StoreOperation, StoreRange } from './store.ts'

export interface LevelStoreOptions {
  /** Cache of uncompressed blocks: LevelDB's own 8 MiB serve the rows of one epoch of 40,000 seats. */
  cacheBytes?: number
}

/** Entries fetched from LevelDB in one crossing: larger ones no longer win anything and hold the event loop longer. */
const entriesPerRead = 1_000

/**
 * A store in a directory, which it creates if it is missing. LevelDB's own LOCK file guards it: a second process
 * gets STORE_LOCKED; the lock dies with its process. Errors: STORE_LOCKED, STORE_DAMAGED, STORE_FULL,
 * STORE_NO_ACCESS, STORE_FAILED.
 */
export const openLevelStore = async (directory: string, options: LevelStoreOptions = {}): Promise<Store> => {
  await refuseToStartOver(directory)
  const level = new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    ...(options.cacheBytes === undefined ? {} : { cacheSize: options.cacheBytes }),
  })
  try {
    await level.open()
  } catch (error) {
    throw translateLevelError(error, directory)
  }
  return new LevelStore(level, directory)
}

/** LevelDB without its CURRENT file takes the directory for a new one and deletes the tables in it as strays. */
const refuseToStartOver = async (directory: string): Promise<void> => {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch {
    return
  }
  const hasTables = names.some((name) => /\.(ldb|sst)$|^MANIFEST-/.test(name))
  if (hasTables && !names.includes('CURRENT')) throw storeDamaged(directory, 'its CURRENT file is missing')
}

class LevelStore implements Store {
  readonly #level: Level<Uint8Array, Uint8Array>
  readonly #directory: string
  #isClosed = false

  constructor(level: Level<Uint8Array, Uint8Array>, directory: string) {
    this.#level = level
    this.#directory = directory
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return plain(await this.#run(() => this.#level.get(key)))
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return (await this.#run(() => this.#level.getMany([...keys]))).map(plain)
  }

  async batch(operations: readonly StoreOperation[], options: BatchOptions = {}): Promise<void> {
    await this.#run(() => this.#level.batch([...operations], { sync: options.sync ?? false }))
  }

  async *range(range: StoreRange = {}): AsyncIterable<StoreEntry> {
    if (this.#isClosed) throw storeClosed()
    const iterator = this.#level.iterator({ ...range, limit: range.limit ?? -1 })
    try {
      for (;;) {
        const entries = await this.#run(() => iterator.nextv(entriesPerRead))
        if (entries.length === 0) return
        for (const [key, value] of entries) yield [plain(key), plain(value)]
      }
    } finally {
      await iterator.close()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    try {
      await this.#level.close()
    } catch (error) {
      throw translateLevelError(error, this.#directory)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw storeClosed()
    try {
      return await work()
    } catch (error) {
      throw translateLevelError(error, this.#directory)
    }
  }
}

/** LevelDB's binding gives Buffers, whose `slice` is not that of a Uint8Array. The same memory, without the copy. */
function plain(bytes: Uint8Array): Uint8Array
function plain(bytes: Uint8Array | undefined): Uint8Array | undefined
function plain(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
