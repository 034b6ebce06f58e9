import { createWriter, headerLength } from '@ipld/car/buffer-writer'
import { asyncIterableReader, readBlockHead, readHeader } from '@ipld/car/decoder'
import { varint } from 'multiformats'
import type { CID } from 'multiformats/cid'
import { equalBytes, maxCheckpointBytes, PayloadCid } from '../../protocol/index.ts'
import { isSecnodeError, messageOf } from '../errors.ts'
import { maxAttestationBlockBytes } from './attestation-block.ts'
import { bundleError } from './bundle-error.ts'

/**
 * CAR version 1 as a bundle has it (R-CP-8): one root, CIDs of payloads only, lengths in their shortest form. So a bundle
 * of the same data has the same bytes. The library reads more than that; what it read is compared with what it would
 * write.
 */
export interface CarFile {
  root: CID
  reader: CarReader
  block: number
}

type CarReader = ReturnType<typeof asyncIterableReader>

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

/** Of a CIDv1, dag-cbor, sha2-256 (R-ID-1). */
const cidBytes = 36
/** A length, a CID, and something that it is of. */
const leastSectionBytes = 1 + cidBytes + 1

/** The largest block there is: that of a checkpoint. */
const maxBlockBytes = Math.max(maxCheckpointBytes, maxAttestationBlockBytes)

/** Errors: BUNDLE_CUT, BUNDLE_DAMAGED, BUNDLE_FOREIGN, and those of the stream. */
export const openCar = async (stream: AsyncIterable<Uint8Array>): Promise<CarFile> => {
  const reader = boundedReader(stream)
  try {
    const ahead = (await reader.upTo(maxHeaderBytes)).slice(0, maxHeaderBytes)
    const { roots } = await readHeader(reader, 1)
    const [root] = roots
    if (root === undefined || !PayloadCid.safeParse(root).success) {
      throw bundleError('foreign', null, 'its root is no checkpoint')
    }
    const header = headerOf(root)
    if (reader.pos !== header.length || !equalBytes(ahead.subarray(0, header.length), header)) {
      throw bundleError('damaged', null, 'its header is not the one of a bundle')
    }
    return { root, reader, block: 0 }
  } catch (error) {
    throw asBundleError(error, null, 'it does not begin like a CAR file of version 1')
  }
}

const maxHeaderBytes = 64

const headerOf = (root: CID): Uint8Array => {
  const roots = [root]
  return createWriter(new ArrayBuffer(headerLength({ roots })), { roots }).close()
}

/** A length in the file is believed up to the largest block: nobody makes a reader gather gigabytes. */
const boundedReader = (stream: AsyncIterable<Uint8Array>): CarReader => {
  const reader = asyncIterableReader(stream)
  return {
    upTo: (length) => reader.upTo(length),
    exactly: (length, seek) => {
      if (length > maxBlockBytes || length < 0) throw new RangeError(`a block of ${length} bytes`)
      return reader.exactly(length, seek)
    },
    seek: (length) => reader.seek(length),
    get pos() {
      return reader.pos
    },
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
    const ahead = await reader.upTo(leastSectionBytes)
    if (ahead.length === 0) return null
    if (ahead.length < leastSectionBytes) throw bundleError('cut', place, 'the file ends inside of it')
    const { cid, blockLength } = await readBlockHead(reader)
    // Whoever compares bytes later compares the digest only: the rest of an id must be what all have.
    if (!PayloadCid.safeParse(cid).success) {
      throw bundleError('damaged', place, `its id, of ${cid.bytes.length} bytes, is not one of a bundle`)
    }
    const headBytes = varint.encodingLength(cidBytes + blockLength) + cidBytes
    if (reader.pos - place.offset !== headBytes) {
      throw bundleError('damaged', place, 'its length or its id is not in the shortest form')
    }
    // The reader gives views of what it has gathered, which it will not overwrite.
    const bytes = await reader.exactly(blockLength, true)
    file.block++
    return { place, cid, bytes }
  } catch (error) {
    throw asBundleError(error, place, 'cannot be read')
  }
}

/** The CAR decoder says `Unexpected end of data` where the file ends inside of something. */
const asBundleError = (error: unknown, place: BundlePlace | null, what: string): unknown => {
  if (isSecnodeError(error) || (error instanceof Error && error.name === 'AbortError')) return error
  const message = messageOf(error)
  if (/unexpected end/i.test(message)) return bundleError('cut', place, 'the file ends inside of it')
  return isSystemError(error) ? error : bundleError('damaged', place, `${what} (${message})`)
}

/** What the file system or the network said, as against what the bytes are. */
const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error
