import { asciiToBytes, numberToBytesLE } from '@noble/curves/utils.js'
import { extractX, multiplyPallas, type PallasPoint, pallasGroupHash } from './pallas.ts'

/**
 * Sinsemilla, the hash and commitment of Orchard: Zcash protocol specification 5.4.1.9 and 5.4.8.4.
 *
 * The specification's incomplete addition is undefined where two summands are equal or opposite; whoever finds such
 * a message has solved a discrete logarithm (its theorem 5.4.4), so complete addition gives the same results.
 */

/** `bits` bits of a message, the first one least significant. */
export interface BitString {
  value: bigint
  bits: number
}

/** Joins bit strings, the first one first. */
export const joinBits = (...parts: readonly BitString[]): BitString => {
  let value = 0n
  let bits = 0
  for (const part of parts) {
    value |= part.value << BigInt(bits)
    bits += part.bits
  }
  return { value, bits }
}

export const sinsemillaHashToPoint = (domain: string, message: BitString): PallasPoint => {
  let accumulator = initialPoint(domain)
  const chunks = Math.ceil(message.bits / CHUNK_BITS)
  let rest = message.value
  for (let i = 0; i < chunks; i++) {
    const addend = chunkPoint(Number(rest & CHUNK_MASK))
    rest >>= BigInt(CHUNK_BITS)
    accumulator = accumulator.add(addend).add(accumulator)
  }
  return accumulator
}

/** SinsemillaShortCommit: the x-coordinate of a hash blinded by a trapdoor below the group's order. */
export const sinsemillaShortCommit = (domain: string, message: BitString, trapdoor: bigint): bigint => {
  const blinding = multiplyPallas(blindingBase(domain), trapdoor)
  return extractX(sinsemillaHashToPoint(`${domain}-M`, message).add(blinding))
}

const CHUNK_BITS = 10
const CHUNK_MASK = (1n << BigInt(CHUNK_BITS)) - 1n

/** Each hash to the curve is computed once: at most 1,024 chunk points and a few domains. */
const remembered = <Key>(compute: (key: Key) => PallasPoint): ((key: Key) => PallasPoint) => {
  const points = new Map<Key, PallasPoint>()
  return (key) => {
    let point = points.get(key)
    if (point === undefined) {
      point = compute(key)
      points.set(key, point)
    }
    return point
  }
}

const chunkPoint = remembered((chunk: number) =>
  pallasGroupHash('z.cash:SinsemillaS', numberToBytesLE(chunk, 4)),
)

const initialPoint = remembered((domain: string) =>
  pallasGroupHash('z.cash:SinsemillaQ', asciiToBytes(domain)),
)

const blindingBase = remembered((domain: string) => pallasGroupHash(`${domain}-r`, new Uint8Array()))
