import { join } from 'node:path'
import { SecnodeError } from '../errors.ts'
import { storeDamaged } from './errors.ts'
import { keyOf, prefixes, readU32, u32 } from './keys.ts'
import { type LevelStoreOptions, openLevelStore } from './level-store.ts'
import { type Store, type StoreOperation, put } from './store.ts'

/** Raised by one whenever a row changes its meaning; `upgrades` then says how to get here from the version before. */
export const schemaVersion = 2

/** Older stores are refused: they hold checkpoints of before protocol 1.0, of which no network was live. */
export const oldestSchema = 2

/**
 * Brings a store from the version before to its own. It may write idempotent batches itself; what it returns is
 * written together with the new version, so an upgrade that is killed begins again.
 */
export type Upgrade = (store: Store) => Promise<readonly StoreOperation[]>

/** By the version that the upgrade leads to. */
export const upgrades: ReadonlyMap<number, Upgrade> = new Map()

export interface OpenStoreOptions extends LevelStoreOptions {
  /** The data directory; the rows live in its subdirectory `store`. */
  directory: string
  /** A store belongs to one network for ever. */
  networkId: string
  /** For tests of the upgrade path itself. */
  schema?: { version: number; oldest: number; upgrades: ReadonlyMap<number, Upgrade> }
}

/**
 * Opens a data directory, guarded against a second process. Errors: those of `openLevelStore`, STORE_SCHEMA (written
 * by a newer Secnode, or by one of before protocol 1.0), STORE_NETWORK (another network's), STORE_FOREIGN (not a store of Secnode).
 */
export const openStore = async (options: OpenStoreOptions): Promise<Store> => {
  const {
    directory,
    networkId,
    schema = { version: schemaVersion, oldest: oldestSchema, upgrades },
  } = options
  const store = await openLevelStore(join(directory, 'store'), options)
  try {
    await adopt(store, directory, networkId, schema)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

const schemaKey = keyOf(prefixes.meta, new TextEncoder().encode('schema'))
const networkKey = keyOf(prefixes.meta, new TextEncoder().encode('network'))

const adopt = async (
  store: Store,
  directory: string,
  networkId: string,
  schema: NonNullable<OpenStoreOptions['schema']>,
): Promise<void> => {
  const [versionBytes, networkBytes] = await store.getMany([schemaKey, networkKey])
  if (versionBytes === undefined || networkBytes === undefined) {
    for await (const _entry of store.range({ limit: 1 })) {
      throw new SecnodeError('STORE_FOREIGN', `${directory} holds a database that is not Secnode's`, {
        hint: 'Choose another --dir.',
      })
    }
    const network = new TextEncoder().encode(networkId)
    await store.batch([put(schemaKey, u32(schema.version)), put(networkKey, network)], { sync: true })
    return
  }
  const found = new TextDecoder().decode(networkBytes)
  if (found !== networkId) {
    throw new SecnodeError('STORE_NETWORK', `${directory} belongs to network ${found}, not to ${networkId}`, {
      hint: 'Choose another --dir, or the --profile that this directory was made with.',
    })
  }
  if (versionBytes.length !== 4) throw storeDamaged(directory, 'its schema row has a wrong length')
  const version = readU32(versionBytes)
  if (version > schema.version) {
    throw new SecnodeError(
      'STORE_SCHEMA',
      `${directory} was written by a newer Secnode (schema ${version}, this one knows ${schema.version})`,
      { hint: 'Install the newer version again, or choose another --dir.' },
    )
  }
  if (version < schema.oldest) {
    throw new SecnodeError(
      'STORE_SCHEMA',
      `${directory} was written by an older Secnode (schema ${version}); the oldest that can be read is ${schema.oldest}`,
      {
        hint: 'Move its folder `store` away: the node follows the chain anew. Keys and configuration stay as they are.',
      },
    )
  }
  for (let next = version + 1; next <= schema.version; next++) {
    const upgrade = schema.upgrades.get(next)
    if (upgrade === undefined) throw new Error(`no upgrade to schema ${next}`)
    await store.batch([...(await upgrade(store)), put(schemaKey, u32(next))], { sync: true })
  }
}
