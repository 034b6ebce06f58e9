import type { CID } from 'multiformats/cid'
import { cidOf, concatBytes, type Epoch } from '../../protocol/index.ts'
import { keyOf, prefixes, u32 } from './keys.ts'
import { del, put, type Store, type StoreOperation } from './store.ts'

/** Evidence blocks by CID, kept for `evidenceWeeks` (R-EVID-1). */
export interface EvidenceStore {
  get(cid: CID): Promise<Uint8Array | undefined>
  /** The operations that store a block, to go into one batch with what names it. */
  putOperations(epoch: Epoch, block: Uint8Array): StoreOperation[]
  put(epoch: Epoch, block: Uint8Array): Promise<void>
  pruneBefore(epoch: Epoch): Promise<void>
}

export const createEvidenceStore = (store: Store): EvidenceStore => {
  const putOperations = (epoch: Epoch, block: Uint8Array): StoreOperation[] => {
    const { digest } = cidOf(block).multihash
    return [
      put(keyOf(prefixes.evidence, digest), concatBytes(u32(epoch), block)),
      put(keyOf(prefixes.evidenceByEpoch, u32(epoch), digest), new Uint8Array(0)),
    ]
  }
  return {
    async get(cid) {
      const row = await store.get(keyOf(prefixes.evidence, cid.multihash.digest))
      return row?.subarray(4)
    },
    putOperations,
    put: (epoch, block) => store.batch(putOperations(epoch, block)),
    async pruneBefore(epoch) {
      const range = { gte: keyOf(prefixes.evidenceByEpoch), lt: keyOf(prefixes.evidenceByEpoch, u32(epoch)) }
      for (;;) {
        const operations: StoreOperation[] = []
        for await (const [key] of store.range({ ...range, limit: 500 })) {
          operations.push(del(key), del(keyOf(prefixes.evidence, key.subarray(5))))
        }
        if (operations.length === 0) return
        await store.batch(operations)
      }
    },
  }
}
