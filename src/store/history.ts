import type { CID } from 'multiformats/cid'
import {
  type ChallengerState,
  cidOfDigest,
  decodeAttestation,
  type Epoch,
  type Seat,
  type Signed,
  utf8ToBytes,
} from '../../protocol/index.ts'
import { readSignedRow, signedRow } from './attestations.ts'
import { storeDamaged } from './errors.ts'
import { createEvidenceStore } from './evidence.ts'
import { keyOf, prefixes, readU32, u32 } from './keys.ts'
import { put, type Store, type StoreOperation, type StoreRange } from './store.ts'
import { decodeWork, encodeWork, type GivenReceipt, readReceiptRow, receiptRow } from './work.ts'

/** Everything that a node signed, as far as signing again could contradict it. Bytes belong to the reader. */
export interface SignedRows {
  attestations: { epoch: Epoch; beacon: Uint8Array; signed: Signed }[]
  votes: { week: string; view: number; checkpoint: CID }[]
  /** Of the last epochs only: nobody asks for others any more (R-CHAL-1). */
  receipts: ({ epoch: Epoch; beacon: Uint8Array; challenger: Seat } & GivenReceipt)[]
  /** The same; their secrets are those of the nonces. */
  work: ChallengerState[]
  /** Evidence of the last epochs attested, which their auditors are still to ask for (R-EVID-2). */
  evidence: { epoch: Epoch; block: Uint8Array }[]
  /** Signed payout transactions (R-PAY-3). */
  payouts: { week: string; part: number; bytes: Uint8Array }[]
}

export interface HistoryStore {
  read(): Promise<SignedRows>
  /** All or nothing, and durable. */
  write(rows: SignedRows): Promise<void>
}

/** The one that runs, and the one before, about which attestations still come. */
const lastEpochs = 2
/** An audit looks at the epoch two before its own: those of the epoch that runs and of the two before are still to come. */
const auditedEpochs = 3
const weekLength = 8

export const createHistoryStore = (store: Store, directory: string): HistoryStore => {
  const evidence = createEvidenceStore(store)
  const allOf = (prefix: number): AsyncIterable<readonly [Uint8Array, Uint8Array]> =>
    store.range({ gte: keyOf(prefix), lt: keyOf(prefix + 1) })

  /** Rows of the last epochs that a prefix has, in rising order of key. */
  const lastOf = async (prefix: number): Promise<(readonly [Uint8Array, Uint8Array])[]> => {
    const newestFirst: StoreRange = { gte: keyOf(prefix), lt: keyOf(prefix + 1), reverse: true }
    const rows: (readonly [Uint8Array, Uint8Array])[] = []
    let newest: Epoch | null = null
    for await (const row of store.range(newestFirst)) {
      const epoch = readU32(row[0], 1)
      newest ??= epoch
      if (epoch <= newest - lastEpochs) break
      rows.push(row)
    }
    return rows.reverse()
  }

  /** What attestations of the last epochs name, as far as it is there. */
  const evidenceOf = async (attestations: SignedRows['attestations']): Promise<SignedRows['evidence']> => {
    const newest = Math.max(...attestations.map(({ epoch }) => epoch))
    const found: SignedRows['evidence'] = []
    for (const { epoch, signed } of attestations) {
      const named = epoch > newest - auditedEpochs ? decodeAttestation(signed.payload) : null
      const block = named === null ? undefined : await evidence.get(named.evidence)
      if (block !== undefined) found.push({ epoch, block })
    }
    return found
  }

  const readWork = ([key, row]: readonly [Uint8Array, Uint8Array]): ChallengerState => {
    const state = decodeWork(row)
    if (state !== null) return state
    throw storeDamaged(directory, `the record of work of epoch ${readU32(key, 1)} cannot be read`)
  }

  return {
    async read() {
      const rows: SignedRows = {
        attestations: [],
        votes: [],
        receipts: [],
        work: [],
        evidence: [],
        payouts: [],
      }
      for await (const [key, row] of allOf(prefixes.signed)) {
        rows.attestations.push({
          epoch: readU32(key, 1),
          beacon: key.slice(5, 37),
          signed: readSignedRow(row),
        })
      }
      rows.evidence = await evidenceOf(rows.attestations)
      for await (const [key] of allOf(prefixes.vote)) {
        const week = new TextDecoder().decode(key.subarray(1, 1 + weekLength))
        const checkpoint = cidOfDigest(key.slice(1 + weekLength + 4))
        rows.votes.push({ week, view: readU32(key, 1 + weekLength), checkpoint })
      }
      for (const [key, row] of await lastOf(prefixes.receipt)) {
        const epoch = readU32(key, 1)
        rows.receipts.push({
          epoch,
          beacon: key.slice(5, 37),
          challenger: readU32(key, 37),
          ...readReceiptRow(row, directory),
        })
      }
      rows.work = (await lastOf(prefixes.work)).map(readWork)
      for await (const [key, bytes] of allOf(prefixes.payout)) {
        const week = new TextDecoder().decode(key.subarray(1, 1 + weekLength))
        rows.payouts.push({ week, part: readU32(key, 1 + weekLength), bytes })
      }
      return rows
    },
    async write(rows) {
      const blocks = rows.evidence.flatMap(({ epoch, block }) => evidence.putOperations(epoch, block))
      await store.batch([...operationsOf(rows), ...blocks], { sync: true })
    },
  }
}

const operationsOf = ({ attestations, votes, receipts, work, payouts }: SignedRows): StoreOperation[] => [
  ...attestations.map(({ epoch, beacon, signed }) =>
    put(keyOf(prefixes.signed, u32(epoch), beacon), signedRow(signed)),
  ),
  ...votes.map(({ week, view, checkpoint }) =>
    put(keyOf(prefixes.vote, utf8ToBytes(week), u32(view), checkpoint.multihash.digest), new Uint8Array(0)),
  ),
  ...receipts.map(({ epoch, beacon, challenger, ...given }) =>
    put(keyOf(prefixes.receipt, u32(epoch), beacon, u32(challenger)), receiptRow(given)),
  ),
  ...work.map((state) => put(keyOf(prefixes.work, u32(state.epoch), state.beacon), encodeWork(state))),
  ...payouts.map(({ week, part, bytes }) => put(keyOf(prefixes.payout, utf8ToBytes(week), u32(part)), bytes)),
]
