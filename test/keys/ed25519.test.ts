import { createHash, randomBytes } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes, verifyEd25519 } from '../../protocol/index.ts'
import { createEd25519Verifier, ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { readVectorJson } from '../vectors/read.ts'

interface Case {
  name: string
  key: Uint8Array
  message: Uint8Array
  signature: Uint8Array
}

type Verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean | Promise<boolean>

const native = createEd25519Verifier({ maxKeys: 64 })
const verifiers: [name: string, verify: Verify][] = [
  ['native', (...signed) => native.verify(...signed)],
  ['native, thread pool', (...signed) => native.verifyAsync(...signed)],
  ['reference', verifyEd25519],
]

const speccheck = (
  readVectorJson('ed25519/speccheck.json') as { message: string; pub_key: string; signature: string }[]
).map((vector, i) => ({
  name: `speccheck ${i}`,
  key: hexToBytes(vector.pub_key),
  message: hexToBytes(vector.message),
  signature: hexToBytes(vector.signature),
}))

const cctv = (
  readVectorJson('ed25519/cctv.json') as {
    number: number
    key: string
    sig: string
    msg: string
    flags: string[] | null
  }[]
).map((vector) => ({
  name: `cctv ${vector.number}`,
  key: hexToBytes(vector.key),
  message: utf8ToBytes(vector.msg),
  signature: hexToBytes(vector.sig),
  flags: vector.flags ?? [],
}))

/** RFC 8032, 7.1, tests 1 to 3. */
const rfc8032: Case[] = [
  [
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
].map(([key = '', message = '', signature = ''], i) => ({
  name: `RFC 8032 test ${i + 1}`,
  key: hexToBytes(key),
  message: hexToBytes(message),
  signature: hexToBytes(signature),
}))

const { Point } = ed25519
const order = Point.Fn.ORDER
/** A point of order 8: the y of this encoding is in every list of small-order points. */
const torsion = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')

const toLittleEndian = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
const fromLittleEndian = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)

/** Signs with a chosen nonce scalar r, and with `shift` added to R before it is hashed. */
const signWith = (secret: bigint, message: Uint8Array, r: bigint, shift = Point.ZERO) => {
  const key = Point.BASE.multiply(secret).toBytes()
  const bigR = (r === 0n ? Point.ZERO : Point.BASE.multiply(r)).add(shift).toBytes()
  const h = fromLittleEndian(sha512(concatBytes(bigR, key, message))) % order
  return { key, signature: concatBytes(bigR, toLittleEndian((r + h * secret) % order)) }
}

describe.each(verifiers)('R-SIG-2 %s', (_name, verify) => {
  test('RFC 8032 7.1: accepts the official signatures', async () => {
    for (const { name, key, message, signature } of rfc8032) {
      expect([name, await verify(key, message, signature)]).toEqual([name, true])
    }
  })

  test('refuses every case of speccheck', async () => {
    expect(speccheck).toHaveLength(12)
    for (const { name, key, message, signature } of speccheck) {
      expect([name, await verify(key, message, signature)]).toEqual([name, false])
    }
  })

  test('CCTV: of 914 cases the one without any flag passes', async () => {
    expect(cctv).toHaveLength(914)
    for (const { name, key, message, signature, flags } of cctv) {
      const isSound = flags.length === 0
      expect([name, flags, await verify(key, message, signature)]).toEqual([name, flags, isSound])
    }
  })

  test('refuses R with a point of small order added, which a cofactored check accepts', async () => {
    const message = utf8ToBytes('torsion')
    const sound = signWith(1234567n, message, 7654321n)
    expect(await verify(sound.key, message, sound.signature)).toBe(true)
    const shifted = signWith(1234567n, message, 7654321n, torsion)
    expect(ed25519.verify(shifted.signature, message, shifted.key, { zip215: true })).toBe(true)
    expect(await verify(shifted.key, message, shifted.signature)).toBe(false)
  })

  test('refuses R = identity, which satisfies the equation', async () => {
    const message = utf8ToBytes('identity')
    const { key, signature } = signWith(1234567n, message, 0n)
    expect(bytesToHex(signature.subarray(0, 32))).toBe(`01${'00'.repeat(31)}`)
    expect(ed25519.verify(signature, message, key, { zip215: true })).toBe(true)
    expect(await verify(key, message, signature)).toBe(false)
  })

  test('refuses S + L', async () => {
    const message = utf8ToBytes('malleable')
    const { key, signature } = signWith(99n, message, 77n)
    expect(await verify(key, message, signature)).toBe(true)
    const s = fromLittleEndian(signature.subarray(32))
    const shifted = concatBytes(signature.subarray(0, 32), toLittleEndian(s + order))
    expect(await verify(key, message, shifted)).toBe(false)
  })

  test('refuses keys and signatures of other lengths', async () => {
    const { key, message, signature } = rfc8032[1]!
    expect(await verify(key.subarray(1), message, signature)).toBe(false)
    expect(await verify(concatBytes(key, Uint8Array.of(0)), message, signature)).toBe(false)
    expect(await verify(key, message, signature.subarray(1))).toBe(false)
    expect(await verify(key, message, concatBytes(signature, Uint8Array.of(0)))).toBe(false)
    expect(await verify(new Uint8Array(), message, new Uint8Array())).toBe(false)
  })
})

test('R-SIG-2 all verifiers agree on signatures with one bit changed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 80 }),
      fc.option(fc.integer({ min: 0, max: 511 })),
      async (seed, message, bit) => {
        const { publicKey, sign } = ed25519FromSeed(seed)
        const signature = sign(message)
        if (bit !== null) signature[bit >> 3]! ^= 1 << (bit & 7)
        for (const [name, verify] of verifiers) {
          expect([name, await verify(publicKey, message, signature)]).toEqual([name, bit === null])
        }
      },
    ),
    { numRuns: 40 },
  )
})

test('RFC 8032 5.1.5: a seed gives the official key, and noble signs alike', () => {
  const seed = hexToBytes('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')
  const { publicKey, sign } = ed25519FromSeed(seed)
  expect(publicKey).toEqual(rfc8032[1]!.key)
  expect(sign(rfc8032[1]!.message)).toEqual(rfc8032[1]!.signature)
  const message = createHash('sha256').update('x').digest()
  expect(sign(message)).toEqual(ed25519.sign(message, seed))
})

test('R-SIG-2 the cache of keys is bounded, keeps those in use, and holds refusals', () => {
  const verifier = createEd25519Verifier({ maxKeys: 3 })
  const message = utf8ToBytes('cached')
  const nodes = Array.from({ length: 5 }, () => ed25519FromSeed(new Uint8Array(randomBytes(32))))
  for (const { publicKey, sign } of nodes) {
    expect(verifier.verify(nodes[0]!.publicKey, message, nodes[0]!.sign(message))).toBe(true)
    expect(verifier.verify(publicKey, message, sign(message))).toBe(true)
  }
  expect(verifier.cachedKeys()).toBe(3)
  const unacceptable = hexToBytes('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')
  expect(verifier.verify(unacceptable, message, nodes[0]!.sign(message))).toBe(false)
  expect(verifier.verify(unacceptable, message, nodes[0]!.sign(message))).toBe(false)
  expect(verifier.cachedKeys()).toBe(3)
})
