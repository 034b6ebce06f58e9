import { z } from 'zod'
import type { CID } from 'multiformats/cid'
import { type Attestation, decodeAttestation, maxAttestationBytes } from './attestation.ts'
import { type Checkpoint, decodeCheckpoint, maxCheckpointBytes } from './checkpoint.ts'
import { equalBytes } from './bytes.ts'
import { cidOf, type Decoded, decodeCanonical, encodeCanonical } from './codec.ts'
import { bytesOf, bytesUpTo, type Epoch, type Seat, SeatNumber } from './ids.ts'
import { attestationLeaf, createMerklePaths, merklePath, verifyMerklePath } from './merkle.ts'
import { accept, reject, type Validation } from './validation.ts'

/**
 * That an attestation counts: its path to root(e) in a checkpoint (R-CP-7). Together with the anchor's memo, which
 * names the checkpoint, an operator shows with some kilobytes what was said of his node.
 */
export interface InclusionProof {
  /** Payload of the checkpoint. */
  checkpoint: Uint8Array
  /** Payload of the attestation. */
  attestation: Uint8Array
  /** Index of its leaf in its epoch. */
  index: number
  /** From the leaf up, 32 bytes each (RFC 6962, 2.1.1). */
  path: readonly Uint8Array[]
}

/** Paths are as long as the tree of 2^32 leaves is high. */
const maxPath = 32
export const maxInclusionBytes = maxCheckpointBytes + maxAttestationBytes + maxPath * 34 + 64

/** `rows`: all attestations of the epoch under the root, in rising order of seat; `attestation` is the payload of one. */
export const proveInclusion = (
  checkpoint: Uint8Array,
  rows: readonly { seat: number; cid: CID }[],
  attestation: Uint8Array,
): InclusionProof => {
  const cid = cidOf(attestation)
  const index = rows.findIndex((row) => row.cid.equals(cid))
  const leaves = rows.map((row) => attestationLeaf(row.seat, row.cid))
  return { checkpoint, attestation, index, path: merklePath(leaves, index) }
}

/** R-CP-7: whether the attestation stands in the checkpoint `anchored`, which an anchor or certificate names. */
export const verifyInclusion = (proof: InclusionProof, anchored: CID): Validation<Attestation> => {
  if (!cidOf(proof.checkpoint).equals(anchored)) return reject('inclusion-checkpoint')
  const checkpoint = decodeCheckpoint(proof.checkpoint)
  return checkpoint.is === 'bad' ? reject('inclusion-checkpoint') : verifyLeaf(checkpoint.value, proof)
}

/** One attestation under root(e), with its path. */
export type Leaf = Omit<InclusionProof, 'checkpoint'>

/**
 * The same for a checkpoint that was read, and is the one that an anchor or certificate names. Accepts it, or rejects
 * it with a code.
 */
export const verifyLeaf = (
  checkpoint: Checkpoint,
  { attestation: payload, index, path }: Leaf,
): Validation<Attestation> => {
  const attestation = decodeAttestation(payload)
  if (attestation === null || attestation.networkId !== checkpoint.networkId) {
    return reject('inclusion-attestation')
  }
  const listed = listedEpoch(checkpoint, attestation.epoch)
  if (listed === undefined || !equalBytes(listed.beacon, attestation.beacon)) return reject('inclusion-epoch')
  const leaf = attestationLeaf(attestation.seat, cidOf(payload))
  return verifyMerklePath(listed.root, leaf, index, listed.count, path)
    ? accept(attestation)
    : reject('inclusion-path')
}

/** That nothing of a seat counts in an epoch: the leaves next to where its own would be (R-CP-7). */
export interface AbsenceProof {
  epoch: Epoch
  seat: Seat
  /** The last leaf of a lower seat; null if there is none. */
  before: Leaf | null
  /** The first leaf of a higher seat; null if there is none. */
  after: Leaf | null
}

/** Proofs of who stands under root(e) and who does not, each of some hashes once the first is made. */
export interface EpochProofs {
  /** Null for a seat that is absent. */
  leafOf(seat: Seat): Leaf | null
  /** Null for a seat that is not. */
  absenceOf(seat: Seat): AbsenceProof | null
}

/**
 * `rows`: all attestations of the epoch under the root, in rising order of seat. What it proves is null for seats
 * that the epoch does not have.
 */
export const createEpochProofs = (
  epoch: Epoch,
  rows: readonly { seat: Seat; cid: CID; payload: Uint8Array }[],
): EpochProofs => {
  const pathOf = createMerklePaths(rows.map((row) => attestationLeaf(row.seat, row.cid)))
  const leafAt = (index: number): Leaf | null => {
    const row = rows[index]
    return row === undefined ? null : { attestation: row.payload, index, path: pathOf(index) }
  }
  /** Where the first seat stands that is not lower. */
  const placeOf = (seat: Seat): number => {
    const found = rows.findIndex((row) => row.seat >= seat)
    return found === -1 ? rows.length : found
  }
  return {
    leafOf: (seat) => {
      const place = placeOf(seat)
      return rows[place]?.seat === seat ? leafAt(place) : null
    },
    absenceOf: (seat) => {
      const place = placeOf(seat)
      if (rows[place]?.seat === seat) return null
      return { epoch, seat, before: leafAt(place - 1), after: leafAt(place) }
    },
  }
}

/**
 * R-CP-7: whether nothing of the seat stands under the epoch's root in a checkpoint that an anchor or certificate
 * names: leaves rise by seat, so two neighbours leave no room for a seat between theirs. Accepts it, or rejects it
 * with a code.
 */
export const verifyAbsence = (checkpoint: Checkpoint, proof: AbsenceProof): Validation<null> => {
  const { epoch, seat, before, after } = proof
  const listed = listedEpoch(checkpoint, epoch)
  if (listed === undefined) return reject('inclusion-epoch')
  for (const leaf of [before, after]) {
    if (leaf === null) continue
    const included = verifyLeaf(checkpoint, leaf)
    if (included.is !== 'accept') return included
    if (included.value.epoch !== epoch) return reject('inclusion-epoch')
    const isOnItsSide = leaf === before ? included.value.seat < seat : included.value.seat > seat
    if (!isOnItsSide) return reject('absence-side')
  }
  const next = before === null ? 0 : before.index + 1
  return next === (after === null ? listed.count : after.index) ? accept(null) : reject('absence-gap')
}

const listedEpoch = ({ weeks }: Checkpoint, epoch: Epoch) => {
  for (const { epochs } of weeks) {
    const listed = epochs.find((one) => one.epoch === epoch)
    if (listed !== undefined) return listed
  }
  return undefined
}

const InclusionRow = z.tuple([
  z.literal('inclusion'),
  z.literal(1),
  bytesUpTo(maxCheckpointBytes),
  bytesUpTo(maxAttestationBytes),
  SeatNumber,
  z.array(bytesOf(32)).max(maxPath),
])

export const encodeInclusion = ({ checkpoint, attestation, index, path }: InclusionProof): Uint8Array =>
  encodeCanonical(['inclusion', 1, checkpoint, attestation, index, path])

export const decodeInclusion = (bytes: Uint8Array): Decoded<InclusionProof> => {
  const decoded = decodeCanonical(InclusionRow, bytes, maxInclusionBytes)
  if (decoded.is === 'bad') return decoded
  const [, , checkpoint, attestation, index, path] = decoded.value
  return { is: 'ok', value: { checkpoint, attestation, index, path } }
}
