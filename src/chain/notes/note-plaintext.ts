import { concatBytes, numberToBytesLE } from '@noble/curves/utils.js'
import { MEMO_BYTES } from './memo.ts'

/** The 564 bytes that Sapling, Orchard and Ironwood encrypt alike: Zcash protocol specification 5.5. */
export interface NotePlaintext<LeadByte extends number> {
  leadByte: LeadByte
  /** 11 bytes. */
  diversifier: Uint8Array
  /** Base units. */
  value: bigint
  /** rseed, or rcm in an old Sapling note; 32 bytes. */
  randomness: Uint8Array
  /** 512 bytes. */
  memo: Uint8Array
}

const VALUE_AT = 12
const RANDOMNESS_AT = 20
const MEMO_AT = 52
const NOTE_PLAINTEXT_BYTES = MEMO_AT + MEMO_BYTES

export const encodeNotePlaintext = (note: NotePlaintext<number>): Uint8Array =>
  concatBytes(
    Uint8Array.of(note.leadByte),
    note.diversifier,
    numberToBytesLE(note.value, 8),
    note.randomness,
    note.memo,
  )

/** Null when the length or the lead byte is not allowed. */
export const parseNotePlaintext = <LeadByte extends number>(
  bytes: Uint8Array,
  leadBytes: readonly LeadByte[],
): NotePlaintext<LeadByte> | null => {
  const leadByte = leadBytes.find((allowed) => allowed === bytes[0])
  if (bytes.length !== NOTE_PLAINTEXT_BYTES || leadByte === undefined) return null
  return {
    leadByte,
    diversifier: bytes.slice(1, VALUE_AT),
    value: new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(VALUE_AT, true),
    randomness: bytes.slice(RANDOMNESS_AT, MEMO_AT),
    memo: bytes.slice(MEMO_AT),
  }
}
