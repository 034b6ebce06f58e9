import { createHasher, isogenyMap, mapToCurveSimpleSWU } from '@noble/curves/abstract/hash-to-curve.js'
import { Field } from '@noble/curves/abstract/modular.js'
import { weierstrass, type WeierstrassPoint } from '@noble/curves/abstract/weierstrass.js'
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'
import { blake2b } from '@noble/hashes/blake2.js'
import { PALLAS_BASE, PALLAS_CURVE } from './pallas-curve.ts'
import { multiplyPallasPublic } from './pallas-multiply.ts'
import { createSquareRoot } from './square-root.ts'

/** Pallas, the curve of Orchard and Ironwood, y² = x³ + 5: Zcash protocol specification 5.4.9.6 to 5.4.9.8. */
export type PallasPoint = WeierstrassPoint<bigint>

const squareRoot = createSquareRoot(PALLAS_BASE, 5n)

const field = Field(PALLAS_BASE, {
  sqrt: (value: bigint) => {
    const root = squareRoot(value)
    if (root === null) throw new Error('not a square')
    return root
  },
})

export const PallasCurve = weierstrass(PALLAS_CURVE, { Fp: field })

const SIGN_BIT = 1n << 255n

/** Strict: a coordinate not below the field's order, one that is not on the curve, and the identity give null. */
export const pallasFromBytes = (bytes: Uint8Array): PallasPoint | null => {
  if (bytes.length !== 32) return null
  const encoded = bytesToNumberLE(bytes)
  const x = encoded & (SIGN_BIT - 1n)
  if (x === 0n || x >= PALLAS_BASE) return null
  const root = squareRoot((((x * x) % PALLAS_BASE) * x + 5n) % PALLAS_BASE)
  if (root === null) return null
  const odd = (root & 1n) === 1n
  return PallasCurve.fromAffine({ x, y: odd === encoded >= SIGN_BIT ? root : PALLAS_BASE - root })
}

/** 32 bytes; the identity is all zeros. */
export const pallasToBytes = (point: PallasPoint): Uint8Array => {
  if (point.is0()) return new Uint8Array(32)
  const { x, y } = point.toAffine()
  return numberToBytesLE((y & 1n) === 1n ? x | SIGN_BIT : x, 32)
}

/** A field element from 32 bytes, little endian, or null unless it is canonical. */
export const pallasBaseFromBytes = (bytes: Uint8Array): bigint | null => {
  if (bytes.length !== 32) return null
  const value = bytesToNumberLE(bytes)
  return value < PALLAS_BASE ? value : null
}

/** Extract_P: the x-coordinate; 0 for the identity. */
export const extractX = (point: PallasPoint): bigint => (point.is0() ? 0n : point.toAffine().x)

/** [scalar] point for a public scalar below the group's order. */
export const multiplyPallas = (point: PallasPoint, scalar: bigint): PallasPoint => {
  const { X, Y, Z } = multiplyPallasPublic(point, scalar)
  return Z % PALLAS_BASE === 0n
    ? PallasCurve.ZERO
    : new PallasCurve(field.create(X), field.create(Y), field.create(Z))
}

/** GroupHash^P of a domain and a message. */
export const pallasGroupHash = (domain: string, message: Uint8Array): PallasPoint =>
  hasher.hashToCurve(message, { DST: `${domain}-pallas_XMD:BLAKE2b_SSWU_RO_` })

/** The simplified SWU map onto iso-Pallas, y² = x³ + Ax + B, before the isogeny (RFC 9380, 6.6.2). */
export const mapToIsoPallas = mapToCurveSimpleSWU(field, {
  A: 0x18354a2eb0ea8c9c49be2d7258370742b74134581a27a59f92bb4b0b657a014bn,
  B: 1265n,
  Z: PALLAS_BASE - 13n,
})

/** Coefficients of the degree-3 isogeny to Pallas, lowest power first: specification 5.4.9.8. */
const isoMap = isogenyMap(field, [
  [
    0x1c71c71c71c71c71c71c71c71c71c71c8102eea8e7b06eb6eebec06955555580n,
    0x17329b9ec525375398c7d7ac3d98fd13380af066cfeb6d690eb64faef37ea4f7n,
    0x3509afd51872d88e267c7ffa51cf412a0f93b82ee4b994958cf863b02814fb76n,
    0x0e38e38e38e38e38e38e38e38e38e38e4081775473d8375b775f6034aaaaaaabn,
  ],
  [
    0x325669becaecd5d11d13bf2a7f22b105b4abf9fb9a1fc81c2aa3af1eae5b6604n,
    0x1d572e7ddc099cff5a607fcce0494a799c434ac1c96b6980c47f2ab668bcd71fn,
    1n,
  ],
  [
    0x025ed097b425ed097b425ed097b425ed0ac03e8e134eb3e493e53ab371c71c4fn,
    0x3fb98ff0d2ddcadd303216cce1db9ff11765e924f745937802e2be87d225b234n,
    0x1a84d7ea8c396c47133e3ffd28e7a09507c9dc17725cca4ac67c31d8140a7dbbn,
    0x1a12f684bda12f684bda12f684bda12f7642b01ad461bad25ad985b5e38e38e4n,
  ],
  [
    0x40000000000000000000000000000000224698fc094cf91b992d30ecfffffde5n,
    0x17033d3c60c68173573b3d7f7d681310d976bbfabbc5661d4d90ab820b12320an,
    0x0c02c5bcca0e6b7f0790bfb3506defb65941a3a4a97aa1b35a28279b1d1b42aen,
    1n,
  ],
])

const hasher = createHasher(
  PallasCurve,
  ([u]) => {
    const { x, y } = mapToIsoPallas(u!)
    return isoMap(x, y)
  },
  { DST: 'pallas_XMD:BLAKE2b_SSWU_RO_', expand: 'xmd', hash: blake2b, p: PALLAS_BASE, m: 1, k: 256 },
)
