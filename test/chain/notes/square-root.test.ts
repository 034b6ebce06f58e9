import { jubjub } from '@noble/curves/misc.js'
import { Field } from '@noble/curves/abstract/modular.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PALLAS_BASE } from '../../../src/chain/notes/pallas-curve.ts'
import { createSquareRoot } from '../../../src/chain/notes/square-root.ts'

describe.each([
  { name: 'Jubjub', p: jubjub.Point.Fp.ORDER, nonSquare: 7n },
  { name: 'Pallas', p: PALLAS_BASE, nonSquare: 5n },
])('square roots in the field of $name', ({ p, nonSquare }) => {
  const squareRoot = createSquareRoot(p, nonSquare)
  const Fp = Field(p)

  test('every square has its root, every non-square none', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: p - 1n }), (value) => {
        const square = (value * value) % p
        expect([value, p - value]).toContain(squareRoot(square))
        expect(squareRoot((square * nonSquare) % p)).toBeNull()
      }),
      { numRuns: 100 },
    )
  })

  test('0, 1, -1 and elements of every order 2^k', () => {
    expect(squareRoot(0n)).toBe(0n)
    expect([1n, p - 1n]).toContain(squareRoot(1n))
    const unit = Fp.pow(nonSquare, (p - 1n) >> 32n)
    expect(squareRoot(unit)).toBeNull()
    for (let k = 1n; k <= 32n; k++) {
      const square = Fp.pow(unit, 1n << k)
      const root = squareRoot(square)
      expect(root === null ? null : Fp.sqr(root)).toBe(square)
    }
  })
})
