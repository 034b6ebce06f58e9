import type { CID } from 'multiformats/cid'
import {
  type Certificate,
  cidOfDigest,
  cidOf,
  concatBytes,
  decodeCertificate,
  encodeCertificate,
  type Epoch,
  type NetworkId,
  type RecordedVote,
  type Seat,
  utf8ToBytes,
  type Week,
} from '../../protocol/index.ts'
import { keyOf, prefixes, readU32, u32 } from './keys.ts'
import { put, type Store, type StoreOperation } from './store.ts'

/** Leaves under root(e): whose attestation, and which. */
type Leaves = readonly { seat: Seat; cid: CID }[]

/** What fixes weeks: checkpoints with their pages and contents, votes, certificates (R-CP-1…5). */
export interface CheckpointStore {
  /** A checkpoint's payload or a page of proofs. */
  get(cid: CID): Promise<Uint8Array | undefined>
  put(week: Week, blocks: readonly Uint8Array[]): Promise<void>
  /** The attestations under a root of a checkpoint, in rising order of seat; undefined if they are not known. */
  contents(checkpoint: CID, epoch: Epoch): Promise<Leaves | undefined>
  putContents(checkpoint: CID, epoch: Epoch, leaves: Leaves): Promise<void>
  /** The same as `leavesRow` makes it, for who keeps many at once. */
  putContentsRow(checkpoint: CID, epoch: Epoch, row: Uint8Array): Promise<void>
  votes(week: Week): Promise<RecordedVote[]>
  /** Durable before it returns: only then may the vote be signed. */
  recordVote(week: Week, vote: RecordedVote): Promise<void>
  certificate(week: Week): Promise<Certificate | undefined>
  putCertificate(networkId: NetworkId, certificate: Certificate): Promise<void>
}

const leafBytes = 36

/** The contents of an epoch as they are kept, 36 bytes a leaf. */
export const leavesRow = (leaves: Leaves): Uint8Array => {
  const row = new Uint8Array(leaves.length * leafBytes)
  for (const [i, { seat, cid }] of leaves.entries()) {
    row.set(u32(seat), i * leafBytes)
    row.set(cid.multihash.digest, i * leafBytes + 4)
  }
  return row
}

const contentsPut = (checkpoint: CID, epoch: Epoch, row: Uint8Array): StoreOperation =>
  put(keyOf(prefixes.contents, checkpoint.multihash.digest, u32(epoch)), row)

export const createCheckpointStore = (store: Store): CheckpointStore => ({
  async get(cid) {
    const row = await store.get(keyOf(prefixes.checkpoint, cid.multihash.digest))
    return row?.subarray(8)
  },
  put: (week, blocks) =>
    store.batch(
      blocks.map((block) =>
        put(keyOf(prefixes.checkpoint, cidOf(block).multihash.digest), concatBytes(utf8ToBytes(week), block)),
      ),
    ),
  async contents(checkpoint, epoch) {
    const row = await store.get(keyOf(prefixes.contents, checkpoint.multihash.digest, u32(epoch)))
    if (row === undefined) return undefined
    return Array.from({ length: row.length / leafBytes }, (_, i) => ({
      seat: readU32(row, i * leafBytes),
      cid: cidOfDigest(row.slice(i * leafBytes + 4, (i + 1) * leafBytes)),
    }))
  },
  putContents: (checkpoint, epoch, leaves) =>
    store.batch([contentsPut(checkpoint, epoch, leavesRow(leaves))]),
  putContentsRow: (checkpoint, epoch, row) => store.batch([contentsPut(checkpoint, epoch, row)]),
  async votes(week) {
    const head = keyOf(prefixes.vote, utf8ToBytes(week))
    const votes: RecordedVote[] = []
    for await (const [key] of store.range({
      gte: head,
      lt: concatBytes(head, new Uint8Array(37).fill(0xff)),
    })) {
      votes.push({
        view: readU32(key, head.length),
        checkpoint: cidOfDigest(key.slice(head.length + 4)),
      })
    }
    return votes
  },
  recordVote: (week, { view, checkpoint }) =>
    store.batch(
      [
        put(
          keyOf(prefixes.vote, utf8ToBytes(week), u32(view), checkpoint.multihash.digest),
          new Uint8Array(0),
        ),
      ],
      { sync: true },
    ),
  async certificate(week) {
    const row = await store.get(keyOf(prefixes.certificate, utf8ToBytes(week)))
    if (row === undefined) return undefined
    const decoded = decodeCertificate(row)
    return decoded.is === 'ok' ? decoded.value.certificate : undefined
  },
  putCertificate: (networkId, certificate) =>
    store.batch([
      put(
        keyOf(prefixes.certificate, utf8ToBytes(certificate.week)),
        encodeCertificate(networkId, certificate),
      ),
    ]),
})
