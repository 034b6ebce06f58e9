import { FpLegendre } from '@noble/curves/abstract/modular.js'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hexToBytes, type NetworkId, nobleBls, possessionMessage, utf8ToBytes } from '../../protocol/index.ts'
import { blsPublicKey, nobleProvePossession, signatureTag } from '../../protocol/bls.ts'
import {
  aggregateVotes,
  blsPublicKeyOf,
  blsSecretKeyOf,
  createBls,
  provePossession,
  signVote,
} from '../../src/keys/bls.ts'

const bls = createBls()
const noble = bls12_381.longSignatures
const secrets = [1, 2, 3, 4].map((n) => blsSecretKeyOf(new Uint8Array(32).fill(n)))
const keys = secrets.map(blsPublicKeyOf)
const stake = new Uint8Array(20).fill(9)

/** A point of the curve with a small x. Its order is not that of the subgroup, whose share of the curve is 2^-125. */
const offSubgroupKey = (): Uint8Array => {
  const { Fp } = bls12_381.fields
  const isOnCurve = (x: bigint) => FpLegendre(Fp, Fp.add(Fp.mul(Fp.sqr(x), x), 4n)) === 1
  const x = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n].find(isOnCurve)!
  const bytes = Fp.toBytes(x)
  bytes[0]! |= 0x80
  return bytes
}
const infinityKey = Uint8Array.from({ length: 48 }, (_, i) => (i === 0 ? 0xc0 : 0))
const infinitySignature = Uint8Array.from({ length: 96 }, (_, i) => (i === 0 ? 0xc0 : 0))

const networkId = 'a'.repeat(32) as NetworkId

describe.each([
  ['blst', bls],
  ['noble', nobleBls],
])('R-REG-2 proof of possession, %s', (_name, verifier) => {
  const proof = nobleProvePossession(networkId, secrets[0]!, stake)
  const isProved = (key: Uint8Array, pop: Uint8Array) =>
    verifier.verifyPossessions(networkId, [{ bls: key, stake, pop }])[0]

  test('R-REG-6 the identity, points outside of the subgroup and other forms are refused', () => {
    expect(isProved(keys[0]!, proof)).toBe(true)
    expect(isProved(infinityKey, infinitySignature)).toBe(false)
    expect(isProved(keys[0]!, infinitySignature)).toBe(false)
    expect(isProved(offSubgroupKey(), proof)).toBe(false)
    const uncompressed = bls12_381.G1.Point.fromBytes(keys[0]!).toBytes(false)
    expect(uncompressed).toHaveLength(96)
    expect(isProved(uncompressed, proof)).toBe(false)
    expect(isProved(new Uint8Array(), new Uint8Array())).toBe(false)
  })

  test('R-REG-2 the tag of the standard proofs is not that of ours', () => {
    const tag = 'BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_'
    const message = possessionMessage(networkId, keys[0]!, stake)
    expect(isProved(keys[0]!, noble.sign(noble.hash(message, tag), secrets[0]!).toBytes())).toBe(false)
    expect(isProved(keys[0]!, noble.sign(noble.hash(keys[0]!, tag), secrets[0]!).toBytes())).toBe(false)
  })

  test('R-REG-2 of many claims each is judged as if it stood alone', () => {
    const good = secrets.map((secret, i) => ({
      bls: keys[i]!,
      stake,
      pop: nobleProvePossession(networkId, secret, stake),
    }))
    expect(verifier.verifyPossessions(networkId, [])).toEqual([])
    expect(verifier.verifyPossessions(networkId, good)).toEqual(good.map(() => true))
    // Proofs that are wrong and sum to the sum of the right ones.
    const swapped = [{ ...good[0]!, pop: good[1]!.pop }, { ...good[1]!, pop: good[0]!.pop }, good[2]!]
    expect(verifier.verifyPossessions(networkId, swapped)).toEqual([false, false, true])
    const malformed = [good[0]!, { ...good[1]!, pop: new Uint8Array(96) }, { ...good[2]!, bls: infinityKey }]
    expect(verifier.verifyPossessions(networkId, malformed)).toEqual([true, false, false])
    expect(verifier.verifyPossessions(networkId, [...good, ...good])).toEqual(
      [...good, ...good].map(() => true),
    )
  })
})

test('R-REG-2 both libraries make the same proof, and agree on proofs with a bit changed', () => {
  const proof = provePossession(networkId, secrets[1]!, stake)
  expect(proof).toEqual(nobleProvePossession(networkId, secrets[1]!, stake))
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 767 }), (bit) => {
      const changed = proof.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      const claims = [{ bls: keys[1]!, stake, pop: changed }]
      expect(bls.verifyPossessions(networkId, claims)).toEqual([false])
      expect(nobleBls.verifyPossessions(networkId, claims)).toEqual([false])
    }),
    { numRuns: 10 },
  )
})

test('draft-irtf-cfrg-bls-signature 2.3: KeyGen and public keys are those of noble', () => {
  expect(keys[0]).toEqual(blsPublicKey(secrets[0]!))
  expect(keys[0]).not.toEqual(keys[1])
})

test('EIP-2333 test case 0: KeyGen of a known seed', () => {
  // hkdf_mod_r of the seed is the master key; the draft's KeyGen with an empty key_info is the same function.
  const seed = hexToBytes(
    'c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04',
  )
  const master = 6083874454709270928345386274498605044986640685124978867557563392430687146096n
  expect(BigInt(`0x${Buffer.from(blsSecretKeyOf(seed)).toString('hex')}`)).toBe(master)
})

test('R-CP-4 a vote is signed and verified under the standard tag, by blst and noble alike', () => {
  const message = utf8ToBytes('vote')
  const vote = signVote(secrets[0]!, message)
  expect(vote).toHaveLength(96)
  expect(bls.verifyVote(keys[0]!, message, vote)).toBe(true)
  expect(noble.verify(vote, noble.hash(message, signatureTag), keys[0]!)).toBe(true)
  expect(
    bls.verifyVote(keys[0]!, message, noble.sign(noble.hash(message, signatureTag), secrets[0]!).toBytes()),
  ).toBe(true)
  expect(bls.verifyVote(keys[1]!, message, vote)).toBe(false)
  expect(bls.verifyVote(keys[0]!, utf8ToBytes('other'), vote)).toBe(false)
  expect(bls.verifyVote(infinityKey, message, infinitySignature)).toBe(false)
  expect(bls.verifyVote(offSubgroupKey(), message, vote)).toBe(false)
  expect(bls.verifyVote(keys[0]!, message, new Uint8Array(96))).toBe(false)
})

test('R-CP-4 an aggregate holds for exactly the keys that signed, whatever their order', () => {
  const message = utf8ToBytes('checkpoint')
  const votes = secrets.map((secret) => signVote(secret, message))
  const sum = aggregateVotes(votes)!
  expect(sum).toHaveLength(96)
  expect(bls.verifyAggregate(keys, message, sum)).toBe(true)
  expect(bls.verifyAggregate(keys.toReversed(), message, sum)).toBe(true)
  expect(bls.verifyAggregate(keys.slice(1), message, sum)).toBe(false)
  expect(bls.verifyAggregate([...keys, keys[0]!], message, sum)).toBe(false)
  expect(bls.verifyAggregate(keys, utf8ToBytes('other'), sum)).toBe(false)
  expect(bls.verifyAggregate([], message, sum)).toBe(false)
  expect(bls.verifyAggregate([infinityKey], message, infinitySignature)).toBe(false)
  expect(bls.verifyAggregate([new Uint8Array(48)], message, sum)).toBe(false)
  // The same sum in noble.
  expect(noble.aggregateSignatures(votes).toBytes()).toEqual(sum)
})

test('R-CP-4 nothing, or what is no signature, cannot be aggregated', () => {
  expect(aggregateVotes([])).toBeNull()
  expect(aggregateVotes([signVote(secrets[0]!, utf8ToBytes('x')), new Uint8Array(96)])).toBeNull()
  expect(aggregateVotes([infinitySignature])).toBeNull()
})
