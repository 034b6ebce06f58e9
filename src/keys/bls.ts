import {
  PublicKey,
  SecretKey,
  Signature,
  aggregateSignatures,
  fastAggregateVerify,
  verify,
} from '@chainsafe/blst'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { possessionMessage, possessionTag, type BlsVerifier } from '../../protocol/index.ts'

/**
 * BLS12-381 on blst: keys of 48 bytes in G1, signatures of 96 bytes in G2, both compressed. Votes are signed under
 * `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_` (draft-irtf-cfrg-bls-signature, the proof-of-possession scheme), the
 * one tag that the binding of blst knows.
 */
export interface Bls extends BlsVerifier {
  /** Under one message, by a key that need not have been checked before. Never throws. */
  verifyVote(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /**
   * R-CP-4: all of `publicKeys` signed `message`. Sound only for keys whose possession was proved (R-REG-1), which
   * also means that they are valid points: they are not checked again. Never throws; false for no keys.
   */
  verifyAggregate(publicKeys: readonly Uint8Array[], message: Uint8Array, signature: Uint8Array): boolean
}

export const createBls = (): Bls => ({
  verifyPossession: (publicKey, stake, proof) => {
    // Infinity and subgroup of both by blst, 0.2 ms; it has no other tag than that of signatures, so the rest is noble.
    const key = pointOfKey(publicKey)
    const signature = pointOfSignature(proof)
    if (key === null || signature === null) return false
    try {
      const message = noble.hash(possessionMessage(publicKey, stake), possessionTag)
      const keyPoint = G1.fromBytes(key.toBytes(false))
      const signaturePoint = G2.fromBytes(signature.toBytes(false))
      // e(key, H(message)) = e(g, signature), as a product of two pairings with one final exponentiation.
      const product = bls12_381.pairingBatch([
        { g1: keyPoint, g2: message },
        { g1: negatedGenerator, g2: signaturePoint },
      ])
      return bls12_381.fields.Fp12.eql(product, bls12_381.fields.Fp12.ONE)
    } catch {
      return false
    }
  },
  verifyVote: (publicKey, message, signature) => {
    const key = pointOfKey(publicKey)
    const point = pointOfSignature(signature)
    return key !== null && point !== null && verify(message, key, point)
  },
  verifyAggregate: (publicKeys, message, signature) => {
    const point = pointOfSignature(signature)
    if (point === null || publicKeys.length === 0) return false
    try {
      return fastAggregateVerify(message, publicKeys.map(keyWithoutCheck), point)
    } catch {
      return false
    }
  },
})

/** 96 bytes. `secretKey` is 32 bytes. */
export const signVote = (secretKey: Uint8Array, message: Uint8Array): Uint8Array =>
  new Uint8Array(SecretKey.fromBytes(secretKey).sign(message).toBytes())

/** R-CP-4: the sum of signatures, 96 bytes. Null if there are none, or one is no valid point. */
export const aggregateVotes = (signatures: readonly Uint8Array[]): Uint8Array | null => {
  const points: Signature[] = []
  for (const signature of signatures) {
    const point = pointOfSignature(signature)
    if (point === null) return null
    points.push(point)
  }
  return points.length === 0 ? null : new Uint8Array(aggregateSignatures(points).toBytes())
}

/** KeyGen of the draft from at least 32 secret bytes: a secret key of 32 bytes. */
export const blsSecretKeyOf = (keyMaterial: Uint8Array): Uint8Array =>
  new Uint8Array(SecretKey.fromKeygen(keyMaterial).toBytes())

/** 48 bytes. Throws for what is no secret key. */
export const blsPublicKeyOf = (secretKey: Uint8Array): Uint8Array =>
  new Uint8Array(SecretKey.fromBytes(secretKey).toPublicKey().toBytes())

const noble = bls12_381.longSignatures
const G1 = bls12_381.G1.Point
const G2 = bls12_381.G2.Point
const negatedGenerator = G1.BASE.negate()

/** On the curve, in the subgroup, not infinity, and in the compressed form: blst reads the other one too. */
const pointOfKey = (publicKey: Uint8Array): PublicKey | null => {
  if (publicKey.length !== 48) return null
  try {
    return PublicKey.fromBytes(publicKey, true)
  } catch {
    return null
  }
}

const keyWithoutCheck = (publicKey: Uint8Array): PublicKey => {
  if (publicKey.length !== 48) throw new Error('no compressed key')
  return PublicKey.fromBytes(publicKey)
}

const pointOfSignature = (signature: Uint8Array): Signature | null => {
  if (signature.length !== 96) return null
  try {
    return Signature.fromBytes(signature, true, true)
  } catch {
    return null
  }
}
