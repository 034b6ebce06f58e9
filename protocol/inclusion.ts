import { z } from 'zod'
import type { CID } from 'multiformats/cid'
import { type Attestation, decodeAttestation, maxAttestationBytes } from './attestation.ts'
import { decodeCheckpoint, maxCheckpointBytes } from './checkpoint.ts'
import { equalBytes } from './bytes.ts'
import { cidOf, type Decoded, decodeCanonical, encodeCanonical } from './codec.ts'
import { bytesOf, bytesUpTo, SeatNumber } from './ids.ts'
import { attestationLeaf, merklePath, verifyMerklePath } from './merkle.ts'
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
  if (checkpoint.is === 'bad') return reject('inclusion-checkpoint')
  const attestation = decodeAttestation(proof.attestation)
  if (attestation === null || attestation.networkId !== checkpoint.value.networkId) {
    return reject('inclusion-attestation')
  }
  const listed = checkpoint.value.weeks
    .flatMap(({ epochs }) => epochs)
    .find(({ epoch }) => epoch === attestation.epoch)
  if (listed === undefined || !equalBytes(listed.beacon, attestation.beacon)) return reject('inclusion-epoch')
  const leaf = attestationLeaf(attestation.seat, cidOf(proof.attestation))
  return verifyMerklePath(listed.root, leaf, proof.index, listed.count, proof.path)
    ? accept(attestation)
    : reject('inclusion-path')
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
