import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import { equalBytes, utf8ToBytes } from './bytes.ts'
import {
  type CanonicalReader,
  createCanonicalReader,
  isAtEnd,
  majorType,
  readAscii,
  readBytesOf,
  readHead,
} from './canonical-reader.ts'
import { decodeCanonical, encodeCanonical } from './codec.ts'
import { bytesOf, bytesUpTo, isNetworkId, type NetworkId } from './ids.ts'
import { codecOf, MessageCode } from './messages.ts'
import { accept, ignore, reject, type Validation } from './validation.ts'

/** R-PUZ-1: the request protocols on which a stranger may be told to pay; circuits of the relay come beside them. */
export const paidProtocols: ReadonlySet<string> = new Set(['evidence/1', 'sync/1', 'checkpoint/1'])

/** What a solution is for: the name of the protocol on which it pays. */
const purposePattern = /^[a-z0-9/-]{1,32}$/
const maxPurposeLength = 32

/** The largest effort there is; one unit is one hash, on the average. */
export const maxEffort = 0xffff_ffff
/** R-PUZ-4: the least effort that a server asks for when it asks at all: some 10 ms of work. */
export const leastAskedEffort = 4_096
/** R-PUZ-4: 16.8 million hashes, half a minute of one thread; far enough from the two minutes that a cookie lives. */
export const mostAskedEffort = 2 ** 24
/** Bytes of a cookie (R-PUZ-2). */
export const cookieBytes = 16
/** Bytes of a nonce (R-PUZ-2). */
export const nonceBytes = 8

/** Whom a solution is bound to: nobody else can use it, and it is good for nothing else. */
export interface PuzzleParties {
  networkId: NetworkId
  purpose: string
  /** Ed25519 keys, 32 bytes, of the one who asks for the work and the one who does it. */
  server: Uint8Array
  client: Uint8Array
}

/** One puzzle: what the server told, and between whom. */
export interface Puzzle extends PuzzleParties {
  /** 16 bytes. */
  cookie: Uint8Array
  /** 1 … 2^32 − 1. */
  effort: number
}

type Sha256 = (bytes: Uint8Array) => Uint8Array

const headName = 'puzzle'
const effortBytes = 4
// Behind the server's key: two bytes and the client's key, then each with one byte of head: cookie, effort, nonce.
const tailBytes = 2 + 32 + 1 + cookieBytes + 1 + effortBytes + 1 + nonceBytes
/** The longest solution: array, "puzzle", network id, purpose, server, and the tail. */
export const maxSolutionBytes = 1 + 7 + 34 + 34 + 34 + tailBytes

/**
 * R-PUZ-2: dag-cbor(["puzzle", network id, purpose, server, client, cookie, u32be(effort), nonce]); a solution if its
 * own hash is light enough. `nonce` is 8 bytes.
 */
export const encodeSolution = (puzzle: Puzzle, nonce: Uint8Array): Uint8Array =>
  encodeCanonical([
    headName,
    puzzle.networkId,
    puzzle.purpose,
    puzzle.server,
    puzzle.client,
    puzzle.cookie,
    u32be(puzzle.effort),
    nonce,
  ])

/**
 * R-PUZ-2: R · effort < 2^48, where R is the first six bytes of the hash: as 2^48 · 1/effort of all hashes are so light,
 * `effort` tries are needed on the average. Exact in doubles: a product below 2^48 is exact, any other is rounded to
 * 2^48 or more, since rounding keeps the order and 2^48 is a double.
 */
export const isLightEnough = (hash: Uint8Array, effort: number): boolean => {
  let r = 0
  for (let i = 0; i < 6; i++) r = r * 256 + hash[i]!
  return r * effort < 2 ** 48
}

/**
 * The first of `tries` nonces, from `nonce` on, that solves the puzzle; or null, and `nonce` (8 bytes, counted up in
 * place) is where to go on.
 */
export const searchSolution = (
  puzzle: Puzzle,
  nonce: Uint8Array,
  tries: number,
  sha256: Sha256 = nobleSha256,
): Uint8Array | null => {
  const bytes = encodeSolution(puzzle, nonce)
  const counter = bytes.subarray(bytes.length - nonceBytes)
  for (let i = 0; i < tries; i++) {
    if (isLightEnough(sha256(bytes), puzzle.effort)) return bytes
    countUp(counter)
  }
  nonce.set(counter)
  return null
}

/** A cookie that the server gave out, and the least effort that it asked for with it (R-PUZ-3). */
export interface GivenCookie {
  cookie: Uint8Array
  leastEffort: number
}

/** A solution that is right; whether it was used before is for the server's memory (R-PUZ-3). */
export interface PaidWork {
  effort: number
  /** Index of the cookie among those given. */
  cookieIndex: number
  /** SHA-256 of the solution: its name in the memory of spent ones. */
  id: Uint8Array
}

/** Of one server and one purpose. */
export interface PuzzleCheck {
  /**
   * R-PUZ-3, in this order: `malformed`, `wrong-purpose` (another network, too), `wrong-peer`, `stale`, `too-light`.
   * One hash at the end, and none for what fails before it.
   */
  (solution: Uint8Array, client: Uint8Array, cookies: readonly GivenCookie[]): Validation<PaidWork>
}

/** R-PUZ-3: returns a check of solutions for one server and purpose: it accepts, ignores or rejects, with a code. */
export const createPuzzleCheck = (
  server: Pick<PuzzleParties, 'networkId' | 'purpose' | 'server'>,
  sha256: Sha256 = nobleSha256,
): PuzzleCheck => {
  const blank = { client: new Uint8Array(32), cookie: new Uint8Array(cookieBytes), effort: 0 }
  const template = encodeSolution({ ...server, ...blank }, new Uint8Array(nonceBytes))
  const clientAt = template.length - tailBytes + 2
  const cookieAt = clientAt + 32 + 1
  const effortAt = cookieAt + cookieBytes + 1
  const nonceAt = effortAt + effortBytes + 1
  const head = template.subarray(0, clientAt)
  const isOfServer = (bytes: Uint8Array): boolean =>
    bytes.length === template.length &&
    equalBytes(bytes.subarray(0, clientAt), head) &&
    [cookieAt, effortAt, nonceAt].every((at) => bytes[at - 1] === template[at - 1])

  return (bytes, client, cookies) => {
    if (!isOfServer(bytes)) return faultOfHead(bytes, server)
    if (!equalBytes(bytes.subarray(clientAt, clientAt + 32), client)) return reject('wrong-peer')
    const cookie = bytes.subarray(cookieAt, cookieAt + cookieBytes)
    const cookieIndex = cookies.findIndex((given) => equalBytes(given.cookie, cookie))
    if (cookieIndex < 0) return ignore('stale')
    const effort = new DataView(bytes.buffer, bytes.byteOffset + effortAt, effortBytes).getUint32(0)
    if (effort === 0) return reject('malformed')
    if (effort < cookies[cookieIndex]!.leastEffort) return ignore('too-light')
    const id = sha256(bytes)
    return isLightEnough(id, effort) ? accept({ effort, cookieIndex, id }) : reject('too-light')
  }
}

/** Why a solution does not begin as this server's do. Read by hand: who sends nonsense costs no more than who does not. */
const faultOfHead = (
  bytes: Uint8Array,
  { networkId, purpose }: Pick<PuzzleParties, 'networkId' | 'purpose'>,
): { is: 'reject'; code: string } => {
  const reader = createCanonicalReader(bytes)
  const isNamed = readHead(reader, majorType.array) === 8 && readAscii(reader, headName.length) === headName
  const network = isNamed ? readAscii(reader, networkId.length) : null
  const named = network === null ? null : readPurpose(reader)
  const lengths = [32, 32, cookieBytes, effortBytes, nonceBytes]
  const isWhole = named !== null && lengths.every((length) => readBytesOf(reader, length) !== null)
  if (!isWhole || !isAtEnd(reader) || !isNetworkId(network!)) return reject('malformed')
  return reject(network === networkId && named === purpose ? 'wrong-peer' : 'wrong-purpose')
}

const readPurpose = (reader: CanonicalReader): string | null => {
  const start = reader.offset
  const length = readHead(reader, majorType.text)
  reader.offset = start
  const text = length < 1 ? null : readAscii(reader, Math.min(length, maxPurposeLength))
  return text !== null && purposePattern.test(text) ? text : null
}

/**
 * R-PUZ-1: ["puzzle", cookie, effort, code]: what a server says instead of an answer: why it did not work, and for what
 * work it would.
 */
export const PuzzleAnswer = z.tuple([
  z.literal('puzzle'),
  bytesOf(cookieBytes),
  z.int().min(1).max(maxEffort),
  MessageCode,
])
export type PuzzleAnswer = z.infer<typeof PuzzleAnswer>
/** Reads and writes `PuzzleAnswer`. */
export const puzzleAnswerCodec = codecOf<PuzzleAnswer>(PuzzleAnswer, 96)

/** R-PUZ-1: ["paid", solution, request]: a request with the work that was asked for it. */
export const PaidRequest = z.tuple([
  z.literal('paid'),
  bytesUpTo(maxSolutionBytes),
  bytesUpTo(Number.MAX_SAFE_INTEGER),
])
export type PaidRequest = z.infer<typeof PaidRequest>

/** How much longer a request becomes when it is paid for. */
export const paidRequestOverhead = 1 + 5 + 2 + maxSolutionBytes + 5

/** R-PUZ-1: returns a request with its solution in front. */
export const encodePaidRequest = (solution: Uint8Array, request: Uint8Array): Uint8Array =>
  encodeCanonical(['paid', solution, request])

const paidHead = Uint8Array.of(0x83, 0x64, ...utf8ToBytes('paid'))

/** What came on a paid protocol: the request, and the solution if one came with it; null if it makes no sense. */
export const readPaidRequest = (
  bytes: Uint8Array,
  maxRequestBytes: number,
): { solution: Uint8Array | null; request: Uint8Array } | null => {
  if (!equalBytes(bytes.subarray(0, paidHead.length), paidHead)) return { solution: null, request: bytes }
  const decoded = decodeCanonical(PaidRequest, bytes, maxRequestBytes + paidRequestOverhead)
  if (decoded.is === 'bad') return null
  const [, solution, request] = decoded.value
  return { solution, request }
}

const u32be = (n: number): Uint8Array => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n)

/** One more, most significant byte first; after the last comes 0. */
const countUp = (counter: Uint8Array): void => {
  for (let i = counter.length - 1; i >= 0; i--) {
    counter[i] = counter[i]! + 1
    if (counter[i] !== 0) return
  }
}
