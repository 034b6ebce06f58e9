import { HostileBytesError, partsOf } from './hostile.ts'
import { lengthWithin, maxPrefixBytes } from './lengths.ts'
import type { Inspector } from './watch.ts'
import { unitsOf } from './work.ts'

export interface MessageRules {
  maxMessageBytes: number
  /** On one stream; without it any number. */
  maxMessages?: number
  /** Each message is work. */
  isWork?: boolean
}

/** Looks at messages that each have their length in front, as identify and the DHT read them. */
export const createMessageInspector = (
  { maxMessageBytes, maxMessages = Infinity, isWork = false }: MessageRules,
  charge: (units: number) => number,
): Inspector => {
  const decode = lengthWithin(maxPrefixBytes)
  let prefix: number[] = []
  let messageLeft = 0
  let messages = 0

  /** What a message of this length owes. */
  const judge = (length: number): number => {
    if (length > maxMessageBytes) {
      throw new HostileBytesError(
        'large message',
        `a message of ${length} bytes, more than ${maxMessageBytes}`,
      )
    }
    if (++messages > maxMessages) {
      throw new HostileBytesError('many messages', `more than ${maxMessages} messages`)
    }
    messageLeft = length
    return isWork ? charge(unitsOf.message + length * unitsOf.messageByte) : 0
  }

  return (bytes) => {
    let seen = 0
    for (const part of partsOf(bytes)) {
      for (let i = 0; i < part.length;) {
        if (messageLeft > 0) {
          const skipped = Math.min(messageLeft, part.length - i)
          messageLeft -= skipped
          i += skipped
          continue
        }
        const byte = part[i++]!
        prefix.push(byte)
        const isWhole = byte < 0x80 || prefix.length >= maxPrefixBytes
        if (!isWhole) continue
        const length = decode({ byteLength: prefix.length, get: (index) => prefix[index]! })
        prefix = []
        const owes = judge(length)
        if (owes > 0) return { passes: seen + i, owes }
      }
      seen += part.length
    }
    return null
  }
}

/** Looks at bytes without any form, of which there may only be so many. */
export const createByteInspector = (maxBytes: number): Inspector => {
  let total = 0
  return (bytes) => {
    total += bytes.byteLength
    if (total > maxBytes) throw new HostileBytesError('large message', `more than ${maxBytes} bytes`)
    return null
  }
}
