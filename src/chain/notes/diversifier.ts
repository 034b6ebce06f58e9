import { BinaryFF1 } from '@noble/ciphers/ff1.js'
import { numberToBytesLE } from '@noble/curves/utils.js'

/**
 * FF1-AES256 over the 88 bits of an index, least significant bit first: the diversifiers (11 bytes) of ZIP 32.
 * `dk` is 32 bytes, `index` below 2^88.
 */
export const diversifierAt = (dk: Uint8Array, index: bigint): Uint8Array =>
  BinaryFF1(dk).encrypt(numberToBytesLE(index, 11))
