import { type BlsVerifier, equalBytes, hash, type VerifyEd25519 } from '../../protocol/index.ts'

/**
 * What stands in for signatures: a hash of public key and message. Anybody could make it, nobody in the model does; the
 * protocol's own functions take it through the verifiers that they are given, and refuse what is not it.
 */
export const signStandIn = (publicKey: Uint8Array, message: Uint8Array): Uint8Array => {
  const signature = new Uint8Array(64)
  const half = hash('stand-in signature', publicKey, message)
  signature.set(half)
  signature.set(half, 32)
  return signature
}

export const verifyStandIn: VerifyEd25519 = (publicKey, message, signature) =>
  equalBytes(signStandIn(publicKey, message), signature)

/** For BLS votes: sums are bytewise exclusive ors, 96 bytes. */
export const voteStandIn = (publicKey: Uint8Array, message: Uint8Array): Uint8Array => {
  const vote = new Uint8Array(96)
  const third = hash('stand-in vote', publicKey, message)
  for (let at = 0; at < 96; at += 32) vote.set(third, at)
  return vote
}

export const aggregateStandIns = (votes: readonly Uint8Array[]): Uint8Array => {
  const sum = new Uint8Array(96)
  for (const vote of votes) for (let i = 0; i < 96; i++) sum[i]! ^= vote[i]!
  return sum
}

export const blsStandIn: Pick<BlsVerifier, 'verifyAggregate'> = {
  verifyAggregate: (publicKeys, message, signature) =>
    publicKeys.length > 0 &&
    equalBytes(aggregateStandIns(publicKeys.map((key) => voteStandIn(key, message))), signature),
}
