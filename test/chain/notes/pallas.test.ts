import { weierstrass } from '@noble/curves/abstract/weierstrass.js'
import { asciiToBytes, bytesToNumberLE, hexToBytes, numberToBytesLE } from '@noble/curves/utils.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  extractX,
  mapToIsoPallas,
  multiplyPallas,
  PallasCurve,
  pallasFromBytes,
  pallasGroupHash,
  pallasToBytes,
} from '../../../src/chain/notes/pallas.ts'
import { PALLAS_BASE, PALLAS_CURVE, PALLAS_ORDER } from '../../../src/chain/notes/pallas-curve.ts'
import { sinsemillaHashToPoint } from '../../../src/chain/notes/sinsemilla.ts'
import { readVectorTable, type VectorCell } from '../../vectors/read.ts'
import { bytesCell } from './cells.ts'

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe('official vectors: orchard_generators', () => {
  const [row] = readVectorTable('zcash-test-vectors/orchard_generators.json')
  test.each([
    ['skb', 'z.cash:Orchard', 'G'],
    ['nkb', 'z.cash:Orchard', 'K'],
    ['vcvb', 'z.cash:Orchard-cv', 'v'],
    ['vcrb', 'z.cash:Orchard-cv', 'r'],
    ['cmb', 'z.cash:Orchard-NoteCommit-r', ''],
    ['cmq', 'z.cash:SinsemillaQ', 'z.cash:Orchard-NoteCommit-M'],
    ['ivkb', 'z.cash:Orchard-CommitIvk-r', ''],
    ['ivkq', 'z.cash:SinsemillaQ', 'z.cash:Orchard-CommitIvk-M'],
    ['mcq', 'z.cash:SinsemillaQ', 'z.cash:Orchard-MerkleCRH'],
  ])('%s', (column, domain, message) => {
    const point = pallasGroupHash(domain, asciiToBytes(message))
    expect(pallasToBytes(point)).toEqual(bytesCell(row!, column))
  })
})

describe('official vectors: orchard_map_to_curve', () => {
  const rows = readVectorTable('zcash-test-vectors/orchard_map_to_curve.json')
  test('are there', () => expect(rows.length).toBe(13))
  test.each(rows.map((row, index) => ({ row, index })))('row $index', ({ row }) => {
    const { x, y } = mapToIsoPallas(bytesToNumberLE(bytesCell(row, 'u')))
    expect(numberToBytesLE(x | ((y & 1n) << 255n), 32)).toEqual(bytesCell(row, 'point'))
  })
})

describe('official vectors: orchard_group_hash', () => {
  const rows = readVectorTable('zcash-test-vectors/orchard_group_hash.json')
  test('are there', () => expect(rows.length).toBe(11))
  test.each(rows.map((row, index) => ({ row, index })))('row $index', ({ row }) => {
    const point = pallasGroupHash(text(bytesCell(row, 'domain')), bytesCell(row, 'msg'))
    expect(pallasToBytes(point)).toEqual(bytesCell(row, 'point'))
  })
})

describe('official vectors: orchard_sinsemilla', () => {
  /** A message is a list of bits, or hex with one bit in each byte. */
  const bitsOf = (cell: VectorCell | undefined): number[] =>
    typeof cell === 'string' ? [...hexToBytes(cell)] : (cell as readonly VectorCell[]).map(Number)
  const rows = readVectorTable('zcash-test-vectors/orchard_sinsemilla.json')
  test('are there', () => expect(rows.length).toBe(11))
  test.each(rows.map((row, index) => ({ row, index })))('row $index', ({ row }) => {
    const bits = bitsOf(row['msg'])
    const value = bits.reduceRight((sum, bit) => 2n * sum + BigInt(bit), 0n)
    const point = sinsemillaHashToPoint(text(bytesCell(row, 'domain')), { value, bits: bits.length })
    expect(pallasToBytes(point)).toEqual(bytesCell(row, 'point'))
    expect(numberToBytesLE(extractX(point), 32)).toEqual(bytesCell(row, 'hash'))
  })
})

describe('cross-check with the plain library', () => {
  const Plain = weierstrass(PALLAS_CURVE)
  const scalar = fc.bigInt({ min: 0n, max: PALLAS_ORDER - 1n })
  /** A cube root of 1 modulo the order: where the scalar's halves are extreme. */
  const LAMBDA = Plain.Fn.pow(5n, (PALLAS_ORDER - 1n) / 3n)

  test('multiplication with the endomorphism', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: PALLAS_ORDER - 1n }), scalar, (base, factor) => {
        const plain = Plain.BASE.multiplyUnsafe(base)
        const fast = multiplyPallas(PallasCurve.fromAffine(plain.toAffine()), factor)
        expect(fast.toAffine()).toEqual(plain.multiplyUnsafe(factor).toAffine())
      }),
      {
        numRuns: 60,
        examples: [0n, 1n, 2n, LAMBDA, PALLAS_ORDER - LAMBDA, PALLAS_ORDER - 1n].map((k) => [7n, k]),
      },
    )
    expect(multiplyPallas(PallasCurve.ZERO, 5n).is0()).toBe(true)
  })

  test('encoding and decoding, and strictness', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const x = bytesToNumberLE(bytes) & ((1n << 255n) - 1n)
        const point = pallasFromBytes(bytes)
        const onCurve = x < PALLAS_BASE && x !== 0n && isSquare(Plain.Fp.add(Plain.Fp.pow(x, 3n), 5n))
        expect(point !== null).toBe(onCurve)
        expect(point === null ? bytes : pallasToBytes(point)).toEqual(bytes)
        point?.assertValidity()
      }),
      { numRuns: 200 },
    )
    expect(pallasFromBytes(new Uint8Array(32))).toBeNull()
    expect(pallasFromBytes(numberToBytesLE(PALLAS_BASE + 1n, 32))).toBeNull()
    expect(pallasFromBytes(new Uint8Array(33))).toBeNull()
    expect(pallasToBytes(PallasCurve.ZERO)).toEqual(new Uint8Array(32))
  })

  /** Euler's criterion, by the library. */
  const isSquare = (value: bigint): boolean =>
    value === 0n || Plain.Fp.pow(value, (PALLAS_BASE - 1n) / 2n) === 1n
})
