import { asciiToBytes, concatBytes } from '@noble/curves/utils.js'
import { blake2b } from '@noble/hashes/blake2.js'

/** F4Jumble of ZIP 316: an unkeyed permutation in which every byte of the result depends on every byte given. */

export const F4_JUMBLE_MIN_BYTES = 38
/** Above 65,536 blocks of G the 16-bit block number would not suffice. */
const F4_JUMBLE_MAX_BYTES = 4_194_368

export const f4Jumble = (message: Uint8Array): Uint8Array => {
  let [left, right] = split(message)
  right = xor(right, hashG(0, left, right.length))
  left = xor(left, hashH(0, right, left.length))
  right = xor(right, hashG(1, left, right.length))
  left = xor(left, hashH(1, right, left.length))
  return concatBytes(left, right)
}

export const f4JumbleInverse = (message: Uint8Array): Uint8Array => {
  let [left, right] = split(message)
  left = xor(left, hashH(1, right, left.length))
  right = xor(right, hashG(1, left, right.length))
  left = xor(left, hashH(0, right, left.length))
  right = xor(right, hashG(0, left, right.length))
  return concatBytes(left, right)
}

const split = (message: Uint8Array): [Uint8Array, Uint8Array] => {
  if (message.length < F4_JUMBLE_MIN_BYTES || message.length > F4_JUMBLE_MAX_BYTES) {
    throw new RangeError(`F4Jumble takes ${F4_JUMBLE_MIN_BYTES} to ${F4_JUMBLE_MAX_BYTES} bytes`)
  }
  const middle = Math.min(BLOCK_BYTES, Math.floor(message.length / 2))
  return [message.slice(0, middle), message.slice(middle)]
}

const BLOCK_BYTES = 64

const hashH = (round: number, right: Uint8Array, length: number): Uint8Array =>
  blake2b(right, { dkLen: length, personalization: personalization('H', round, 0) })

const hashG = (round: number, left: Uint8Array, length: number): Uint8Array => {
  const stream = new Uint8Array(Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES)
  for (let block = 0; block * BLOCK_BYTES < length; block++) {
    stream.set(
      blake2b(left, { dkLen: BLOCK_BYTES, personalization: personalization('G', round, block) }),
      block * BLOCK_BYTES,
    )
  }
  return stream.subarray(0, length)
}

const personalization = (name: 'G' | 'H', round: number, block: number): Uint8Array =>
  concatBytes(asciiToBytes(`UA_F4Jumble_${name}`), Uint8Array.of(round, block & 0xff, block >> 8))

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ b[i]!)
