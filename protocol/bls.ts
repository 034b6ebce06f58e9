import { bls12_381 } from '@noble/curves/bls12-381.js'
import { concatBytes } from './bytes.ts'

/** BLS12-381 with keys of 48 bytes in G1 and signatures of 96 in G2; `src/keys` has the fast one. */
export interface BlsVerifier {
  /** R-REG-1: `proof` signs key || hash160 of the stake under the tag of proofs of possession. Never throws. */
  verifyPossession(publicKey: Uint8Array, stake: Uint8Array, proof: Uint8Array): boolean
  /**
   * R-CP-4: whether `signature` is the sum of one signature of each key over `message` under `voteTag`
   * (FastAggregateVerify of the draft). Sound only for keys whose possession was proved (R-REG-1). False for no keys.
   * Never throws.
   */
  verifyAggregate(publicKeys: readonly Uint8Array[], message: Uint8Array, signature: Uint8Array): boolean
}

/** The proof-of-possession tag of draft-irtf-cfrg-bls-signature, minimal-pubkey-size. */
export const possessionTag = 'BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_'

/** The tag of signatures in the draft's proof-of-possession scheme: what votes are signed under (R-CP-3). */
export const voteTag = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_'

/** What a proof of possession signs: bound to the stake, so that it cannot be copied to another seat. */
export const possessionMessage = (publicKey: Uint8Array, stake: Uint8Array): Uint8Array =>
  concatBytes(publicKey, stake)

const bls = bls12_381.longSignatures

/** R-REG-6: 48 bytes, compressed, in the subgroup, not the identity. */
export const isAcceptableBlsKey = (publicKey: Uint8Array): boolean => {
  if (publicKey.length !== 48) return false
  try {
    const point = bls12_381.G1.Point.fromBytes(publicKey)
    point.assertValidity()
    return !point.is0() && point.isTorsionFree()
  } catch {
    return false
  }
}

/** The reference: noble, 32 ms a proof, 20 ms and 1 ms a key for votes. */
export const nobleBls: BlsVerifier = {
  verifyPossession: (publicKey, stake, proof) => {
    if (proof.length !== 96 || !isAcceptableBlsKey(publicKey)) return false
    try {
      const message = bls.hash(possessionMessage(publicKey, stake), possessionTag)
      return bls.verify(proof, message, publicKey)
    } catch {
      return false
    }
  },
  verifyAggregate: (publicKeys, message, signature) => {
    if (signature.length !== 96 || publicKeys.length === 0) return false
    if (!publicKeys.every((key) => key.length === 48)) return false
    try {
      const key = bls.aggregatePublicKeys([...publicKeys])
      return !key.is0() && bls.verify(signature, bls.hash(message, voteTag), key)
    } catch {
      return false
    }
  },
}

/** A vote: 96 bytes. `secretKey` is 32 bytes. */
export const nobleSignVote = (secretKey: Uint8Array, message: Uint8Array): Uint8Array =>
  bls.sign(bls.hash(message, voteTag), secretKey).toBytes()

/** R-CP-4: the sum of signatures, 96 bytes. Throws for none, and for what is no point. */
export const nobleAggregateVotes = (signatures: readonly Uint8Array[]): Uint8Array =>
  bls.aggregateSignatures([...signatures]).toBytes()

/** The proof that goes into an announcement; `secretKey` is 32 bytes. */
export const provePossession = (secretKey: Uint8Array, stake: Uint8Array): Uint8Array => {
  const publicKey = bls.getPublicKey(secretKey).toBytes()
  const message = bls.hash(possessionMessage(publicKey, stake), possessionTag)
  return bls.sign(message, secretKey).toBytes()
}

export const blsPublicKey = (secretKey: Uint8Array): Uint8Array => bls.getPublicKey(secretKey).toBytes()
