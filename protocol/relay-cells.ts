import { utf8ToBytes } from './bytes.ts'
import { maxHops } from './relay.ts'

/** Name of the links' protocol (R-MSG-1), and the purpose of solutions that strangers pay with (R-PUZ-1). */
export const relayProtocol = 'relay/1'

/** Bytes of every cell on every link (R-RELAY-3). */
export const cellBytes = 1_024
/** After the two bytes of the head. */
export const cellPayloadBytes = 1_022
/** What one Noise session adds to a message: two bytes of length, sixteen of tag. */
export const sessionBytes = 18
/**
 * Cells that a link carries away from the client, in all: a transaction of 100,000 bytes in frames that are all as small as
 * R-RELAY-4 allows takes 391, eight handshakes and extensions some thirty.
 */
export const maxCellsForth = 512
/**
 * Cells that a link carries back: from each of `maxHops` hops the second message of its handshake and one answer. So no
 * circuit is longer, whatever its client asks of the hops (R-RELAY-3).
 */
export const maxCellsBack = 2 * maxHops

/** In the order of their numbers. */
export const cellKinds = ['data', 'open', 'end', 'toll'] as const
export type CellKind = (typeof cellKinds)[number]

/** One cell of a circuit, unsealed. */
export interface Cell {
  kind: CellKind
  payload: Uint8Array
}

export type DecodedCell = { is: 'ok'; value: Cell } | { is: 'bad'; code: CellCode }
export type CellCode = 'cell-size' | 'cell-kind' | 'cell-length' | 'cell-padding' | 'cell-code'

/**
 * R-RELAY-3: u16be(kind · 1024 + length) || payload || zeros. At most 1,022 bytes of payload. Throws RangeError for
 * more.
 */
export const encodeCell = ({ kind, payload }: Cell): Uint8Array => {
  if (payload.length > cellPayloadBytes) throw new RangeError(`${payload.length} bytes do not fit in a cell`)
  const cell = new Uint8Array(cellBytes)
  const head = (cellKinds.indexOf(kind) << 10) | payload.length
  cell[0] = head >>> 8
  cell[1] = head & 0xff
  cell.set(payload, 2)
  return cell
}

/** Reads a cell; its payload is a view of the bytes. */
export const decodeCell = (bytes: Uint8Array): DecodedCell => {
  if (bytes.length !== cellBytes) return { is: 'bad', code: 'cell-size' }
  const head = (bytes[0]! << 8) | bytes[1]!
  const kind = cellKinds[head >>> 10]
  const length = head & 0x3ff
  if (kind === undefined) return { is: 'bad', code: 'cell-kind' }
  if (length > cellPayloadBytes || (kind === 'data' && length === 0))
    return { is: 'bad', code: 'cell-length' }
  for (let i = 2 + length; i < cellBytes; i++) if (bytes[i] !== 0) return { is: 'bad', code: 'cell-padding' }
  const payload = bytes.subarray(2, 2 + length)
  if (kind === 'end' && endCodeOf(payload) === null) return { is: 'bad', code: 'cell-code' }
  return { is: 'ok', value: { kind, payload } }
}

/** The last cell of a link, which says why. */
export const encodeEnd = (code: string): Uint8Array => encodeCell({ kind: 'end', payload: utf8ToBytes(code) })

/** The code in an END cell; null if there is none. */
export const endCodeOf = (payload: Uint8Array): string | null => {
  const code = String.fromCharCode(...payload)
  return /^[a-z0-9-]{1,48}$/.test(code) ? code : null
}

/** R-RELAY-3: how a hop ends the link away from the client, whatever ended the circuit. */
export const endCodeForth = 'gone'

/** R-RELAY-3: what a hop may say towards the client of why a link further on ended; anything else is `gone`. */
export const endCodesBack: readonly string[] = ['busy', 'late', 'malformed', 'gone']

/** R-RELAY-3: with what code a hop ends the link towards the client when the next link ended with `code`. */
export const endCodeBack = (code: string): string => {
  // Work asked for between hops is work that a hop cannot do: no room, for now.
  if (code === 'toll') return 'busy'
  return endCodesBack.includes(code) ? code : 'gone'
}

/** Largest frame (R-RELAY-4), its length included: with eight sessions around it, it fills a cell. */
export const maxFrameBytes = cellPayloadBytes - maxHops * sessionBytes
/** Least of the bounds that are drawn for a circuit. */
export const minFrameBound = 585
/** Of a frame's two lengths. */
export const frameHeadBytes = 4

/**
 * R-RELAY-4: `u16be(n) || u16be(m) || message (m bytes) || zeros`, n counting all that follows it; `bytes` is n + 2.
 * Throws RangeError if it does not fit.
 */
export const encodeFrame = (message: Uint8Array, bytes: number): Uint8Array => {
  if (bytes > maxFrameBytes || message.length + frameHeadBytes > bytes) {
    throw new RangeError(`a message of ${message.length} bytes does not fit in a frame of ${bytes}`)
  }
  const frame = new Uint8Array(bytes)
  const view = new DataView(frame.buffer)
  view.setUint16(0, bytes - 2)
  view.setUint16(2, message.length)
  frame.set(message, frameHeadBytes)
  return frame
}

/** The message in a frame without its first length: `u16be(m) || message || zeros`; null if it is none. */
export const messageOfFrame = (body: Uint8Array): Uint8Array | null => {
  if (body.length < 2 || body.length > maxFrameBytes - 2) return null
  const length = (body[0]! << 8) | body[1]!
  if (2 + length > body.length) return null
  for (let i = 2 + length; i < body.length; i++) if (body[i] !== 0) return null
  return body.slice(2, 2 + length)
}

/** Chance for the sizes of frames; as `RandomStream`. */
export interface Chance {
  below(n: number): number
}

/** The bound of one circuit's frames, drawn once by each side (R-RELAY-4). */
export const drawFrameBound = (chance: Chance): number =>
  minFrameBound + chance.below(maxFrameBytes - minFrameBound + 1)

/** The size of a frame for a message of `messageBytes`, between half of the bound, or what the message needs, and the bound. */
export const drawFrameBytes = (messageBytes: number, bound: number, chance: Chance): number => {
  const least = Math.max(bound >>> 1, messageBytes + frameHeadBytes)
  return least >= bound ? least : least + chance.below(bound - least + 1)
}
