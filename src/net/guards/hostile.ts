import type { MessageStream, StreamMessageEvent } from '@libp2p/interface'

/** What the guards find that no honest peer sends, as the label of a metric. */
export type HostileSign =
  /** A length prefix that does not end. */
  | 'endless prefix'
  /** More proposals of protocols on one stream or connection than any software makes. */
  | 'long negotiation'
  /** A muxer frame longer than the window that it must fit into. */
  | 'giant frame'
  /** Pings, window updates, resets and the like without anything to answer for. */
  | 'control storm'
  /** Streams opened and reset again before they were of any use. */
  | 'reset storm'
  /** A message above the limit of its protocol. */
  | 'large message'
  /** More messages on one stream than its protocol has. */
  | 'many messages'

/** Ends the connection: bytes below our protocols that no honest peer sends. */
export class HostileBytesError extends Error {
  override readonly name = 'HostileBytesError'
  readonly sign: HostileSign

  constructor(sign: HostileSign, message: string) {
    super(message)
    this.sign = sign
  }
}

/** Bytes as libp2p hands them over: an array, or a list of arrays. */
export type Bytes = StreamMessageEvent['data']

/** The arrays that the bytes consist of, in order, uncopied. */
export const partsOf = (bytes: Bytes): Iterable<Uint8Array> => (bytes instanceof Uint8Array ? [bytes] : bytes)

/** Hands over what is left to be looked at again later, in front of all that comes meanwhile. */
export const putBack = (stream: MessageStream, bytes: Bytes, from: number): void => {
  if (from < bytes.byteLength)
    stream.unshift(bytes instanceof Uint8Array ? bytes.subarray(from) : bytes.sublist(from))
}
