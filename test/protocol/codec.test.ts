import { sha256 } from '@noble/hashes/sha2.js'
import * as dagCbor from '@ipld/dag-cbor'
import * as fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  bytesToHex,
  type Canonical,
  cidOf,
  cidOfDigest,
  compareBytes,
  decodeCanonical,
  encodeCanonical,
  equalBytes,
  hash,
  hexToBytes,
  PayloadCid,
  utf8ToBytes,
} from '../../protocol/index.ts'

const Any = z.unknown()
const isRefused = (hex: string): boolean => decodeCanonical(Any, hexToBytes(hex), 1_000).is === 'bad'

const canonical: fc.Arbitrary<Canonical> = fc.letrec<{ value: Canonical; leaf: Canonical }>((tie) => ({
  leaf: fc.oneof(
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ minLength: 3, maxLength: 3 }).map((bytes) => cidOf(bytes)),
  ),
  value: fc.oneof(
    { maxDepth: 3 },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 5 }).map((items): Canonical => items),
  ),
})).value

describe('R-CODEC-1', () => {
  // RFC 8949, appendix A: its examples of what DAG-CBOR has too.
  test.each([
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [100, '1864'],
    [1000, '1903e8'],
    [1000000, '1a000f4240'],
    [1000000000000, '1b000000e8d4a51000'],
    [18446744073709551615n, '1bffffffffffffffff'],
    [-1, '20'],
    [-100, '3863'],
    [false, 'f4'],
    [true, 'f5'],
    [null, 'f6'],
    [new Uint8Array(0), '40'],
    [hexToBytes('01020304'), '4401020304'],
    ['', '60'],
    ['IETF', '6449455446'],
    ['ü', '62c3bc'],
    ['𐅑', '64f0908591'],
    [[], '80'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
  ] as const)('R-CODEC-1 RFC 8949 appendix A: %s', (value, hex) => {
    expect(bytesToHex(encodeCanonical(value as Canonical))).toBe(hex)
    expect(decodeCanonical(Any, hexToBytes(hex), 100)).toEqual({ is: 'ok', value })
  })

  test.each([
    ['an integer in more bytes than it needs', '1800'],
    ['a length in more bytes than it needs', '580101'],
    ['a half float', 'f93c00'],
    ['a double that is an integer', 'fb3ff0000000000000'],
    ['negative zero', 'f98000'],
    ['not a number', 'f97e00'],
    ['undefined', 'f7'],
    ['an indefinite array', '9f01ff'],
    ['an indefinite byte string', '5f4101ff'],
    ['bytes after the item', '0101'],
    ['half an item', '8201'],
    ['nothing', ''],
    ['a tag other than 42', 'c001'],
    ['UTF-8 that is none', '61ff'],
    ['UTF-8 that is too long', '62c080'],
    ['a surrogate in UTF-8', '63eda080'],
    ['a map with keys in the wrong order', 'a2616201616101'],
    ['an array that claims four billion items', '9affffffff01'],
    ['a byte string that claims more than there is', '5affffffff'],
  ])('R-CODEC-1 refuses %s', (_, hex) => {
    expect(isRefused(hex)).toBe(true)
  })

  test('R-CODEC-1 refuses what is nested too deep for the stack, and what is too long', () => {
    const deep = new Uint8Array(300_000).fill(0x81)
    expect(decodeCanonical(Any, deep, 400_000).is).toBe('bad')
    expect(decodeCanonical(Any, new Uint8Array(11), 10)).toEqual({ is: 'bad', code: 'too-long' })
  })

  test('R-CODEC-1 a CID has one spelling: 36 bytes after a zero', () => {
    const digest = sha256(Uint8Array.of(1))
    const rightful = Uint8Array.of(0xd8, 0x2a, 0x58, 37, 0, 0x01, 0x71, 0x12, 0x20, ...digest)
    expect(decodeCanonical(PayloadCid, rightful, 100).is).toBe('ok')
    const others = [
      [0x81, 0x00, 0x71, 0x12, 0x20, ...digest], // version in two bytes
      [0x01, 0xf1, 0x00, 0x12, 0x20, ...digest], // codec in two bytes
      [0x01, 0x71, 0x92, 0x00, 0x20, ...digest], // hash function in two bytes
      [0x01, 0x71, 0x12, 0xa0, 0x00, ...digest], // length in two bytes
      [0x01, 0x55, 0x12, 0x20, ...digest], // raw
      [0x01, 0x71, 0x12, 0x1f, ...digest.subarray(1)], // a shorter digest
      [0x01, 0x71, 0x00, 0x20, ...digest], // identity
      [0x12, 0x20, ...digest], // version 0
    ]
    for (const cid of others) {
      const framed = Uint8Array.of(0xd8, 0x2a, 0x58, cid.length + 1, 0, ...cid)
      expect(decodeCanonical(PayloadCid, framed, 100).is).toBe('bad')
    }
    expect(
      decodeCanonical(PayloadCid, Uint8Array.of(0xd8, 0x2a, 0x58, 37, 1, ...rightful.subarray(5)), 100).is,
    ).toBe('bad')
  })

  test('R-CODEC-1 decode after encode is the identity', () => {
    fc.assert(
      fc.property(canonical, (value) => {
        const bytes = encodeCanonical(value)
        const decoded = decodeCanonical(Any, bytes, bytes.length)
        expect(decoded.is).toBe('ok')
        if (decoded.is === 'ok') expect(encodeCanonical(decoded.value as Canonical)).toEqual(bytes)
      }),
    )
  })

  test('R-CODEC-1 whatever is accepted encodes to the same bytes again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const decoded = decodeCanonical(Any, bytes, 60)
        expect(decoded.is === 'ok' ? dagCbor.encode(decoded.value) : bytes).toEqual(bytes)
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('R-HASH-1 and R-ID-1', () => {
  test('R-HASH-1 is SHA-256 over the array of domain and values', () => {
    // 83 64 "seed" 01 41 ff, put together by hand.
    const expected = sha256(hexToBytes('8364736565640141ff'))
    expect(hash('seed', 1, Uint8Array.of(0xff))).toEqual(expected)
  })

  test('R-ID-1 is the CIDv1 that the library makes of code and digest', () => {
    const payload = utf8ToBytes('a payload')
    const expected = CID.createV1(dagCbor.code, Digest.create(0x12, sha256(payload)))
    const cid = cidOf(payload)
    expect(cid.equals(expected)).toBe(true)
    expect(cid.toString()).toBe(expected.toString())
    expect(cid.bytes).toEqual(expected.bytes)
    expect(cid.multihash.bytes).toEqual(expected.multihash.bytes)
    expect(CID.decode(cid.bytes).equals(cid)).toBe(true)
    expect(cidOfDigest(cid.multihash.digest).equals(cid)).toBe(true)
  })
})

test('R-CODEC-1 order of bytes is that of unsigned bytes, shorter first', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5 }), fc.uint8Array({ maxLength: 5 }), (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
      expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0)
    }),
  )
})
