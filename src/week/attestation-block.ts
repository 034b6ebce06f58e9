import { z } from 'zod'
import {
  bytesOf,
  bytesUpTo,
  createCanonicalReader,
  decodeCanonical,
  encodeCanonical,
  type Epoch,
  EpochNumber,
  isAtEnd,
  majorType,
  maxAttestationBytes,
  readBytes,
  readBytesOf,
  readHead,
  type Signed,
  utf8ToBytes,
} from '../../protocol/index.ts'

/** A block of a bundle (R-CP-8): attestations of one epoch in rising order of seat, each with its signature. */
export interface AttestationBlock {
  epoch: Epoch
  rows: readonly Signed[]
}

/** Rows of every block but an epoch's last: 170 kB, so a week of 40,000 seats has some 3,300 blocks. */
export const rowsPerBlock = 512
export const maxAttestationBlockBytes = rowsPerBlock * (maxAttestationBytes + 64 + 8) + 32

/** Rows in block `number` of an epoch with `count` attestations. */
export const rowsInBlock = (count: number, number: number): number =>
  Math.min(rowsPerBlock, count - number * rowsPerBlock)

const AttestationBlockRow = z.tuple([
  z.literal('attestations'),
  z.literal(1),
  EpochNumber,
  z
    .array(z.tuple([bytesUpTo(maxAttestationBytes), bytesOf(64)]))
    .min(1)
    .max(rowsPerBlock),
])

export const encodeAttestationBlock = ({ epoch, rows }: AttestationBlock): Uint8Array =>
  encodeCanonical([
    'attestations',
    1,
    epoch,
    rows.map(({ payload, signature }) => [payload, signature] as const),
  ])

/** Null for whatever is no canonical block. Payloads and signatures may be views of `bytes`. */
export const decodeAttestationBlock = (bytes: Uint8Array): AttestationBlock | null =>
  decodeQuickly(bytes) ?? decodeBySchema(bytes)

/** The reference that R-CP-8 describes. */
export const decodeBySchema = (bytes: Uint8Array): AttestationBlock | null => {
  const decoded = decodeCanonical(AttestationBlockRow, bytes, maxAttestationBlockBytes)
  if (decoded.is === 'bad') return null
  const [, , epoch, rows] = decoded.value
  return { epoch, rows: rows.map(([payload, signature]) => ({ payload, signature })) }
}

// An array of four, the text "attestations" of twelve, the version.
const blockHead = Uint8Array.of(0x84, 0x6c, ...utf8ToBytes('attestations'), 0x01)

/** Whether a block claims to be one of attestations; a bundle has only evidence beside them. */
export const isAttestationBlock = (bytes: Uint8Array): boolean =>
  blockHead.every((byte, i) => bytes[i] === byte)

/** The bulk path: null is no verdict, only a question for the schema. */
const decodeQuickly = (bytes: Uint8Array): AttestationBlock | null => {
  if (bytes.length > maxAttestationBlockBytes || !isAttestationBlock(bytes)) return null
  const reader = { ...createCanonicalReader(bytes), offset: blockHead.length }
  const epoch = readHead(reader, majorType.uint)
  const count = readHead(reader, majorType.array)
  if (epoch < 0 || count < 1 || count > rowsPerBlock) return null
  const rows: Signed[] = []
  for (let i = 0; i < count; i++) {
    if (readHead(reader, majorType.array) !== 2) return null
    const payload = readBytes(reader, maxAttestationBytes)
    const signature = readBytesOf(reader, 64)
    if (payload === null || signature === null) return null
    rows.push({ payload, signature })
  }
  return isAtEnd(reader) ? { epoch, rows } : null
}
