import { hash } from 'node:crypto'
import { asyncIterableReader, readBlockHead, readHeader } from '@ipld/car/decoder'
import type { CID } from 'multiformats/cid'
import {
  type Checkpoint,
  decodeAttestation,
  decodeCheckpoint,
  epochRoot,
  equalBytes,
  type ListedEpoch,
  maxCheckpointBytes,
  PayloadCid,
  type Week,
} from '../../protocol/index.ts'
import { isSecnodeError, messageOf } from '../errors.ts'
import {
  decodeAttestationBlock,
  isAttestationBlock,
  maxAttestationBlockBytes,
  rowsPerBlock,
} from './attestation-block.ts'
import { bundleError } from './bundle-error.ts'

/** Where a block stands in the file. */
export interface BundlePlace {
  /** From 0. */
  block: number
  /** Of its first byte. */
  offset: number
}

/** The blocks of a bundle in their order (R-CP-8). `place` is null for what does not come from a file. */
export type BundlePart =
  | { is: 'checkpoint'; place: BundlePlace | null; cid: CID; bytes: Uint8Array; checkpoint: Checkpoint }
  | { is: 'page'; place: BundlePlace | null; cid: CID; bytes: Uint8Array; week: Week }
  | AttestationsPart
  | {
      is: 'evidence'
      place: BundlePlace | null
      cid: CID
      bytes: Uint8Array
      week: Week
      listed: ListedEpoch
    }

/** Its bytes are not compared with its CID yet: `checkAttestations` does, or a worker thread. */
export interface AttestationsPart {
  is: 'attestations'
  place: BundlePlace | null
  cid: CID
  bytes: Uint8Array
  week: Week
  listed: ListedEpoch
  /** Number of the block in its epoch, from 0. */
  number: number
}

export interface ReadBundleOptions {
  /** The checkpoint that the chain names; any without it. */
  anchored?: CID | undefined
  signal?: AbortSignal | undefined
}

/** The epochs of a checkpoint in the order of a bundle: from the last to the first. */
export const bundleOrder = (checkpoint: Checkpoint): { week: Week; listed: ListedEpoch }[] =>
  checkpoint.weeks.flatMap(({ week, epochs }) => epochs.map((listed) => ({ week, listed }))).reverse()

/** root(e) of an epoch in which nobody attested. */
const noLeaves = epochRoot([])

/** The largest block there is: that of a checkpoint. */
const maxBlockBytes = Math.max(maxCheckpointBytes, maxAttestationBlockBytes)

/**
 * Reads a bundle as a stream, a block at a time, and checks that every block is the one that belongs there. What it
 * leaves to the caller is inside of the blocks of attestations: their bytes, order, roots and signatures. Errors:
 * BUNDLE_DAMAGED, BUNDLE_CUT, BUNDLE_PADDED, BUNDLE_FOREIGN, each naming the block.
 */
export async function* readBundle(
  stream: AsyncIterable<Uint8Array>,
  options: ReadBundleOptions = {},
): AsyncGenerator<BundlePart, void, undefined> {
  // The CAR reader takes what it needs and never says that it is done; whoever stops here closes the file.
  const input = stream[Symbol.asyncIterator]()
  try {
    yield* readParts({ [Symbol.asyncIterator]: () => input }, options)
  } finally {
    await input.return?.()
  }
}

async function* readParts(
  stream: AsyncIterable<Uint8Array>,
  options: ReadBundleOptions,
): AsyncGenerator<BundlePart, void, undefined> {
  const file = await openCar(stream)
  const [held, wanted] = [file.root.toString(), options.anchored?.toString()]
  if (wanted !== undefined && held !== wanted) {
    throw bundleError('foreign', null, `it holds checkpoint ${held}, not ${wanted}`)
  }

  const first = await nextBlock(file)
  if (!first.cid.equals(file.root)) throw bundleError('damaged', first.place, 'is not the checkpoint')
  checkHash(first)
  const decoded = decodeCheckpoint(first.bytes)
  if (decoded.is === 'bad') throw bundleError('damaged', first.place, `is no checkpoint (${decoded.code})`)
  const checkpoint = decoded.value
  const untrue = bundleOrder(checkpoint).find(
    ({ listed }) => listed.count === 0 && !equalBytes(listed.root, noLeaves),
  )
  if (untrue !== undefined) {
    throw bundleError(
      'damaged',
      first.place,
      `epoch ${untrue.listed.epoch} has no attestations, but a root of some`,
    )
  }
  yield { is: 'checkpoint', ...first, checkpoint }

  for (const { week, proofPages } of checkpoint.weeks) {
    for (const page of proofPages) {
      options.signal?.throwIfAborted()
      const block = await nextBlock(file)
      const name = page.toString()
      if (block.cid.toString() !== name) {
        throw bundleError('foreign', block.place, `is not page ${name} of the proofs of ${week}`)
      }
      checkHash(block)
      yield { is: 'page', ...block, week }
    }
  }

  let ahead: Block | null = null
  for (const { week, listed } of bundleOrder(checkpoint)) {
    for (let number = 0; number < Math.ceil(listed.count / rowsPerBlock); number++) {
      options.signal?.throwIfAborted()
      const block: Block = ahead ?? (await nextBlock(file))
      if (!isAttestationBlock(block.bytes)) {
        throw bundleError('foreign', block.place, `is no attestations of epoch ${listed.epoch}`)
      }
      yield { is: 'attestations', ...block, week, listed, number }
      // Evidence of this block may follow, and only that.
      const named = evidenceNamedBy(block)
      for (ahead = await maybeBlock(file); ahead !== null; ahead = await maybeBlock(file)) {
        if (isAttestationBlock(ahead.bytes)) break
        if (!named.take(ahead.cid)) {
          throw bundleError('padded', ahead.place, 'is no evidence that the attestations before it name')
        }
        checkHash(ahead)
        yield { is: 'evidence', ...ahead, week, listed }
      }
    }
  }
  const surplus = ahead ?? (await maybeBlock(file))
  if (surplus !== null) throw bundleError('padded', surplus.place, 'comes after the last attestation')
}

interface Block {
  place: BundlePlace
  cid: CID
  bytes: Uint8Array
}

interface CarFile {
  root: CID
  reader: ReturnType<typeof asyncIterableReader>
  block: number
}

const openCar = async (stream: AsyncIterable<Uint8Array>): Promise<CarFile> => {
  const reader = boundedReader(stream)
  let roots: CID[]
  try {
    ;({ roots } = await readHeader(reader, 1))
  } catch (error) {
    throw asBundleError(error, null, 'it does not begin like a CAR file of version 1')
  }
  const [root, ...others] = roots
  if (root === undefined || others.length > 0 || !PayloadCid.safeParse(root).success) {
    throw bundleError('foreign', null, 'its root is no checkpoint')
  }
  return { root, reader, block: 0 }
}

/** A length in the file is believed up to the largest block: nobody makes a reader gather gigabytes. */
const boundedReader = (stream: AsyncIterable<Uint8Array>): CarFile['reader'] => {
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

const nextBlock = async (file: CarFile): Promise<Block> => {
  const block = await maybeBlock(file)
  if (block === null) {
    throw bundleError('cut', { block: file.block, offset: file.reader.pos }, 'is missing')
  }
  return block
}

/** A length, a CID of 36 bytes, and something that it is of. */
const leastSectionBytes = 38

/** Null at the end of the file. */
const maybeBlock = async (file: CarFile): Promise<Block | null> => {
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

const checkHash = ({ cid, bytes, place }: Block): void => {
  if (!equalBytes(cid.multihash.digest, hash('sha256', bytes, 'buffer'))) {
    throw bundleError('damaged', place, `its bytes are not those of ${cid.toString()}`)
  }
}

/** Evidence that a block's attestations name, to be taken in their order, each once. */
const evidenceNamedBy = (block: Block): { take(cid: CID): boolean } => {
  let cids: CID[] | null = null
  let next = 0
  return {
    take(cid) {
      cids ??= (decodeAttestationBlock(block.bytes)?.rows ?? []).flatMap(
        ({ payload }) => decodeAttestation(payload)?.evidence ?? [],
      )
      const found = cids.findIndex((named, i) => i >= next && named.equals(cid))
      if (found === -1) return false
      next = found + 1
      return true
    },
  }
}
