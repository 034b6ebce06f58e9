/** One write of a batch. */
export type StoreOperation =
  { type: 'put'; key: Uint8Array; value: Uint8Array } | { type: 'del'; key: Uint8Array }

export type StoreEntry = readonly [key: Uint8Array, value: Uint8Array]

/** Keys from `gte` up to, not including, `lt`, in byte order; from the last one down if `reverse`. */
export interface StoreRange {
  gte?: Uint8Array
  lt?: Uint8Array
  reverse?: boolean
  /** Most entries to give; none for 0. */
  limit?: number
}

export interface BatchOptions {
  /** Returns only when the batch is on the disk: for whatever is signed or published on the strength of it. */
  sync?: boolean
}

/**
 * An ordered map from byte keys to byte values. A batch is atomic: after a crash at any moment all of it is there
 * or none of it. A range sees the store as it was when the iteration began. What goes in is copied, what comes out
 * belongs to the caller. After `close` every call fails with STORE_CLOSED.
 */
export interface Store extends AsyncDisposable {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  /** Values in the order of the keys. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  batch(operations: readonly StoreOperation[], options?: BatchOptions): Promise<void>
  range(range?: StoreRange): AsyncIterable<StoreEntry>
  /** Waits for what is under way; idempotent. */
  close(): Promise<void>
}

export const put = (key: Uint8Array, value: Uint8Array): StoreOperation => ({ type: 'put', key, value })
export const del = (key: Uint8Array): StoreOperation => ({ type: 'del', key })
