import { asyncIterableReader } from '@ipld/car/decoder'
import type { CID } from 'multiformats/cid'
import { cidOfDigest, equalBytes, maxCheckpointBytes } from '../../protocol/index.ts'
import { isSecnodeError, messageOf } from '../errors.ts'
import { maxAttestationBlockBytes } from './attestation-block.ts'
import { bundleError } from './bundle-error.ts'

/**
 * CAR version 1 as a bundle has it (R-CP-8): one root, CIDs of payloads only, lengths in their shortest form. So a bundle
 * of the same data has the same bytes, and a reader of CAR in general, which takes more, is of no use here.
 */
export interface CarFile {
  root: CID
  reader: ReturnType<typeof asyncIterableReader>
  block: number
}

/** Where a block stands in the file. */
export interface BundlePlace {
  /** From 0. */
  block: number
  /** Of its first byte. */
  offset: number
}

export interface Block {
  place: BundlePlace
  cid: CID
  bytes: Uint8Array
}

/** Version 1, dag-cbor, sha2-256, 32 bytes (R-ID-1). */
const cidHead = Uint8Array.of(0x01, 0x71, 0x12, 0x20)
const cidBytes = 36

/** `{"roots": [CID], "version": 1}` in DAG-CBOR is 58 bytes: these around the CID. */
const headerStart = Buffer.from('3aa265726f6f747381d82a582500', 'hex')
const headerEnd = Buffer.from('6776657273696f6e01', 'hex')
const headerBytes = headerStart.length + cidBytes + headerEnd.length

/** The largest block there is: that of a checkpoint. A longer one is not gathered. */
const maxBlockBytes = Math.max(maxCheckpointBytes, maxAttestationBlockBytes)

/** Errors: BUNDLE_CUT, BUNDLE_DAMAGED, and those of the stream. */
export const openCar = async (stream: AsyncIterable<Uint8Array>): Promise<CarFile> => {
  const reader = asyncIterableReader(stream)
  try {
    const header = await reader.exactly(headerBytes, true)
    const root = cidFrom(header.subarray(headerStart.length))
    const isHeader = equalBytes(header.subarray(0, headerStart.length), headerStart)
    if (!isHeader || root === null || !equalBytes(header.subarray(-headerEnd.length), headerEnd)) {
      throw bundleError(
        'damaged',
        null,
        'it does not begin like a CAR file of version 1 with the id of a checkpoint',
      )
    }
    return { root, reader, block: 0 }
  } catch (error) {
    throw asBundleError(error, null)
  }
}

export const nextBlock = async (file: CarFile): Promise<Block> => {
  const block = await maybeBlock(file)
  if (block === null) {
    throw bundleError('cut', { block: file.block, offset: file.reader.pos }, 'is missing')
  }
  return block
}

/** Null at the end of the file. Its bytes are not compared with its CID. Errors: as of `openCar`. */
export const maybeBlock = async (file: CarFile): Promise<Block | null> => {
  const { reader } = file
  const place = { block: file.block, offset: reader.pos }
  try {
    const length = await readLength(reader, place)
    if (length === null) return null
    const cid = cidFrom(await reader.exactly(cidBytes, true))
    if (cid === null) throw bundleError('damaged', place, 'its id is not one of a bundle')
    // The reader gives views of what it has gathered, which it will not overwrite.
    const bytes = await reader.exactly(length - cidBytes, true)
    file.block++
    return { place, cid, bytes }
  } catch (error) {
    throw asBundleError(error, place)
  }
}

/** A varint in its shortest form: that of an id, a block and no more than the largest. Null at the end of the file. */
const readLength = async (reader: CarFile['reader'], place: BundlePlace): Promise<number | null> => {
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const [byte] = await reader.upTo(1)
    if (byte === undefined) {
      if (shift === 0) return null
      throw bundleError('cut', place, 'the file ends inside of it')
    }
    reader.seek(1)
    length += (byte & 0x7f) * 2 ** shift
    if (length > cidBytes + maxBlockBytes || shift > 21) throw bundleError('damaged', place, 'is too long')
    if (byte >= 0x80) continue
    const isShortest = byte > 0 || shift === 0
    if (!isShortest || length <= cidBytes)
      throw bundleError('damaged', place, 'its length is not one of a bundle')
    return length
  }
}

/** The CID that these bytes begin with; null if it is not that of a payload. */
const cidFrom = (bytes: Uint8Array): CID | null =>
  equalBytes(bytes.subarray(0, cidHead.length), cidHead)
    ? cidOfDigest(bytes.slice(cidHead.length, cidBytes))
    : null

/** The reader says `Unexpected end of data` where the file ends inside of something. */
const asBundleError = (error: unknown, place: BundlePlace | null): unknown => {
  if (isSecnodeError(error) || (error instanceof Error && error.name === 'AbortError')) return error
  const message = messageOf(error)
  if (/unexpected end/i.test(message)) return bundleError('cut', place, 'the file ends inside of it')
  return isSystemError(error) ? error : bundleError('damaged', place, `cannot be read (${message})`)
}

/** What the file system or the network said, as against what the bytes are. */
const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error
