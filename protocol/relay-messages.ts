import { z } from 'zod'
import { frameHeadBytes, maxFrameBytes } from './relay-cells.ts'
import { bytesOf, bytesUpTo, SeatNumber } from './ids.ts'
import { codecOf, MessageCode } from './messages.ts'

/** R-RELAY-5: the largest transaction that chain nodes pass on (MAX_STANDARD_TX_SIZE of zcashd and zend). */
export const maxTransactionBytes = 100_000
/** Characters of a chain node's refusal; what is longer is cut, and so are those outside of printable ASCII. */
export const maxRefusalLength = 512
const maxMessageBytes = maxFrameBytes - frameHeadBytes
/** The array, its name, a size and the length of the bytes. */
const partHeadBytes = 32
/** Bytes of a transaction that fit in the frame of this many bytes. */
export const partBytesIn = (frameBytes: number): number => frameBytes - frameHeadBytes - partHeadBytes

const Part = bytesUpTo(maxMessageBytes).refine((part) => part.length > 0)

/** What a client asks of a hop, inside the session with it (R-RELAY-4, R-RELAY-5). */
export const RelayRequest = z.union([
  /** ["extend", seat, its peer's key] */
  z.tuple([z.literal('extend'), SeatNumber, bytesOf(32)]),
  /** ["broadcast", bytes in all, the first of them] */
  z.tuple([z.literal('broadcast'), z.int().min(1).max(maxTransactionBytes), Part]),
  /** ["part", the next bytes] */
  z.tuple([z.literal('part'), Part]),
])
export type RelayRequest = z.infer<typeof RelayRequest>

/** Answers to a `RelayRequest`. */
export const RelayAnswer = z.union([
  /** From here on the session carries what the next hop is told, and nothing else. */
  z.tuple([z.literal('extended')]),
  /** ["sent", txid in internal order] */
  z.tuple([z.literal('sent'), bytesOf(32)]),
  /** ["node-refused", the chain node's code, its words] */
  z.tuple([z.literal('node-refused'), z.int(), z.string().regex(/^[ -~]{0,512}$/)]),
  z.tuple([z.literal('refused'), MessageCode]),
])
export type RelayAnswer = z.infer<typeof RelayAnswer>

/** Reads and writes `RelayRequest`. */
export const relayRequestCodec = codecOf<RelayRequest>(RelayRequest, maxMessageBytes)
/** Reads and writes `RelayAnswer`. */
export const relayAnswerCodec = codecOf<RelayAnswer>(RelayAnswer, maxMessageBytes)

/** A chain node's words as they are told (R-RELAY-5): they are printed on terminals. */
export const refusalText = (words: string): string =>
  words.replaceAll(/[^ -~]/g, '?').slice(0, maxRefusalLength)
