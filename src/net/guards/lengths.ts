import { HostileBytesError } from './hostile.ts'

/** What a decoder of lengths is given: the bytes of the prefix so far. */
interface Prefix {
  byteLength: number
  get(index: number): number
}

/** Thrown at most lengths: made once, since what an error costs is to say where it was made. */
const moreBytes = new RangeError('more bytes are needed')

export type LengthDecoder = (prefix: Prefix) => number

/**
 * Decodes the varint in front of a message. `lpStream` of @libp2p/utils takes every RangeError as a call for one more byte,
 * and its own decoder never throws anything else: bytes with the high bit set go on for ever, each at the cost of a turn of
 * microtasks, in which no timer runs. This one asks for no byte behind `maxBytes`.
 */
export const lengthWithin =
  (maxBytes: number): LengthDecoder =>
  (prefix) => {
    let length = 0
    for (let i = 0; i < Math.min(prefix.byteLength, maxBytes); i++) {
      const byte = prefix.get(i)
      length += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) return length
    }
    if (prefix.byteLength < maxBytes) throw moreBytes
    throw new HostileBytesError('endless prefix', `no length ends within ${maxBytes} bytes`)
  }

/** For any length below 2^28 bytes, far above all of our messages. */
export const maxPrefixBytes = 4

// A name of a protocol has at most 1,024 bytes.
const maxNamePrefixBytes = 2
// An honest peer sends the header and one or two names, and the same once more for the muxer.
const maxNegotiationMessages = 16

/** Lengths of one negotiation of protocols, which in libp2p goes on for as long as proposals come. */
export const negotiationLengths = (onHostile: (error: HostileBytesError) => void): LengthDecoder => {
  const decode = lengthWithin(maxNamePrefixBytes)
  let messages = 0
  return (prefix) => {
    try {
      const length = decode(prefix)
      if (++messages > maxNegotiationMessages) {
        throw new HostileBytesError('long negotiation', `more than ${maxNegotiationMessages} proposals`)
      }
      return length
    } catch (error) {
      if (error instanceof HostileBytesError) onHostile(error)
      throw error
    }
  }
}
