import { bls12_381 } from '@noble/curves/bls12-381.js'
import {
  bytesToHex,
  concatBytes,
  hexToBytes,
  type NetworkId,
  possessionMessage,
  signedBytes,
} from '../../protocol/index.ts'
import { blsPublicKey, nobleAggregateVotes, nobleProvePossession, nobleSignBls } from '../../protocol/bls.ts'

const hex = bytesToHex

/** What two owners sign, and what is offered in its place. */
export interface PossessionParties {
  networkId: NetworkId
  /** 32 bytes, below the group's order. */
  secret: Uint8Array
  stake: Uint8Array
  otherSecret: Uint8Array
  otherStake: Uint8Array
}

/** R-REG-2, R-REG-6, R-SIG-1, R-CP-4: proofs that hold and everything that could be taken for one; votes alike. */
export const possessionVector = (parties: PossessionParties) => {
  const { networkId, secret, stake, otherSecret, otherStake } = parties
  const bls = blsPublicKey(secret)
  const payload = concatBytes(bls, stake)
  const otherNetwork = 'f'.repeat(32) as NetworkId
  const vote = signedBytes('vote', networkId, payload)
  const proof = nobleProvePossession(networkId, secret, stake)
  const identityKey = hexToBytes(`c0${'00'.repeat(47)}`)
  const identitySignature = hexToBytes(`c0${'00'.repeat(95)}`)
  const negated = hexToBytes(
    (bls12_381.fields.Fr.ORDER - BigInt(`0x${hex(secret)}`)).toString(16).padStart(64, '0'),
  )

  const claim = (name: string, isProved: boolean, pop: Uint8Array, of = { bls, stake }) => ({
    name,
    bls: hex(of.bls),
    stake: hex(of.stake),
    pop: hex(pop),
    isProved,
  })
  const claims = [
    claim('as it must be', true, proof),
    claim('of the key with the other sign', true, nobleProvePossession(networkId, negated, stake), {
      bls: blsPublicKey(negated),
      stake,
    }),
    claim('a vote over the same payload', false, nobleSignBls(secret, vote)),
    claim('of another network', false, nobleProvePossession(otherNetwork, secret, stake)),
    claim('of another stake', false, nobleProvePossession(networkId, secret, otherStake)),
    claim('of another key', false, nobleProvePossession(networkId, otherSecret, stake)),
    claim('the key of one owner and the proof of another', false, proof, {
      bls: blsPublicKey(otherSecret),
      stake,
    }),
    claim('over the payload alone', false, nobleSignBls(secret, payload)),
    claim('over the key alone', false, nobleSignBls(secret, signedBytes('pop', networkId, bls))),
    claim('key and proof are the identity', false, identitySignature, { bls: identityKey, stake }),
    claim('the proof is the identity', false, identitySignature),
  ]

  const voteCase = (name: string, isValid: boolean, keys: Uint8Array[], signature: Uint8Array) => ({
    name,
    keys: keys.map(hex),
    message: hex(vote),
    signature: hex(signature),
    isValid,
  })
  const votes = [
    voteCase('as it must be', true, [bls], nobleSignBls(secret, vote)),
    voteCase('a proof over the same payload', false, [bls], proof),
    voteCase(
      'a proof among votes',
      false,
      [bls, blsPublicKey(otherSecret)],
      nobleAggregateVotes([proof, nobleSignBls(otherSecret, vote)]),
    ),
    voteCase('the keys sum to the identity', false, [bls, blsPublicKey(negated)], identitySignature),
  ]
  return {
    otherNetwork,
    secret: hex(secret),
    signedBytes: hex(possessionMessage(networkId, bls, stake)),
    voteBytes: hex(vote),
    claims,
    votes,
  }
}
