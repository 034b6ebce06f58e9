import type { CID } from 'multiformats/cid'
import {
  type Checkpoint,
  decodeAttestation,
  decodeCheckpoint,
  epochRoot,
  equalBytes,
  type ListedEpoch,
  type Week,
} from '../../protocol/index.ts'
import { decodeAttestationBlock, isAttestationBlock, rowsPerBlock } from './attestation-block.ts'
import { bundleError } from './bundle-error.ts'
import { type Block, type BundlePlace, maybeBlock, nextBlock, openCar } from './car.ts'
import type { Sha256 } from './ports.ts'

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
  sha256: Sha256
  /** The checkpoint that the chain names; any without it. */
  anchored?: CID | undefined
  signal?: AbortSignal | undefined
}

/** The epochs of a checkpoint in the order of a bundle: from the last to the first. */
export const bundleOrder = (checkpoint: Checkpoint): { week: Week; listed: ListedEpoch }[] =>
  checkpoint.weeks.flatMap(({ week, epochs }) => epochs.map((listed) => ({ week, listed }))).reverse()

/** root(e) of an epoch in which nobody attested. */
const noLeaves = epochRoot([])

/**
 * Reads a bundle as a stream, a block at a time, and checks that every block is the one that belongs there. What it
 * leaves to the caller is inside of the blocks of attestations: their bytes, order, roots and signatures. Errors:
 * BUNDLE_DAMAGED, BUNDLE_CUT, BUNDLE_PADDED, BUNDLE_FOREIGN, each naming the block.
 */
export async function* readBundle(
  stream: AsyncIterable<Uint8Array>,
  options: ReadBundleOptions,
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
  const { sha256 } = options
  const file = await openCar(stream)
  const [held, wanted] = [file.root.toString(), options.anchored?.toString()]
  if (wanted !== undefined && held !== wanted) {
    throw bundleError('foreign', null, `it holds checkpoint ${held}, not ${wanted}`)
  }

  const first = await nextBlock(file)
  if (!first.cid.equals(file.root)) throw bundleError('damaged', first.place, 'is not the checkpoint')
  checkHash(sha256, first)
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
      checkHash(sha256, block)
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
        checkHash(sha256, ahead)
        yield { is: 'evidence', ...ahead, week, listed }
      }
    }
  }
  const surplus = ahead ?? (await maybeBlock(file))
  if (surplus !== null) throw bundleError('padded', surplus.place, 'comes after the last attestation')
}

const checkHash = (sha256: Sha256, { cid, bytes, place }: Block): void => {
  if (!equalBytes(cid.multihash.digest, sha256(bytes))) {
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
