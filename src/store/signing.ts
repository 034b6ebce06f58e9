import { z } from 'zod'
import { storeDamaged } from './errors.ts'
import { keyOf, prefixes } from './keys.ts'
import { put, type Store } from './store.ts'

/** How another daemon with the same keys was noticed (R-ATT-7). */
export const TwinSighting = z.strictObject({
  /** An attestation or a question by the own key that this store did not sign, or an answer at the announced address. */
  by: z.enum(['attestation', 'question', 'address']),
  /** Of the attestation, or the one that was running. */
  epoch: z.int().min(0),
  /** CID of the attestation, the seat that was asked and its host, or address and port. */
  what: z.string().max(200),
  /** ISO 8601. */
  at: z.iso.datetime(),
})
export type TwinSighting = z.infer<typeof TwinSighting>

/** Whether this store's daemon may sign for its seat. */
export const SigningRecord = z.strictObject({
  /** Why it signs nothing until the operator acts (R-ATT-7); null while it may sign. */
  twin: TwinSighting.nullable(),
  /** The epoch in which the operator said that the other daemon is stopped, until that has led to something (R-ATT-8). */
  saidIn: z.int().min(0).nullable(),
  /** Nothing of an epoch or week that began up to this height is signed (R-ATT-8). */
  fence: z.int().min(0).nullable(),
})
export type SigningRecord = z.infer<typeof SigningRecord>

export interface SigningStore {
  read(): Promise<SigningRecord>
  /** Durable before it returns. */
  write(record: SigningRecord): Promise<void>
}

const mayAll: SigningRecord = { twin: null, saidIn: null, fence: null }

export const createSigningStore = (store: Store, directory: string): SigningStore => {
  const key = keyOf(prefixes.signing)
  return {
    async read() {
      const row = await store.get(key)
      if (row === undefined) return mayAll
      try {
        return SigningRecord.parse(JSON.parse(new TextDecoder().decode(row)))
      } catch (error) {
        throw storeDamaged(directory, 'it cannot be read whether this node may sign', error)
      }
    },
    write: (record) =>
      store.batch([put(key, new TextEncoder().encode(JSON.stringify(record)))], { sync: true }),
  }
}
