import { bls12_381 } from '@noble/curves/bls12-381.js'
import { concatBytes } from './bytes.ts'
import type { NetworkId } from './ids.ts'
import { signedBytes } from './signed.ts'

/** What an announcement claims of its voting key (R-REG-2). */
export interface PossessionClaim {
  /** The key, 48 bytes. */
  bls: Uint8Array
  /** hash160 of the stake that the key is announced for, 20 bytes. */
  stake: Uint8Array
  /** The proof of possession, 96 bytes. */
  pop: Uint8Array
}

/** BLS12-381 with keys of 48 bytes in G1 and signatures of 96 in G2; `src/keys` has the fast one. */
export interface BlsVerifier {
  /** R-REG-2, R-REG-6: of each claim, in order, whether it holds. Never throws. */
  verifyPossessions(networkId: NetworkId, claims: readonly PossessionClaim[]): readonly boolean[]
  /**
   * R-CP-4: whether `signature` is the sum of one signature of each key over `message` under `signatureTag`
   * (FastAggregateVerify of the draft). Sound only for keys whose possession was proved (R-REG-2). False for no keys.
   * Never throws.
   */
  verifyAggregate(publicKeys: readonly Uint8Array[], message: Uint8Array, signature: Uint8Array): boolean
}

/** The tag of signatures in the proof-of-possession scheme of draft-irtf-cfrg-bls-signature (R-SIG-1). */
export const signatureTag = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_'

/** R-REG-2: what a proof of possession signs: bound to the network and the stake, so that it cannot be copied. */
export const possessionMessage = (networkId: NetworkId, bls: Uint8Array, stake: Uint8Array): Uint8Array =>
  signedBytes('pop', networkId, concatBytes(bls, stake))

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

/** The reference, for tests: noble, 32 ms a proof, 20 ms and 1 ms a key for votes. */
export const nobleBls: BlsVerifier = {
  verifyPossessions: (networkId, claims) =>
    claims.map(({ bls: key, stake, pop }) => {
      if (pop.length !== 96 || !isAcceptableBlsKey(key)) return false
      try {
        return bls.verify(pop, bls.hash(possessionMessage(networkId, key, stake), signatureTag), key)
      } catch {
        return false
      }
    }),
  verifyAggregate: (publicKeys, message, signature) => {
    if (signature.length !== 96 || publicKeys.length === 0) return false
    if (!publicKeys.every((key) => key.length === 48)) return false
    try {
      const key = bls.aggregatePublicKeys([...publicKeys])
      return !key.is0() && bls.verify(signature, bls.hash(message, signatureTag), key)
    } catch {
      return false
    }
  },
}

/** A signature under `signatureTag`: 96 bytes. `secretKey` is 32 bytes. */
export const nobleSignBls = (secretKey: Uint8Array, message: Uint8Array): Uint8Array =>
  bls.sign(bls.hash(message, signatureTag), secretKey).toBytes()

/** R-CP-4: the sum of signatures, 96 bytes. Throws for none, and for what is no point. */
export const nobleAggregateVotes = (signatures: readonly Uint8Array[]): Uint8Array =>
  bls.aggregateSignatures([...signatures]).toBytes()

/** The proof that goes into an announcement, 96 bytes; `secretKey` is 32 bytes. */
export const nobleProvePossession = (
  networkId: NetworkId,
  secretKey: Uint8Array,
  stake: Uint8Array,
): Uint8Array => nobleSignBls(secretKey, possessionMessage(networkId, blsPublicKey(secretKey), stake))

export const blsPublicKey = (secretKey: Uint8Array): Uint8Array => bls.getPublicKey(secretKey).toBytes()
