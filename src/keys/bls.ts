import {
  PublicKey,
  SecretKey,
  Signature,
  type SignatureSet,
  aggregateSignatures,
  fastAggregateVerify,
  verify,
  verifyMultipleAggregateSignatures,
} from '@chainsafe/blst'
import {
  type BlsVerifier,
  type NetworkId,
  type PossessionClaim,
  possessionMessage,
} from '../../protocol/index.ts'

/**
 * BLS12-381 on blst: keys of 48 bytes in G1, signatures of 96 bytes in G2, both compressed. Everything is signed under
 * `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_` (draft-irtf-cfrg-bls-signature, the proof-of-possession scheme), the
 * one tag that the binding of blst knows; the kind in the signed bytes tells votes and proofs apart (R-SIG-1).
 */
export interface Bls extends BlsVerifier {
  /** Under one message, by a key that need not have been checked before. Never throws. */
  verifyVote(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /**
   * R-CP-4: all of `publicKeys` signed `message`. Sound only for keys whose possession was proved (R-REG-2), which
   * also means that they are valid points: they are not checked again. Never throws; false for no keys.
   */
  verifyAggregate(publicKeys: readonly Uint8Array[], message: Uint8Array, signature: Uint8Array): boolean
}

export const createBls = (): Bls => ({
  verifyPossessions: (networkId, claims) => {
    const sets = claims.map((claim) => signatureSetOf(networkId, claim))
    const wellFormed = sets.filter((set) => set !== null)
    const areAllProved = wellFormed.length > 1 && isTrue(() => verifyMultipleAggregateSignatures(wellFormed))
    return sets.map((set) => set !== null && (areAllProved || isTrue(() => verify(set.msg, set.pk, set.sig))))
  },
  verifyVote: (publicKey, message, signature) => {
    const key = pointOfKey(publicKey)
    const point = pointOfSignature(signature)
    return key !== null && point !== null && verify(message, key, point)
  },
  verifyAggregate: (publicKeys, message, signature) => {
    const point = pointOfSignature(signature)
    if (point === null || publicKeys.length === 0) return false
    return isTrue(() => fastAggregateVerify(message, publicKeys.map(keyWithoutCheck), point))
  },
})

/** R-REG-2: the proof that goes into an announcement, 96 bytes. `secretKey` is 32 bytes. */
export const provePossession = (networkId: NetworkId, secretKey: Uint8Array, stake: Uint8Array): Uint8Array =>
  signVote(secretKey, possessionMessage(networkId, blsPublicKeyOf(secretKey), stake))

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

/** What blst verifies of a claim; null if its key or its proof is no valid point. */
const signatureSetOf = (networkId: NetworkId, { bls, stake, pop }: PossessionClaim): SignatureSet | null => {
  const pk = pointOfKey(bls)
  const sig = pointOfSignature(pop)
  return pk === null || sig === null ? null : { msg: possessionMessage(networkId, bls, stake), pk, sig }
}

const isTrue = (verifies: () => boolean): boolean => {
  try {
    return verifies()
  } catch {
    return false
  }
}

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
