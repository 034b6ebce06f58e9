import { HostileBytesError, partsOf } from './hostile.ts'
import { unitsOf } from './work.ts'
import type { Inspector } from './watch.ts'

export interface FrameRules {
  /** The largest window of a stream: no data frame can be longer. */
  maxDataBytes: number
  /** 0 if the units are paid, else the units, which are owed. */
  charge: (units: number) => number
  /** True if one more frame may come that answers nothing. */
  takeUnasked: () => boolean
}

export interface FrameInspector {
  inspect: Inspector
  /** This side has sent data, which the other may answer. */
  sentData(): void
}

/**
 * Looks at the headers of yamux frames as they come in. The muxer itself keeps a data frame until it is whole, up to 4 GB,
 * and only then compares it with the window of its stream; and nothing bounds how many frames of other kinds it acts upon.
 */
export const createFrameInspector = ({ maxDataBytes, charge, takeUnasked }: FrameRules): FrameInspector => {
  /** Of a header that is not whole yet. */
  const begun = new Uint8Array(headerBytes)
  let begunLength = 0
  /** Bytes of a data frame that are still to come. */
  let payloadLeft = 0
  /** Frames that the other side may send in answer to what was sent, or to end what it opened. */
  let answers = 0
  const earn = (count: number): void => {
    answers = Math.min(answers + count, maxAnswers)
  }

  /** What the frame owes whose header is there. */
  const judge = (bytes: Uint8Array, at: number): number => {
    const type = bytes[at + 1]!
    const length = lengthIn(bytes, at)
    if (type === dataType && length > maxDataBytes) {
      throw new HostileBytesError('giant frame', `a data frame of ${length} bytes`)
    }
    payloadLeft = type === dataType ? length : 0
    if (isOpening(bytes, at) && type !== pingType) {
      earn(answersToStream)
      return charge(unitsOf.stream)
    }
    if (type === dataType) return length < smallBytes ? charge(unitsOf.smallFrame) : 0
    if (answers > 0) answers--
    else if (!takeUnasked())
      throw new HostileBytesError('control storm', 'control frames that answer nothing')
    return 0
  }

  /** What the last frame owes. */
  let owed = 0
  /** Where in the part the header ends, or the part itself does. */
  const readHeader = (part: Uint8Array, from: number): number => {
    if (begunLength === 0 && from + headerBytes <= part.length) {
      owed = judge(part, from)
      return from + headerBytes
    }
    const end = Math.min(from + headerBytes - begunLength, part.length)
    for (let i = from; i < end; i++) begun[begunLength++] = part[i]!
    if (begunLength === headerBytes) {
      begunLength = 0
      owed = judge(begun, 0)
    }
    return end
  }

  const inspect: Inspector = (bytes) => {
    let seen = 0
    for (const part of partsOf(bytes)) {
      for (let i = 0; i < part.length;) {
        if (payloadLeft > 0) {
          const skipped = Math.min(payloadLeft, part.length - i)
          payloadLeft -= skipped
          i += skipped
          continue
        }
        owed = 0
        i = readHeader(part, i)
        if (owed > 0) return { passes: seen + i, owes: owed }
      }
      seen += part.length
    }
    return null
  }

  return { inspect, sentData: () => earn(answersToData) }
}

/** https://github.com/hashicorp/yamux/blob/master/spec.md */
const headerBytes = 12
export const dataType = 0
export const pingType = 2
/** Opens a stream, or asks for a ping's answer. */
export const synFlag = 1

export const writeHeader = (type: number, flags: number, stream: number, length: number): Uint8Array => {
  const header = new DataView(new ArrayBuffer(headerBytes))
  header.setUint8(1, type)
  header.setUint16(2, flags)
  header.setUint32(4, stream)
  header.setUint32(8, length)
  return new Uint8Array(header.buffer)
}

const isOpening = (bytes: Uint8Array, at: number): boolean => (bytes[at + 3]! & synFlag) !== 0

const lengthIn = (bytes: Uint8Array, at: number): number =>
  bytes[at + 8]! * 2 ** 24 + (bytes[at + 9]! << 16) + (bytes[at + 10]! << 8) + bytes[at + 11]!

/** Below, a frame is cheap to send for the work that it makes. */
const smallBytes = 64

// Each data frame may be answered by a window update, and by the end or the reset of its stream; a stream that the other side
// opens, by its own end and a reset. Cells of a relay that are under way on a long path are some thousand.
const answersToData = 2
const answersToStream = 2
const maxAnswers = 16_384
