import { CarWriter } from '@ipld/car/writer'
import type { CID } from 'multiformats/cid'
import {
  type Attestation,
  type Checkpoint,
  cidOf,
  cidOfDigest,
  decodeAttestation,
  decodeCheckpoint,
  equalBytes,
  type ListedEpoch,
  type Signed,
  type SignedAttestation,
  type Week,
} from '../../protocol/index.ts'
import { eitherOf, unlessAborted } from '../async/abort.ts'
import { SecnodeError } from '../errors.ts'
import {
  decodeAttestationBlock,
  encodeAttestationBlock,
  rowsInBlock,
  rowsPerBlock,
} from './attestation-block.ts'
import { bundleError } from './bundle-error.ts'
import type { BundlePlace } from './car.ts'
import type { ByteSink, Sha256 } from './ports.ts'
import {
  type AttestationsPart,
  type BundlePart,
  bundleOrder,
  readBundle,
  type ReadBundleOptions,
} from './read-bundle.ts'
import { createRoot, type RootBuilder } from './root.ts'

/** Where the data of a checkpoint comes from: a daemon's store, or a test's memory. */
export interface WeekData {
  /** Payload of the checkpoint that fixes a week; undefined if none is known. */
  checkpointOf(week: Week): Promise<Uint8Array | undefined>
  /** A page of proofs or a block of evidence by its CID; undefined if it is not held. */
  block(cid: CID): Promise<Uint8Array | undefined>
  /** The attestations under root(e), in rising order of seat, with their own signatures. */
  attestations(week: Week, listed: ListedEpoch): AsyncIterable<Signed>
}

export interface BundleProgress {
  attestations: number
  /** Of all epochs of the checkpoint. */
  total: number
}

export interface ExportOptions {
  sha256: Sha256
  withEvidence?: boolean
  signal?: AbortSignal
  onProgress?: (progress: BundleProgress) => void
}

/** What a bundle holds. */
export interface BundleSummary {
  checkpoint: CID
  weeks: readonly Week[]
  blocks: number
  attestations: number
  evidence: number
}

/**
 * R-CP-8: writes all data of the checkpoint that fixes `week` to `out`. Nothing is written that a reader would
 * refuse: every root is computed on the way. Errors: BUNDLE_NO_CHECKPOINT, BUNDLE_INCOMPLETE (both exit code 3), and
 * those of `out`.
 */
export const exportBundle = async (
  source: WeekData,
  week: Week,
  out: ByteSink,
  options: ExportOptions,
): Promise<BundleSummary> => {
  const bytes = await checkpointOf(source, week)
  const { writer, out: car } = CarWriter.create([cidOf(bytes)])
  const summary = createSummary(options.onProgress)
  // Whichever side fails stops the other: a file whose writer failed is not ended as if it were whole.
  const stop = new AbortController()
  const signal = eitherOf(options.signal, stop.signal)
  const write = async (): Promise<void> => {
    for await (const part of bundleParts(source, week, options)) {
      await unlessAborted(writer.put(part), signal)
      summary.add(part)
    }
    await unlessAborted(writer.close(), signal)
  }
  const both = [write(), out(car, signal)].map((side) => side.catch((error: unknown) => stop.abort(error)))
  await unlessAborted(Promise.all(both), signal)
  signal.throwIfAborted()
  return summary.result()
}

/** The payload of the checkpoint that fixes a week. Errors: BUNDLE_NO_CHECKPOINT (exit code 3). */
export const checkpointOf = async (source: WeekData, week: Week): Promise<Uint8Array> => {
  const bytes = await source.checkpointOf(week)
  if (bytes !== undefined) return bytes
  throw new SecnodeError('BUNDLE_NO_CHECKPOINT', `no checkpoint of week ${week} is at hand`, {
    exitCode: 3,
    hint: 'A week has one once it is anchored; `secnode tally` prints its state.',
  })
}

/** The blocks of the bundle of the checkpoint that fixes `week`, in their order. Errors: as of `exportBundle`. */
export async function* bundleParts(
  source: WeekData,
  week: Week,
  options: Pick<ExportOptions, 'sha256' | 'withEvidence'>,
): AsyncGenerator<BundlePart, void, undefined> {
  const bytes = await checkpointOf(source, week)
  const decoded = decodeCheckpoint(bytes)
  if (decoded.is === 'bad') throw incomplete(`the checkpoint of week ${week} cannot be read`)
  const checkpoint = decoded.value
  const place = null
  yield { is: 'checkpoint', place, cid: cidOf(bytes), bytes, checkpoint }
  for (const { week: ofWeek, proofPages } of checkpoint.weeks) {
    for (const cid of proofPages) {
      const page = await source.block(cid)
      if (page === undefined) throw incomplete(`page ${cid.toString()} of the proofs of ${ofWeek} is missing`)
      yield { is: 'page', place, cid, bytes: page, week: ofWeek }
    }
  }
  for (const { week: ofWeek, listed } of bundleOrder(checkpoint)) {
    yield* epochParts(source, ofWeek, listed, options)
  }
}

async function* epochParts(
  source: WeekData,
  week: Week,
  listed: ListedEpoch,
  { sha256, withEvidence = false }: Pick<ExportOptions, 'sha256' | 'withEvidence'>,
): AsyncGenerator<BundlePart, void, undefined> {
  const place = null
  const root = createRoot(sha256)
  let rows: Signed[] = []
  let named: CID[] = []
  async function* flush(): AsyncGenerator<BundlePart, void, undefined> {
    if (rows.length === 0) return
    const bytes = encodeAttestationBlock({ epoch: listed.epoch, rows })
    const number = Math.ceil(root.count / rowsPerBlock) - 1
    yield { is: 'attestations', place, cid: cidOf(bytes), bytes, week, listed, number }
    for (const cid of named) {
      const evidence = await source.block(cid)
      // Evidence is kept for some weeks only, and counts for nothing here (R-EVID-1).
      if (evidence !== undefined) yield { is: 'evidence', place, cid, bytes: evidence, week, listed }
    }
    rows = []
    named = []
  }
  for await (const signed of source.attestations(week, listed)) {
    const attestation = decodeAttestation(signed.payload)
    if (attestation === null) throw incomplete(`an attestation of epoch ${listed.epoch} cannot be read`)
    root.add(attestation.seat, sha256(signed.payload))
    rows.push(signed)
    if (withEvidence && !named.some((cid) => cid.equals(attestation.evidence)))
      named.push(attestation.evidence)
    if (rows.length === rowsPerBlock) yield* flush()
  }
  yield* flush()
  if (root.count !== listed.count || !equalBytes(root.root(), listed.root)) {
    throw incomplete(
      `of epoch ${listed.epoch} this node holds ${root.count} attestations, which are not the ${listed.count} of the checkpoint`,
    )
  }
}

/** Counts what goes by. */
const createSummary = (onProgress: ((progress: BundleProgress) => void) | undefined) => {
  const counts = { blocks: 0, attestations: 0, evidence: 0 }
  let root: CID | undefined
  let weeks: Week[] = []
  let total = 0
  return {
    add(part: BundlePart): void {
      counts.blocks++
      if (part.is === 'checkpoint') {
        root = part.cid
        weeks = part.checkpoint.weeks.map(({ week }) => week)
        total = bundleOrder(part.checkpoint).reduce((sum, { listed }) => sum + listed.count, 0)
      } else if (part.is === 'attestations') {
        counts.attestations += rowsInBlock(part.listed.count, part.number)
        onProgress?.({ attestations: counts.attestations, total })
      } else if (part.is === 'evidence') counts.evidence++
    },
    result: (): BundleSummary => ({ checkpoint: root!, weeks, ...counts }),
  }
}

const incomplete = (what: string): SecnodeError =>
  new SecnodeError('BUNDLE_INCOMPLETE', what, {
    exitCode: 3,
    hint: 'Let the node fetch the rest (`secnode start`), or ask another one for the bundle.',
  })

/** The attestations of an epoch of a bundle, block after block: each row read, in order, and under the root. */
export interface EpochCheck {
  /** The rows of the next block. Errors: BUNDLE_DAMAGED, BUNDLE_FOREIGN. */
  add(part: Pick<AttestationsPart, 'place' | 'cid' | 'bytes' | 'number'>): SignedAttestation[]
  /** After the last block. */
  end(): void
}

/** Checks blocks against CIDs, rows against the epoch and all of them against root(e); signatures stay unchecked. */
export const checkEpoch = (
  sha256: Sha256,
  checkpoint: Pick<Checkpoint, 'networkId'>,
  listed: ListedEpoch,
): EpochCheck => {
  const root: RootBuilder = createRoot(sha256)
  let lastSeat = -1
  let lastPlace: BundlePlace | null = null
  const isOfEpoch = ({ networkId, epoch, beacon }: Attestation): boolean =>
    networkId === checkpoint.networkId && epoch === listed.epoch && equalBytes(beacon, listed.beacon)
  return {
    add({ place, cid, bytes, number }) {
      lastPlace = place
      if (!equalBytes(cid.multihash.digest, sha256(bytes))) {
        throw bundleError('damaged', place, `its bytes are not those of ${cid.toString()}`)
      }
      const block = decodeAttestationBlock(bytes)
      if (block === null) throw bundleError('damaged', place, 'is no block of attestations')
      if (block.epoch !== listed.epoch) {
        throw bundleError('foreign', place, `holds epoch ${block.epoch} where ${listed.epoch} belongs`)
      }
      if (block.rows.length !== rowsInBlock(listed.count, number)) {
        throw bundleError('damaged', place, `holds ${block.rows.length} attestations`)
      }
      return block.rows.map((signed) => {
        const attestation = decodeAttestation(signed.payload)
        if (attestation === null || !isOfEpoch(attestation)) {
          throw bundleError('foreign', place, `holds what is no attestation of epoch ${listed.epoch}`)
        }
        if (attestation.seat <= lastSeat) {
          throw bundleError('damaged', place, `seat ${attestation.seat} is out of order`)
        }
        lastSeat = attestation.seat
        const digest = sha256(signed.payload)
        root.add(attestation.seat, digest)
        return { attestation, cid: cidOfDigest(digest), signed }
      })
    },
    end() {
      if (root.count !== listed.count || !equalBytes(root.root(), listed.root)) {
        throw bundleError(
          'damaged',
          lastPlace,
          `epoch ${listed.epoch} does not have the root of the checkpoint`,
        )
      }
    },
  }
}

export interface VerifyBundleOptions extends ReadBundleOptions {
  onProgress?: (progress: BundleProgress) => void
}

/**
 * R-CP-8: reads a bundle in bounded memory and checks everything that needs no chain: every block, every root, every
 * order. What needs one (keys, signatures, proofs, the frame) is `verifyWeek`'s part. Errors: as of `readBundle`.
 */
export const verifyBundle = (
  stream: AsyncIterable<Uint8Array>,
  options: VerifyBundleOptions,
): Promise<BundleSummary> => walk(stream, options, {})

/** Takes what a bundle holds, block after block; each call is awaited. Rows come before their epoch's root is known. */
export interface BundleSink {
  checkpoint?(cid: CID, bytes: Uint8Array): Promise<void>
  page?(week: Week, cid: CID, bytes: Uint8Array): Promise<void>
  /** `rows` may be views of a block that is dropped afterwards. */
  attestations?(week: Week, listed: ListedEpoch, rows: readonly SignedAttestation[]): Promise<void>
  evidence?(listed: ListedEpoch, cid: CID, bytes: Uint8Array): Promise<void>
}

/**
 * Brings a bundle into a store. `open` is called twice: the whole file is verified before the sink sees any of it, and
 * again while it does. A sink admits an attestation with its own valid signature only (R-ATT-4), which is its to check.
 */
export const importBundle = async (
  open: () => AsyncIterable<Uint8Array>,
  sink: BundleSink,
  options: VerifyBundleOptions,
): Promise<BundleSummary> => {
  const { checkpoint } = await walk(open(), { ...options, onProgress: undefined }, {})
  return await walk(open(), { ...options, anchored: checkpoint }, sink)
}

const walk = async (
  stream: AsyncIterable<Uint8Array>,
  options: ReadBundleOptions & { onProgress?: VerifyBundleOptions['onProgress'] | undefined },
  sink: BundleSink,
): Promise<BundleSummary> => {
  let checkpoint: Checkpoint | undefined
  let check: EpochCheck | undefined
  const summary = createSummary(options.onProgress)
  for await (const part of readBundle(stream, options)) {
    switch (part.is) {
      case 'checkpoint':
        checkpoint = part.checkpoint
        await sink.checkpoint?.(part.cid, part.bytes)
        break
      case 'page':
        await sink.page?.(part.week, part.cid, part.bytes)
        break
      case 'attestations': {
        const { listed, week, number } = part
        if (number === 0) check = checkEpoch(options.sha256, checkpoint!, listed)
        const rows = check!.add(part)
        if ((number + 1) * rowsPerBlock >= listed.count) check!.end()
        await sink.attestations?.(week, listed, rows)
        break
      }
      case 'evidence':
        await sink.evidence?.(part.listed, part.cid, part.bytes)
    }
    summary.add(part)
  }
  return summary.result()
}
