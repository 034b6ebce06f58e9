import { jubjub } from '@noble/curves/misc.js'
import { bytesToNumberLE, hexToBytes, numberToBytesLE } from '@noble/curves/utils.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  JUBJUB_ORDER,
  jubjubFromBytes,
  jubjubKeyFromBytes,
  multiplyJubjub,
} from '../../../src/chain/notes/jubjub.ts'

const { BASE, ZERO } = jubjub.Point
const { p } = jubjub.Point.CURVE()

/** A point of order 8: the double of the double of it is (0, -1). */
const TORSION = (() => {
  for (let y = 2n; ; y++) {
    const point = jubjubFromBytes(numberToBytesLE(y, 32))
    const cleared = point && multiplyJubjub(point, JUBJUB_ORDER)
    if (cleared && !cleared.double().double().is0()) return cleared
  }
})()

const plainDecode = (bytes: Uint8Array) => {
  try {
    return jubjub.Point.fromBytes(bytes)
  } catch {
    return null
  }
}

describe('cross-check with the plain library', () => {
  test('multiplication, also by 0, 1 and numbers beyond the order, also of points outside of the subgroup', () => {
    const edge = [
      0n,
      1n,
      2n,
      15n,
      16n,
      17n,
      31n,
      32n,
      33n,
      JUBJUB_ORDER - 1n,
      JUBJUB_ORDER,
      (1n << 252n) - 1n,
    ]
    const scalar = fc.oneof(fc.constantFrom(...edge), fc.bigInt({ min: 0n, max: (1n << 252n) - 1n }))
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: JUBJUB_ORDER - 1n }),
        fc.nat(7),
        scalar,
        (base, torsion, factor) => {
          const point = BASE.multiplyUnsafe(base).add(TORSION.multiplyUnsafe(BigInt(torsion)))
          // The library takes no scalar from the order on: two halves of it add up.
          const half = factor / 2n
          const expected = point.multiplyUnsafe(half).add(point.multiplyUnsafe(factor - half))
          expect(multiplyJubjub(point, factor).equals(expected)).toBe(true)
        },
      ),
      { numRuns: 120 },
    )
    expect(multiplyJubjub(ZERO, 5n).is0()).toBe(true)
  })

  test('decoding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.boolean(), (bytes, below) => {
        if (below) bytes[31]! &= 0xbf
        const point = jubjubFromBytes(bytes)
        const plain = plainDecode(bytes)
        expect(point === null ? bytes : point.toBytes()).toEqual(bytes)
        expect(point?.toAffine()).toEqual(plain?.toAffine())
      }),
      { numRuns: 300 },
    )
  })
})

describe('ZIP 216: strict encodings', () => {
  test.each([
    ['the identity with a sign', `01${'00'.repeat(30)}80`],
    ['(0, -1) with a sign', '00000000fffffffffe5bfeff02a4bd5305d8a10908d83933487d9d2953a7edf3'],
    ['an ordinate of the order', '01000000fffffffffe5bfeff02a4bd5305d8a10908d83933487d9d2953a7ed73'],
    ['31 bytes', '00'.repeat(31)],
  ])('%s is no point', (_, hex) => {
    expect(jubjubFromBytes(hexToBytes(hex))).toBeNull()
  })

  test('the identity and (0, -1) are points, but no keys', () => {
    const one = numberToBytesLE(1n, 32)
    const minusOne = numberToBytesLE(p - 1n, 32)
    expect(jubjubFromBytes(one)?.is0()).toBe(true)
    expect(bytesToNumberLE(jubjubFromBytes(minusOne)!.toBytes())).toBe(p - 1n)
    expect(jubjubKeyFromBytes(one)).toBeNull()
    expect(jubjubKeyFromBytes(minusOne)).toBeNull()
    expect(jubjubKeyFromBytes(BASE.add(TORSION).toBytes())).toBeNull()
    expect(jubjubKeyFromBytes(BASE.toBytes())?.equals(BASE)).toBe(true)
  })
})
