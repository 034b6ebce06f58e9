import { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

export { concatBytes, hexToBytes, utf8ToBytes }

const hexCodes = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))
/** Codes that one call may have as its arguments; far below the limit of any engine. */
const maxCodes = 8_192

/**
 * Lower-case hex. Made in one piece: a text that is put together digit by digit stays a tree of its pieces in the
 * engine, 30 bytes for each digit, and the keys of a registry of 40,000 seats are such texts.
 */
export const bytesToHex = (bytes: Uint8Array): string => {
  const codes = new Uint8Array(2 * bytes.length)
  for (let i = 0; i < bytes.length; i++) {
    codes[2 * i] = hexCodes[bytes[i]! >> 4]!
    codes[2 * i + 1] = hexCodes[bytes[i]! & 15]!
  }
  let text = ''
  for (let from = 0; from < codes.length; from += maxCodes) {
    // No copy of the codes into an array: the engine takes any list.
    text += String.fromCharCode.apply(null, codes.subarray(from, from + maxCodes) as unknown as number[])
  }
  return text
}

/** Whether two byte strings are equal. Not constant-time: for public values only. */
export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Order of unsigned bytes, shorter first where one is the head of the other: no locale, no engine's choice. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Hash of a block or transaction as people write it: reversed hex. */
export const reversedHex = (hash: Uint8Array): string => bytesToHex(Uint8Array.from(hash).reverse())
