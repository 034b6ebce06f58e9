import { z } from 'zod'
import {
  type Attestation,
  decodeAttestation,
  attestationMessage,
  maxAttestationBytes,
} from './attestation.ts'
import { compareBytes, equalBytes } from './bytes.ts'
import { cidOf, decodeCanonical, encodeCanonical } from './codec.ts'
import { bytesOf, bytesUpTo, type Epoch, type NetworkId } from './ids.ts'
import type { Signed, VerifyEd25519 } from './signed.ts'
import { accept, ignoreUnverified, reject, type Validation } from './validation.ts'

/** Two different payloads of one seat, epoch and beacon, both signed (R-ATT-3); the smaller CID first. */
export interface EquivocationProof {
  first: Signed
  second: Signed
}

/** Two attestations with their signatures, and what frames them. */
export const maxProofBytes = 2 * (maxAttestationBytes + 80) + 16

const SignedRow = z.tuple([bytesUpTo(maxAttestationBytes), bytesOf(64)])
const ProofRow = z.tuple([z.literal('equivocation'), z.literal(1), SignedRow, SignedRow])

/** Any two payloads, in canonical order. */
export const createProof = (a: Signed, b: Signed): EquivocationProof =>
  compareBytes(cidOf(a.payload).bytes, cidOf(b.payload).bytes) < 0
    ? { first: a, second: b }
    : { first: b, second: a }

export const encodeProof = (proof: EquivocationProof): Uint8Array =>
  encodeCanonical([
    'equivocation',
    1,
    [proof.first.payload, proof.first.signature],
    [proof.second.payload, proof.second.signature],
  ])

/**
 * R-ATT-3: checks a proof. `keyOf` gives the key of the seat in the epoch's snapshot under that beacon, or undefined
 * if this node knows none: then nothing can be said of it; or why no honest peer can mean the epoch (R-ATT-6).
 */
export const validateProof = (
  networkId: NetworkId,
  bytes: Uint8Array,
  keyOf: (attestation: Attestation) => Uint8Array | undefined | { refused: string },
  verify: VerifyEd25519,
): Validation<{ proof: EquivocationProof; about: Attestation }> => {
  const decoded = decodeCanonical(ProofRow, bytes, maxProofBytes)
  if (decoded.is === 'bad') return reject(`equivocation-${decoded.code}`)
  const [, , firstRow, secondRow] = decoded.value
  const proof = {
    first: { payload: firstRow[0], signature: firstRow[1] },
    second: { payload: secondRow[0], signature: secondRow[1] },
  }
  const one = decodeAttestation(proof.first.payload)
  const two = decodeAttestation(proof.second.payload)
  if (one === null || two === null) return reject('equivocation-form')
  const isOfOneVote =
    one.networkId === networkId &&
    two.networkId === networkId &&
    one.seat === two.seat &&
    one.epoch === two.epoch &&
    equalBytes(one.beacon, two.beacon)
  if (!isOfOneVote) return reject('equivocation-unrelated')
  if (compareBytes(cidOf(proof.first.payload).bytes, cidOf(proof.second.payload).bytes) >= 0) {
    return reject('equivocation-order')
  }
  const key = keyOf(one)
  if (key === undefined) return ignoreUnverified('equivocation-unknown-seat')
  if ('refused' in key) return reject(`equivocation-${key.refused}`)
  for (const signed of [proof.first, proof.second]) {
    if (!verify(key, attestationMessage(networkId, signed.payload), signed.signature)) {
      return reject('equivocation-signature')
    }
  }
  return accept({ proof, about: one })
}

/** The epoch that a proof is about, as it says itself; null for what is no proof. */
export const epochOfProof = (bytes: Uint8Array): Epoch | null => {
  const decoded = decodeCanonical(ProofRow, bytes, maxProofBytes)
  return decoded.is === 'ok' ? (decodeAttestation(decoded.value[2][0])?.epoch ?? null) : null
}
