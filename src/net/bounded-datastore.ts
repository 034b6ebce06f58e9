import type { Libp2pOptions } from 'libp2p'

type Datastore = NonNullable<Libp2pOptions['datastore']>
type Key = Parameters<Datastore['has']>[0]
type Pair = { key: Key; value: Uint8Array }

export interface BoundedDatastoreLimits {
  /** Records of one kind (address book, provider records); above it the oldest of that kind goes. */
  maxEntriesPerKind: number
  /** Provider records of one peer; above it new ones are not kept. */
  maxProvidersPerPeer: number
  /** Providers of one content that a query finds, the oldest first: what others are told must fit into one message. */
  maxProvidersTold: number
}

// An entry of the address book with 25 addresses and a signed record has about 4 kB, a provider record 200 bytes.
const maxNameLength = 256
const maxValueBytes = 16_384

/**
 * What libp2p remembers (address book, provider records), in memory and bounded: anybody may send such records, and
 * its own memory store keeps them all. Nothing of it is needed after a restart: peers come from the chain.
 */
export const createBoundedDatastore = (limits: BoundedDatastoreLimits): Datastore => {
  const kinds = new Map<string, Map<string, Pair>>()
  /** Names by the folder they are in, since provider records are looked up by that of their content. */
  const namesByFolder = new Map<string, Set<string>>()
  const providersByPeer = createTally()

  const pairsOf = (name: string): Map<string, Pair> => {
    const kind = name.split('/', 2).join('/')
    const pairs = kinds.get(kind) ?? new Map<string, Pair>()
    kinds.set(kind, pairs)
    return pairs
  }

  const remove = (key: Key): void => {
    const name = key.toString()
    if (!pairsOf(name).delete(name)) return
    const names = namesByFolder.get(folderOf(name))
    names?.delete(name)
    if (names?.size === 0) namesByFolder.delete(folderOf(name))
    providersByPeer.add(providerOf(name), -1)
  }

  const put = (key: Key, value: Uint8Array): Key => {
    const name = key.toString()
    const pairs = pairsOf(name)
    if (name.length > maxNameLength || value.length > maxValueBytes) return key
    if (!pairs.has(name)) {
      const peer = providerOf(name)
      if (providersByPeer.count(peer) >= limits.maxProvidersPerPeer) return key
      providersByPeer.add(peer, 1)
      const names = namesByFolder.get(folderOf(name)) ?? new Set()
      namesByFolder.set(folderOf(name), names.add(name))
    }
    pairs.set(name, { key, value })
    const [oldest] = pairs.size > limits.maxEntriesPerKind ? pairs.values() : []
    if (oldest !== undefined) remove(oldest.key)
    return key
  }

  const get = (key: Key): Uint8Array => {
    const pair = pairsOf(key.toString()).get(key.toString())
    // The name that libp2p looks for.
    if (pair === undefined) throw Object.assign(new Error('not found'), { name: 'NotFoundError' })
    return pair.value
  }

  const withPrefix = (prefix = '/'): Pair[] => {
    const pairs = pairsOf(prefix)
    const folder = prefix.replace(/\/$/, '')
    const most = contentPattern.test(folder) ? limits.maxProvidersTold : Infinity
    const names = namesByFolder.get(folder) ?? pairs.keys()
    return [...names]
      .slice(0, most)
      .flatMap((name) => (name.startsWith(prefix) ? (pairs.get(name) ?? []) : []))
  }

  return {
    has: (key) => pairsOf(key.toString()).has(key.toString()),
    get,
    put,
    delete: remove,
    async *getMany(source) {
      for await (const key of source) yield { key, value: get(key) }
    },
    async *putMany(source) {
      for await (const { key, value } of source) yield put(key, value)
    },
    async *deleteMany(source) {
      for await (const key of source) {
        remove(key)
        yield key
      }
    },
    batch: () => {
      const operations: (() => void)[] = []
      return {
        put: (key, value) => void operations.push(() => put(key, value)),
        delete: (key) => void operations.push(() => remove(key)),
        commit: () => {
          for (const operation of operations.splice(0)) operation()
        },
      }
    },
    *query(query) {
      yield* select(withPrefix(query.prefix), query)
    },
    *queryKeys(query) {
      yield* select(
        withPrefix(query.prefix).map((pair) => pair.key),
        query,
      )
    },
  }
}

interface Selection<T> {
  filters?: ((item: T) => boolean)[]
  orders?: ((a: T, b: T) => -1 | 0 | 1)[]
  offset?: number
  limit?: number
}

const select = <T>(
  items: readonly T[],
  { filters = [], orders = [], offset = 0, limit }: Selection<T>,
): T[] => {
  let selected = items.filter((item) => filters.every((filter) => filter(item)))
  for (const order of orders) selected = selected.sort(order)
  return selected.slice(offset, limit === undefined ? undefined : offset + limit)
}

const contentPattern = /^\/dht\/provider\/[^/]+$/

const folderOf = (name: string): string => name.slice(0, name.lastIndexOf('/'))

/** The peer of a provider record, `/dht/provider/<content>/<peer>`; null for any other key. */
const providerOf = (name: string): string | null =>
  /^\/dht\/provider\/[^/]+\/([^/]+)$/.exec(name)?.[1] ?? null

/** Counts by name; the name null is not counted. */
const createTally = () => {
  const counts = new Map<string, number>()
  return {
    count: (name: string | null): number => (name === null ? 0 : (counts.get(name) ?? 0)),
    add: (name: string | null, change: number): void => {
      if (name === null) return
      const count = (counts.get(name) ?? 0) + change
      if (count <= 0) counts.delete(name)
      else counts.set(name, count)
    },
  }
}
