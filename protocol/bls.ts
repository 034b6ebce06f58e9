import { bls12_381 } from '@noble/curves/bls12-381.js'
import { concatBytes } from './bytes.ts'

/** BLS12-381 with keys of 48 bytes in G1 and signatures of 96 in G2; `src/keys` has the fast one. */
export interface BlsVerifier {
  /** R-REG-1: `proof` signs key || hash160 of the stake under the tag of proofs of possession. Never throws. */
  verifyPossession(publicKey: Uint8Array, stake: Uint8Array, proof: Uint8Array): boolean
}

/** The proof-of-possession tag of draft-irtf-cfrg-bls-signature, minimal-pubkey-size. */
export const possessionTag = 'BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_'

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

/** The reference: noble, 32 ms a proof. */
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
}

/** The proof that goes into an announcement; `secretKey` is 32 bytes. */
export const provePossession = (secretKey: Uint8Array, stake: Uint8Array): Uint8Array => {
  const publicKey = bls.getPublicKey(secretKey).toBytes()
  const message = bls.hash(possessionMessage(publicKey, stake), possessionTag)
  return bls.sign(message, secretKey).toBytes()
}

export const blsPublicKey = (secretKey: Uint8Array): Uint8Array => bls.getPublicKey(secretKey).toBytes()
