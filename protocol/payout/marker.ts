import { utf8ToBytes } from '../bytes.ts'
import type { Week } from '../ids.ts'
import { isWeek } from '../week.ts'

/** What output 1 of a payout transaction says (R-PAY-2). */
export interface PayoutMarker {
  week: Week
  /** Of 1 … parts. */
  part: number
  /** Transactions that the week is paid with. */
  parts: number
  /** First 32 hex digits of the tally's digest. */
  digest: string
}

/** Four digits: 9,999 transactions of 1,000 payees. With them a marker has 65 bytes; nodes relay 80. */
export const maxPayoutParts = 9_999

const markerPattern = /^secnode pay ([0-9]{4}-W[0-9]{2}) ([1-9][0-9]{0,3})\/([1-9][0-9]{0,3}) ([0-9a-f]{32})$/
const maxMarkerBytes = 65

export const formatMarker = ({ week, part, parts, digest }: PayoutMarker): string =>
  `secnode pay ${week} ${part}/${parts} ${digest}`

/** The data of the OP_RETURN. */
export const markerBytes = (marker: PayoutMarker): Uint8Array => utf8ToBytes(formatMarker(marker))

/** Null for anything that is not a marker to the last byte. */
export const parseMarker = (data: Uint8Array): PayoutMarker | null => {
  if (data.length > maxMarkerBytes) return null
  // Bytes beyond ASCII become characters that the pattern has not.
  const match = markerPattern.exec(String.fromCharCode(...data))
  if (match === null) return null
  const [, week, partText, partsText, digest] = match as unknown as [string, string, string, string, string]
  const part = Number(partText)
  const parts = Number(partsText)
  return isWeek(week) && part <= parts ? { week, part, parts, digest } : null
}

/** What a tally's digest is shortened to. */
export const markerDigest = (digest: string): string => digest.slice(0, 32)
