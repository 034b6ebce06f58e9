/** Memos of 512 bytes: ZIP 302. */

export const MEMO_BYTES = 512

/** Up to this first byte a memo is text; no UTF-8 text begins with a higher one. */
const LAST_TEXT_BYTE = 0xf4
const NO_MEMO = 0xf6

/**
 * The text of a memo: strict UTF-8, trailing zeros taken off; the empty string for an all-zero memo.
 * Null when it is no text: "no memo" (0xF6), arbitrary data (0xFF), reserved, or bad UTF-8.
 */
export const memoText = (memo: Uint8Array): string | null => {
  if (memo.length !== MEMO_BYTES || memo[0]! > LAST_TEXT_BYTE) return null
  let end = MEMO_BYTES
  while (end > 0 && memo[end - 1] === 0) end--
  try {
    return strictUtf8.decode(memo.subarray(0, end))
  } catch {
    return null
  }
}

/** The memo of a text of at most 512 bytes of UTF-8, zero-padded; null when it is longer or holds a lone surrogate. */
export const memoFromText = (text: string): Uint8Array | null => {
  if (!text.isWellFormed()) return null
  return padMemo(new TextEncoder().encode(text))
}

/** ZIP 302's "no memo": 0xF6 and zeros. */
export const noMemo = (): Uint8Array => {
  const memo = new Uint8Array(MEMO_BYTES)
  memo[0] = NO_MEMO
  return memo
}

/** Zero-padded to 512 bytes; null when longer. */
export const padMemo = (bytes: Uint8Array): Uint8Array | null => {
  if (bytes.length > MEMO_BYTES) return null
  const memo = new Uint8Array(MEMO_BYTES)
  memo.set(bytes)
  return memo
}

// `ignoreBOM` keeps a leading U+FEFF: the text must come out exactly as it went in.
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
