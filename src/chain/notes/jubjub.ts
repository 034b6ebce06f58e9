import type { EdwardsPoint } from '@noble/curves/abstract/edwards.js'
import { jubjub, jubjub_findGroupHash, jubjub_groupHash } from '@noble/curves/misc.js'
import { asciiToBytes, bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'
import { multiplyPublic } from './jubjub-multiply.ts'
import { createSquareRoot } from './square-root.ts'

/** Jubjub, the curve of Sapling: Zcash protocol specification 5.4.9.3. */
export type JubjubPoint = EdwardsPoint

export const JUBJUB_ORDER = jubjub.Point.Fn.ORDER

const { p, d } = jubjub.Point.CURVE()
const { Fp } = jubjub.Point
const squareRoot = createSquareRoot(p, 7n)
const SIGN_BIT = 1n << 255n

/** Strict: a non-canonical encoding (ZIP 216) or an ordinate that is not on the curve gives null. */
export const jubjubFromBytes = (bytes: Uint8Array): JubjubPoint | null => {
  if (bytes.length !== 32) return null
  const encoded = bytesToNumberLE(bytes)
  const y = encoded & (SIGN_BIT - 1n)
  if (y >= p) return null
  // -x² + y² = 1 + dx²y², and d is no square, so the denominator is never 0.
  const y2 = (y * y) % p
  const x = squareRoot(((y2 - 1n + p) * Fp.inv(Fp.create(d * y2 + 1n))) % p)
  const wantsOdd = encoded >= SIGN_BIT
  if (x === null || (x === 0n && wantsOdd)) return null
  return jubjub.Point.fromAffine({ x: ((x & 1n) === 1n) === wantsOdd ? x : p - x, y })
}

/** A point of the prime-order subgroup other than the identity, strictly encoded: what a public key must be. */
export const jubjubKeyFromBytes = (bytes: Uint8Array): JubjubPoint | null => {
  const point = jubjubFromBytes(bytes)
  return point === null || point.is0() || !point.isTorsionFree() ? null : point
}

/** [scalar] point for a public, not negative scalar. */
export const multiplyJubjub = multiplyPublic

/** The coordinate that a note commitment keeps (Extract of the specification), 32 bytes. */
export const extractU = (point: JubjubPoint): Uint8Array => numberToBytesLE(point.toAffine().x, 32)

const DIVERSIFY = asciiToBytes('Zcash_gd')

/** DiversifyHash: the base g_d of a diversifier (11 bytes), or null for the half of them that have none. */
export const diversifyHashSapling = (diversifier: Uint8Array): JubjubPoint | null => {
  try {
    return jubjub_groupHash(diversifier, DIVERSIFY)
  } catch {
    return null
  }
}

/** FindGroupHash: the first tag byte that gives a point. `personalization` is 8 ASCII characters. */
export const saplingGenerator = (personalization: string, message: Uint8Array): JubjubPoint =>
  jubjub_findGroupHash(message, asciiToBytes(personalization))
