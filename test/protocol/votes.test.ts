import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { bytesToHex, hexToBytes, nobleBls } from '../../protocol/index.ts'
import { isAcceptableBlsKey, nobleAggregateVotes, nobleSignBls } from '../../protocol/bls.ts'
import { aggregateVotes, createBls, signVote } from '../../src/keys/bls.ts'

interface Vectors {
  sign: { name: string; secretKey: string; message: string; signature: string }[]
  fastAggregateVerify: {
    name: string
    publicKeys: string[]
    message: string
    signature: string
    isValid: boolean
  }[]
}

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/bls12-381-tests/votes.json', import.meta.url), 'utf8'),
) as Vectors

describe('R-CP-3 votes of the public vectors', () => {
  for (const { name, secretKey, message, signature } of vectors.sign) {
    test(`case ${name}`, () => {
      expect(bytesToHex(nobleSignBls(hexToBytes(secretKey), hexToBytes(message)))).toBe(signature)
      expect(bytesToHex(signVote(hexToBytes(secretKey), hexToBytes(message)))).toBe(signature)
    })
  }
})

describe.each([
  ['noble', nobleBls, nobleAggregateVotes],
  ['blst', createBls(), aggregateVotes],
] as const)('R-CP-4 aggregates of the public vectors, %s', (_, verifier, aggregate) => {
  for (const { name, publicKeys, message, signature, isValid } of vectors.fastAggregateVerify) {
    test(`case ${name}`, () => {
      const keys = publicKeys.map(hexToBytes)
      // Keys are judged when they are announced (R-REG-6); what is handed to the verifier has passed.
      const isVerified =
        keys.every(isAcceptableBlsKey) &&
        verifier.verifyAggregate(keys, hexToBytes(message), hexToBytes(signature))
      expect(isVerified).toBe(isValid)
    })
  }

  test('the sum of three signatures is that of the vectors', () => {
    const message = 'ab'.repeat(32)
    const parts = vectors.sign
      .filter((row) => row.message === message)
      .map((row) => hexToBytes(row.signature))
    const whole = vectors.fastAggregateVerify.find((row) => row.isValid && row.publicKeys.length === 3)!
    expect(parts).toHaveLength(3)
    expect(bytesToHex(aggregate(parts)!)).toBe(whole.signature)
  })
})
