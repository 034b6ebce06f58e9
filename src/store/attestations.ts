import { hash } from 'node:crypto'
import {
  type Attestation,
  cidOfDigest,
  decodeAttestation,
  type Epoch,
  type EquivocationProof,
  encodeProof,
  type HeldAttestation,
  type Height,
  type Seat,
  type Signed,
} from '../../protocol/index.ts'
import { createSequence } from '../async/serial.ts'
import { keyOf, prefixes, readU32, u32 } from './keys.ts'
import { put, type Store, type StoreOperation } from './store.ts'

export const signedRow = (signed: Signed): Uint8Array => {
  const row = new Uint8Array(64 + signed.payload.length)
  row.set(signed.signature)
  row.set(signed.payload, 64)
  return row
}

export const readSignedRow = (row: Uint8Array, offset = 0): Signed => ({
  signature: row.subarray(offset, offset + 64),
  payload: row.subarray(offset + 64),
})

const attestationRow = (held: HeldAttestation): Uint8Array => {
  const signed = signedRow(held.signed)
  const row = new Uint8Array(4 + signed.length)
  row.set(u32(held.heldAt))
  row.set(signed, 4)
  return row
}

const attestationPut = (epoch: Epoch, beacon: Uint8Array, held: HeldAttestation): StoreOperation =>
  put(keyOf(prefixes.attestation, u32(epoch), beacon, u32(held.seat)), attestationRow(held))

/** The first key after all that begin with this prefix and epoch. */
const epochRange = (prefix: number, epoch: Epoch, beacon: Uint8Array) => ({
  gte: keyOf(prefix, u32(epoch), beacon),
  lt: keyOf(prefix, u32(epoch), beacon, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff)),
})

/** A proof of equivocation in the store. */
interface StoredProof {
  epoch: Epoch
  /** As `encodeProof` writes it. */
  proof: Uint8Array
  /** Confirmed height at which the first proof of this seat, epoch and beacon was stored; 0 if that was not recorded. */
  heldAt: Height
}

/** Attestations and proofs of equivocation, by epoch and beacon, and what this node signed itself. */
export interface AttestationStore {
  /** In rising order of seat. */
  ofEpoch(epoch: Epoch, beacon: Uint8Array): AsyncIterable<HeldAttestation>
  get(epoch: Epoch, beacon: Uint8Array, seat: Seat): Promise<HeldAttestation | undefined>
  /** Of these seats, as many as are held. */
  ofSeats(epoch: Epoch, beacon: Uint8Array, seats: readonly Seat[]): Promise<HeldAttestation[]>
  /** What is held of a seat in [from, to), under any beacon. */
  ofSeat(seat: Seat, from: Epoch, to: Epoch): Promise<{ signed: Signed; attestation: Attestation }[]>
  put(epoch: Epoch, beacon: Uint8Array, held: readonly HeldAttestation[]): Promise<void>
  /** The proofs of an epoch under a beacon. */
  proofs(epoch: Epoch, beacon: Uint8Array): Promise<(StoredProof & { seat: Seat })[]>
  /** The first of a seat, epoch and beacon stays, and with it its height: neither restart nor reorganisation moves it. */
  putProof(
    epoch: Epoch,
    beacon: Uint8Array,
    seat: Seat,
    proof: EquivocationProof,
    heldAt: Height,
  ): Promise<void>
  /** Records that this node ran through an epoch (R-CP-3). */
  putRanThrough(epoch: Epoch, beacon: Uint8Array): Promise<void>
  ranThrough(epoch: Epoch, beacon: Uint8Array): Promise<boolean>
  /** What this node signed of an epoch under a beacon (R-ATT-5). */
  ownSigned(epoch: Epoch, beacon: Uint8Array): Promise<Signed | undefined>
  /** The newest own attestation before `epoch`, under a beacon that `isWanted`; without it, under any. */
  lastOwnBefore(
    epoch: Epoch,
    isWanted?: (epoch: Epoch, beacon: Uint8Array) => Promise<boolean>,
  ): Promise<{ epoch: Epoch; signed: Signed } | undefined>
  /**
   * Records what this node signed, in one batch with `more`. Durable before it returns: only then may the payload be
   * published, and only with that is it held like any other (`put`). False, and nothing is written, if something was
   * signed of that epoch and beacon before: there is one for ever, whoever asks and however often (R-ATT-5).
   */
  putOwnSigned(
    epoch: Epoch,
    beacon: Uint8Array,
    signed: Signed,
    more?: readonly StoreOperation[],
  ): Promise<boolean>
  /** Forgets attestations, proofs and what was run through of epochs before `epoch`. */
  pruneBefore(epoch: Epoch): Promise<void>
}

export const createAttestationStore = (store: Store): AttestationStore => {
  const heldOf = (key: Uint8Array, row: Uint8Array): HeldAttestation => {
    const signed = readSignedRow(row, 4)
    // Natively: whole epochs are read, and `cidOf` takes five times as long.
    const cid = cidOfDigest(hash('sha256', signed.payload, 'buffer'))
    return { seat: readU32(key, 1 + 4 + 32), cid, signed, heldAt: readU32(row) }
  }
  /** One look and write after the other: between the two nobody else may write. */
  const signing = createSequence()
  return {
    async *ofEpoch(epoch, beacon) {
      for await (const [key, row] of store.range(epochRange(prefixes.attestation, epoch, beacon))) {
        yield heldOf(key, row)
      }
    },
    async get(epoch, beacon, seat) {
      const key = keyOf(prefixes.attestation, u32(epoch), beacon, u32(seat))
      const row = await store.get(key)
      return row === undefined ? undefined : heldOf(key, row)
    },
    async ofSeats(epoch, beacon, seats) {
      const keys = seats.map((seat) => keyOf(prefixes.attestation, u32(epoch), beacon, u32(seat)))
      const rows = await store.getMany(keys)
      return rows.flatMap((row, i) => (row === undefined ? [] : [heldOf(keys[i]!, row)]))
    },
    async ofSeat(seat, from, to) {
      const found: { signed: Signed; attestation: Attestation }[] = []
      for (let epoch = from; epoch < Math.min(to, maxEpochs); epoch++) {
        for (const beacon of await beaconsOf(store, epoch)) {
          const row = await store.get(keyOf(prefixes.attestation, u32(epoch), beacon, u32(seat)))
          if (row === undefined) continue
          const signed = readSignedRow(row, 4)
          const attestation = decodeAttestation(signed.payload)
          if (attestation !== null) found.push({ signed, attestation })
        }
      }
      return found
    },
    put: (epoch, beacon, held) => store.batch(held.map((one) => attestationPut(epoch, beacon, one))),
    async proofs(epoch, beacon) {
      const found: (StoredProof & { seat: Seat })[] = []
      for await (const [key, proof] of store.range(epochRange(prefixes.equivocation, epoch, beacon))) {
        const seat = readU32(key, 1 + 4 + 32)
        const height = await store.get(keyOf(prefixes.equivocationHeldAt, u32(epoch), beacon, u32(seat)))
        found.push({ epoch, seat, proof, heldAt: height === undefined ? 0 : readU32(height) })
      }
      return found
    },
    async putProof(epoch, beacon, seat, proof, heldAt) {
      const key = keyOf(prefixes.equivocation, u32(epoch), beacon, u32(seat))
      if ((await store.get(key)) !== undefined) return
      await store.batch([
        put(key, encodeProof(proof)),
        put(keyOf(prefixes.equivocationHeldAt, u32(epoch), beacon, u32(seat)), u32(heldAt)),
      ])
    },
    putRanThrough: (epoch, beacon) =>
      store.batch([put(keyOf(prefixes.ranThrough, u32(epoch), beacon), new Uint8Array(0))]),
    ranThrough: async (epoch, beacon) =>
      (await store.get(keyOf(prefixes.ranThrough, u32(epoch), beacon))) !== undefined,
    async ownSigned(epoch, beacon) {
      const row = await store.get(keyOf(prefixes.signed, u32(epoch), beacon))
      return row === undefined ? undefined : readSignedRow(row)
    },
    async lastOwnBefore(epoch, isWanted = () => Promise.resolve(true)) {
      const range = { gte: keyOf(prefixes.signed), lt: keyOf(prefixes.signed, u32(epoch)), reverse: true }
      for await (const [key, row] of store.range(range)) {
        const found = { epoch: readU32(key, 1), signed: readSignedRow(row) }
        if (await isWanted(found.epoch, key.subarray(5, 5 + 32))) return found
      }
      return undefined
    },
    putOwnSigned: (epoch, beacon, signed, more = []) => {
      const key = keyOf(prefixes.signed, u32(epoch), beacon)
      return signing.run(async () => {
        if ((await store.get(key)) !== undefined) return false
        await store.batch([put(key, signedRow(signed)), ...more], { sync: true })
        return true
      })
    },
    async pruneBefore(epoch) {
      for (const prefix of prunedPrefixes) {
        await deleteRange(store, { gte: keyOf(prefix), lt: keyOf(prefix, u32(epoch)) })
      }
    },
  }
}

const prunedPrefixes = [
  prefixes.attestation,
  prefixes.equivocation,
  prefixes.equivocationHeldAt,
  prefixes.ranThrough,
] as const

/** Epochs are u32 in keys and messages. */
const maxEpochs = 2 ** 32

/** The beacons under which anything is held of an epoch: one, unless the chain was reorganised. */
const beaconsOf = async (store: Store, epoch: Epoch): Promise<Uint8Array[]> => {
  const beacons: Uint8Array[] = []
  let gte = keyOf(prefixes.attestation, u32(epoch))
  const lt = keyOf(prefixes.attestation, u32(epoch), new Uint8Array(37).fill(0xff))
  for (;;) {
    let next: Uint8Array | undefined
    for await (const [key] of store.range({ gte, lt, limit: 1 })) next = key.slice(5, 5 + 32)
    if (next === undefined) return beacons
    beacons.push(next)
    gte = epochRange(prefixes.attestation, epoch, next).lt
  }
}

/** Deletes in bounded batches, so that pruning a week holds neither memory nor the store for long. */
export const deleteRange = async (
  store: Store,
  range: { gte: Uint8Array; lt: Uint8Array },
): Promise<void> => {
  const batchSize = 1_000
  for (;;) {
    const operations: StoreOperation[] = []
    for await (const [key] of store.range({ ...range, limit: batchSize }))
      operations.push({ type: 'del', key })
    if (operations.length > 0) await store.batch(operations)
    if (operations.length < batchSize) return
  }
}
