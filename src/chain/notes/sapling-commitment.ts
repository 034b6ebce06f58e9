import { interleavedMSMUnsafe } from '@noble/curves/abstract/curve.js'
import { jubjub } from '@noble/curves/misc.js'
import { asciiToBytes, numberToBytesLE } from '@noble/curves/utils.js'
import { extractU, JUBJUB_ORDER, type JubjubPoint, saplingGenerator } from './jubjub.ts'

/** Note and value commitments of Sapling: Zcash protocol specification 5.4.8.2 and 5.4.8.3. */

const CHUNKS_PER_SEGMENT = 63
/** 6 + 64 + 256 + 256 bits are 194 chunks of 3, so 4 segments. */
const SEGMENTS = 4
const WINDOW_BITS = 6

/**
 * cmu, 32 bytes: the u-coordinate of the windowed Pedersen commitment to a note.
 * `baseBytes` and `keyBytes` are the encodings of g_d and pk_d, `value` is in base units below 2^64.
 */
export const saplingNoteCommitment = (
  baseBytes: Uint8Array,
  keyBytes: Uint8Array,
  value: bigint,
  trapdoor: bigint,
): Uint8Array => {
  const bits = [
    1,
    1,
    1,
    1,
    1,
    1,
    ...bitsOf(numberToBytesLE(value, 8)),
    ...bitsOf(baseBytes),
    ...bitsOf(keyBytes),
  ]
  return extractU(pedersenGenerators()([...pedersenScalars(bits), trapdoor]))
}

/** cv, 32 bytes: [value] V + [trapdoor] R. */
export const saplingValueCommitment = (value: bigint, trapdoor: bigint): Uint8Array =>
  valueGenerators()([value, trapdoor]).toBytes()

const pedersenScalars = (bits: readonly number[]): bigint[] => {
  const scalars: bigint[] = []
  const bitsPerSegment = 3 * CHUNKS_PER_SEGMENT
  for (let start = 0; start < bits.length; start += bitsPerSegment) {
    let scalar = 0n
    const end = Math.min(start + bitsPerSegment, bits.length)
    for (let at = start, shift = 0n; at < end; at += 3, shift += 4n) {
      const magnitude = BigInt(1 + (bits[at] ?? 0) + 2 * (bits[at + 1] ?? 0)) << shift
      scalar += bits[at + 2] === 1 ? -magnitude : magnitude
    }
    scalars.push(((scalar % JUBJUB_ORDER) + JUBJUB_ORDER) % JUBJUB_ORDER)
  }
  return scalars
}

/** Least significant bit of each byte first. */
const bitsOf = (bytes: Uint8Array): number[] => {
  const bits: number[] = []
  for (const byte of bytes) for (let i = 0; i < 8; i++) bits.push((byte >> i) & 1)
  return bits
}

type Multiplier = (scalars: bigint[]) => JubjubPoint

const multiplierOf = (points: () => JubjubPoint[]): (() => Multiplier) => {
  let multiplier: Multiplier | undefined
  return () => (multiplier ??= interleavedMSMUnsafe(jubjub.Point, points(), WINDOW_BITS))
}

const pedersenGenerators = multiplierOf(() => [
  ...Array.from({ length: SEGMENTS }, (_, i) => saplingGenerator('Zcash_PH', numberToBytesLE(i, 4))),
  saplingGenerator('Zcash_PH', asciiToBytes('r')),
])

const valueGenerators = multiplierOf(() => [
  saplingGenerator('Zcash_cv', asciiToBytes('v')),
  saplingGenerator('Zcash_cv', asciiToBytes('r')),
])
