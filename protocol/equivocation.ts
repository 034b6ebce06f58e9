import { z } from 'zod'
import {
  type Attestation,
  decodeAttestation,
  attestationMessage,
  maxAttestationBytes,
} from './attestation.ts'
import { compareBytes, equalBytes } from './bytes.ts'
import { cidOf, decodeCanonical, encodeCanonical } from './codec.ts'
import { bytesOf, bytesUpTo, type NetworkId } from './ids.ts'
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

/** R-ATT-3: returns the canonical bytes of a proof of equivocation. */
export const encodeProof = (proof: EquivocationProof): Uint8Array =>
  encodeCanonical([
    'equivocation',
    1,
    [proof.first.payload, proof.first.signature],
    [proof.second.payload, proof.second.signature],
  ])

/** A proof as it is written. Whether its signatures hold is for `verifyProof` to say. */
export interface ReadProof {
  proof: EquivocationProof
  /** The first of the two: its seat, epoch and beacon are those of both. */
  about: Attestation
}

/** R-ATT-3: reads a proof and checks all of it that needs no key. Accepts it, or rejects it with a code. */
export const readProof = (networkId: NetworkId, bytes: Uint8Array): Validation<ReadProof> => {
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
  return accept({ proof, about: one })
}

/**
 * R-ATT-3: checks the signatures with the key that the seat has in the epoch's snapshot under that beacon; undefined if
 * it is not in there. Who does not have that snapshot does not ask.
 */
export const verifyProof = (
  networkId: NetworkId,
  { proof }: ReadProof,
  key: Uint8Array | undefined,
  verify: VerifyEd25519,
): Validation => {
  if (key === undefined) return ignoreUnverified('equivocation-unknown-seat')
  const holds = [proof.first, proof.second].every(({ payload, signature }) =>
    verify(key, attestationMessage(networkId, payload), signature),
  )
  return holds ? accept(undefined) : reject('equivocation-signature')
}

/**
 * R-ATT-3: checks a proof. `keyOf` gives the key of the seat in the epoch's snapshot under that beacon, or undefined
 * if this node knows none: then nothing can be said of it.
 */
export const validateProof = (
  networkId: NetworkId,
  bytes: Uint8Array,
  keyOf: (attestation: Attestation) => Uint8Array | undefined,
  verify: VerifyEd25519,
): Validation<ReadProof> => {
  const read = readProof(networkId, bytes)
  if (read.is !== 'accept') return read
  const verified = verifyProof(networkId, read.value, keyOf(read.value.about), verify)
  return verified.is === 'accept' ? read : verified
}
