import type { CID } from 'multiformats/cid'
import {
  checkFrame,
  type Checkpoint,
  type CheckpointFrame,
  type Epoch,
  equalBytes,
  indexOfSeat,
  type JudgedEpoch,
  type ListedEpoch,
  type Params,
  type Seat,
  type Snapshot,
  type Week,
} from '../../protocol/index.ts'
import { unlessAborted } from '../async/abort.ts'
import { createSequence } from '../async/serial.ts'
import { SecnodeError } from '../errors.ts'
import { rowsInBlock } from './attestation-block.ts'
import type { BundleProgress } from './bundle.ts'
import { bundleError } from './bundle-error.ts'
import { bundleOrder, type BundlePart } from './read-bundle.ts'
import { breaksRules, type EpochReading, type JobBlock, packSnapshot } from './week-job.ts'
import type { EpochThread } from './epoch-thread.ts'
import { checkProofPages, type SeatKeys } from './listed-proofs.ts'
import type { WeekCrypto } from './ports.ts'

/** What the chain says of an anchored checkpoint; the follower's store has all of it. */
export interface WeekChain {
  /** The checkpoint that the anchor names (R-CP-5). */
  anchored: CID
  frame: CheckpointFrame
  snapshotOf(epoch: Epoch): Promise<Snapshot>
  paramsOf(week: Week): Params
}

/** What hashes, verifies and computes. */
export interface VerifyEngine extends WeekCrypto {
  /** At least one thread that reads and verifies; they are closed at the end. */
  openThreads(): readonly EpochThread[]
}

/** Ways to end a verification early, and to hear how far it is. */
export interface VerifyOptions {
  signal?: AbortSignal
  onProgress?: (progress: BundleProgress) => void
}

/** An anchored set that was verified in full, judged epoch by epoch: what `createTallyOfJudged` takes. */
export interface VerifiedWeek {
  checkpoint: Checkpoint
  cid: CID
  /** Each week that the checkpoint lists. */
  weeks: ReadonlyMap<Week, { equivocators: ReadonlySet<Seat>; epochs: readonly JudgedEpoch[] }>
  attestations: number
  /** Signatures that had to be verified: links spare the others (R-ATT-4). */
  signatures: number
}

/**
 * Verifies all data of an anchored checkpoint (R-CP-1, R-ATT-4) and judges its epochs: blocks, rows, roots, seats,
 * proofs and authenticity. `parts` are those of a bundle (`readBundle`) or of a store (`bundleParts`), in the order of
 * R-CP-8. Memory is bounded by a few epochs and 64 bytes an attestation. Errors: those of `parts`; WEEK_BREAKS_RULES;
 * WEEK_NOT_AUTHENTIC (exit code 3).
 */
export const verifyWeek = async (
  parts: AsyncIterable<BundlePart>,
  chain: WeekChain,
  engine: VerifyEngine,
  options: VerifyOptions = {},
): Promise<VerifiedWeek> => {
  const pool = engine.openThreads()
  const input = parts[Symbol.asyncIterator]()
  try {
    options.signal?.throwIfAborted()
    return await unlessAborted(verify(input, chain, engine, pool, options), options.signal)
  } finally {
    await Promise.all(pool.map((thread) => thread.close()))
    const closed = input.return?.()
    // A stream that hangs must not hold up whoever gave it up.
    if (options.signal?.aborted === true) closed?.catch(() => undefined)
    else await closed
  }
}

/** Epochs that are read before a thread is free for them. */
const epochsAhead = 1

const verify = async (
  input: AsyncIterator<BundlePart>,
  chain: WeekChain,
  engine: WeekCrypto,
  pool: readonly EpochThread[],
  { onProgress, signal }: VerifyOptions,
): Promise<VerifiedWeek> => {
  const head = await readHead(input, chain, engine)
  const { checkpoint } = head
  const order = bundleOrder(checkpoint)
  const total = order.reduce((sum, { listed }) => sum + listed.count, 0)
  const links = createLinks()
  const judged = new Map<Epoch, JudgedEpoch>()
  let attestations = 0
  let signatures = 0

  /** Links are followed in the order of the bundle. */
  const linking = createSequence()
  const running = new Set<Promise<void>>()
  let failed: { reason: unknown } | null = null
  const stopIfFailed = (): void => {
    signal?.throwIfAborted()
    if (failed !== null) throw failed.reason
  }
  let part = await nextAttestations(input)
  for (const [id, { week, listed }] of order.entries()) {
    const blocks: JobBlock[] = []
    for (let number = 0, rows = 0; rows < listed.count; rows += rowsInBlock(listed.count, number++)) {
      if (part?.listed.epoch !== listed.epoch || part.number !== number) {
        throw bundleError('cut', part?.place ?? null, `block ${number} of epoch ${listed.epoch} is missing`)
      }
      // A copy of its own, which a thread can be given.
      blocks.push({ place: part.place, digest: part.cid.multihash.digest, bytes: part.bytes.slice() })
      part = await nextAttestations(input)
    }
    const snapshot = await chain.snapshotOf(listed.epoch)
    while (running.size >= pool.length + epochsAhead) await Promise.race(running)
    stopIfFailed()
    const thread = pool.reduce((least, other) => (other.waiting < least.waiting ? other : least))
    const { equivocators } = head.weeks.get(week)!
    const params = chain.paramsOf(week)
    const reading = thread.read(id, {
      networkId: checkpoint.networkId,
      week,
      listed,
      params: { committee: params.committee, maxPerPrefix: params.maxPerPrefix, ruleset: params.ruleset },
      snapshot: packSnapshot(snapshot),
      equivocators: Uint32Array.from(equivocators),
      blocks,
    })
    const toCheck = linking.run(async () => {
      const read = await reading
      judged.set(listed.epoch, judgedEpochOf(listed, snapshot, read))
      return links.follow(listed.epoch, snapshot, read)
    })
    reading.catch(() => undefined) // heard through toCheck, maybe later
    const work = toCheck
      .then(async (rows) => {
        signatures += rows.length
        links.unsigned(listed.epoch, await thread.check(id, rows))
        attestations += listed.count
        onProgress?.({ attestations, total })
      })
      .catch((reason: unknown) => {
        failed ??= { reason }
      })
      .finally(() => running.delete(work))
    running.add(work)
  }
  await Promise.all(running)
  stopIfFailed()
  links.settle()
  return {
    checkpoint,
    cid: head.cid,
    weeks: new Map(
      [...head.weeks].map(([week, { equivocators, epochs }]) => [
        week,
        { equivocators, epochs: epochs.map((epoch) => judged.get(epoch)!) },
      ]),
    ),
    attestations,
    signatures,
  }
}

/** The checkpoint, against the chain, and its pages of proofs. */
const readHead = async (
  input: AsyncIterator<BundlePart>,
  chain: WeekChain,
  { verify }: Pick<WeekCrypto, 'verify'>,
) => {
  const first = await input.next()
  if (first.done === true || first.value.is !== 'checkpoint')
    throw bundleError('cut', null, 'there is no checkpoint')
  const { cid, checkpoint, place } = first.value
  const name = cid.toString()
  if (!chain.anchored.equals(cid)) {
    throw bundleError('foreign', place, `checkpoint ${name} is not the anchored one`)
  }
  const framed = checkFrame(chain.frame, checkpoint)
  if (framed.is !== 'accept')
    throw breaksRules(null, `checkpoint ${name} is not what the chain says (${framed.code})`)
  const weeks = new Map<Week, { equivocators: Set<Seat>; epochs: Epoch[] }>()
  for (const { week, epochs, proofPages } of checkpoint.weeks) {
    const pages: Uint8Array[] = []
    for (const page of proofPages) {
      const part = await input.next()
      if (part.done === true || part.value.is !== 'page' || part.value.cid.toString() !== page.toString()) {
        throw bundleError('cut', null, `page ${page.toString()} of the proofs of ${week} is missing`)
      }
      pages.push(part.value.bytes)
    }
    const parts = { networkId: checkpoint.networkId, epochs: seatKeysOf(epochs, chain), verify }
    const listed = await checkProofPages(parts, week, pages)
    if (listed.is !== 'accept') throw breaksRules(null, `the proofs of ${week} do not hold (${listed.code})`)
    weeks.set(week, {
      equivocators: new Set(listed.value.keys()),
      epochs: epochs.map(({ epoch }) => epoch),
    })
  }
  return { checkpoint, cid, weeks }
}

/** The keys of a listed week's snapshots, under its own beacons. */
const seatKeysOf = (epochs: readonly ListedEpoch[], chain: WeekChain): SeatKeys => ({
  epochsOfWeek: () => Promise.resolve({ first: epochs[0]!.epoch, last: epochs.at(-1)!.epoch }),
  async get(epoch) {
    const { beacon } = epochs.find((listed) => listed.epoch === epoch)!
    const snapshot = await chain.snapshotOf(epoch)
    return { beacon, rowOf: (seat) => snapshot[indexOfSeat(snapshot, seat)] }
  },
})

/** The next block of attestations; evidence is passed over. */
const nextAttestations = async (input: AsyncIterator<BundlePart>) => {
  for (;;) {
    const next = await input.next()
    if (next.done === true) return null
    if (next.value.is === 'attestations') return next.value
  }
}

const judgedEpochOf = (
  { epoch, beacon }: ListedEpoch,
  snapshot: Snapshot,
  { outcomes, attested }: EpochReading,
): JudgedEpoch => ({
  epoch,
  beacon,
  snapshot,
  outcomes,
  attested,
})

/** A payload that some attestation names as its previous one, and the key that the namer's seat had. */
interface Link {
  digest: Uint8Array
  peer: Uint8Array
}

/**
 * R-ATT-4 over a whole set. Every attestation needs its own signature unless another one of the same seat and key
 * names it: who names it is authentic by the same argument, and since a hash cannot be in what it is of, every such
 * chain ends at one whose signature was verified.
 */
const createLinks = () => {
  const linksBySeat = new Map<Seat, Link[]>()
  const unsigned: { epoch: Epoch; seat: Seat; digest: Uint8Array; peer: Uint8Array }[] = []
  const rowsByEpoch = new Map<Epoch, { snapshot: Snapshot; reading: EpochReading }>()

  const isNamed = (link: Link, digest: Uint8Array, peer: Uint8Array): boolean =>
    equalBytes(link.digest, digest) && (link.peer === peer || equalBytes(link.peer, peer))

  return {
    /** Takes the next epoch, and gives the rows that nobody has named so far. */
    follow(epoch: Epoch, snapshot: Snapshot, reading: EpochReading): Uint32Array {
      rowsByEpoch.set(epoch, { snapshot, reading })
      const rows: number[] = []
      for (const [row, index] of reading.indexes.entries()) {
        const { seat, peer } = snapshot[index]!
        const digest = reading.digests.subarray(32 * row, 32 * row + 32)
        const links = linksBySeat.get(seat)
        const found = links === undefined ? -1 : links.findIndex((link) => isNamed(link, digest, peer))
        // One payload stands in one epoch only, so a link that was followed has done its work.
        if (found === -1) rows.push(row)
        else links!.splice(found, 1)
        const previous = reading.previous.subarray(32 * row, 32 * row + 32)
        if (previous.every((byte) => byte === 0)) continue
        if (links === undefined) linksBySeat.set(seat, [{ digest: previous, peer }])
        else links.push({ digest: previous, peer })
      }
      return Uint32Array.from(rows)
    },
    /** The rows of an epoch, of those that `follow` gave, whose signature does not verify. */
    unsigned(epoch: Epoch, rows: Uint32Array): void {
      const { snapshot, reading } = rowsByEpoch.get(epoch)!
      rowsByEpoch.delete(epoch)
      for (const row of rows) {
        const { seat, peer } = snapshot[reading.indexes[row]!]!
        unsigned.push({ epoch, seat, digest: reading.digests.slice(32 * row, 32 * row + 32), peer })
      }
    },
    /** When all epochs were followed. An earlier one may have named what a later one did not. */
    settle(): void {
      const missing = unsigned.filter(
        ({ seat, digest, peer }) =>
          !(linksBySeat.get(seat) ?? []).some((link) => isNamed(link, digest, peer)),
      )
      const [first] = missing
      if (first === undefined) return
      throw new SecnodeError(
        'WEEK_NOT_AUTHENTIC',
        `the attestation of seat ${first.seat} in epoch ${first.epoch} is not shown to be authentic` +
          (missing.length > 1 ? `, nor are ${missing.length - 1} others` : ''),
        {
          exitCode: 3,
          hint: 'Its signature is missing or damaged: ask another node for the bundle. The week has no digest without it.',
        },
      )
    },
  }
}
