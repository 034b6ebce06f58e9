import { encode } from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import {
  type Attestation,
  attestationMessage,
  authenticAttestations,
  beaconOf,
  bytesOf,
  bytesUpTo,
  type ChainName,
  checkCertificate,
  type Checkpoint,
  cidOf,
  createStream,
  createTallyOfJudged,
  decodeAttestation,
  decodeCanonical,
  decodeCheckpoint,
  type DigestedTally,
  type Epoch,
  EpochNumber,
  epochRoot,
  epochStart,
  equalBytes,
  type Genesis,
  hash,
  type Height,
  indexOfSeat,
  type JudgedEpoch,
  judgeEpoch,
  lastView,
  type ListedEpoch,
  type ListedWeek,
  maxAttestationBytes,
  networkIdOf,
  nobleBls,
  paramsHash,
  paramsOfWeek,
  type ParamsSchedule,
  parseAnchor,
  readProofPages,
  type Seat,
  type Senior,
  seniorLeaf,
  shuffledIndexes,
  type Snapshot,
  type SnapshotLeaf,
  snapshotRootOf,
  verifyEd25519,
  verifyMerklePath,
  viewOpening,
  type Week,
} from '../../protocol/index.ts'

/*
 * A verifier without a chain node, a registry or a store (R-CP-1, "Why so much is committed to"). From a checkpoint that
 * it trusts it goes from anchored checkpoint to anchored checkpoint, and computes the tally of every week they list. It
 * believes hashes of headers: of blocks F, of the first blocks of epochs and of those with anchors. Nothing else that it
 * is given is believed.
 */

/** What it knows by itself. */
export interface LightNetwork {
  genesis: Genesis
  schedule: ParamsSchedule
  /** CID of a checkpoint that an anchor names: where it begins. */
  trusted: CID
}

/** What it is given of an anchored checkpoint. */
export interface LightCheckpoint {
  payload: Uint8Array
  /** Where its anchor stands, and the memo of that transaction. */
  anchor: { height: Height; memo: string }
  /** The certifiers of its view by position, each with its branch to the list root of the checkpoint before. */
  certifiers: readonly (Senior & { path: readonly Uint8Array[] })[]
  /** Of every epoch, its snapshot. */
  snapshots: ReadonlyMap<Epoch, readonly SnapshotLeaf[]>
  /** R-CP-8. */
  bundle: Uint8Array
}

/** Hashes of headers by height, internal order. */
export type Headers = ReadonlyMap<Height, Uint8Array>

/** What was given does not hold, or is not enough. */
export class LightError extends Error {
  code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

const demand: (holds: boolean, code: string) => asserts holds = (holds, code) => {
  if (!holds) throw new LightError(code)
}

/** A checkpoint that was read, and where its anchor is said to stand. */
interface Link {
  cid: CID
  checkpoint: Checkpoint
  lastEpoch: Epoch
  anchor: { height: Height; hash: Uint8Array }
}

export interface LightTallies {
  tallies: ReadonlyMap<Week, DigestedTally>
  /** Weeks of the newest checkpoint: that its anchor was the first, and stands there, the next checkpoint will say. */
  provisional: ReadonlySet<Week>
}

/**
 * The tallies of all weeks that the checkpoints after the trusted one list. `checkpoints` begin with the trusted one, in
 * the order of the chain. Errors: LightError.
 */
export const verifyLight = (
  network: LightNetwork,
  headers: Headers,
  checkpoints: readonly LightCheckpoint[],
): LightTallies => {
  const [first, ...others] = checkpoints
  demand(first !== undefined && cidOf(first.payload).equals(network.trusted), 'not-trusted')
  let before = readLink(network, headers, first)
  const tallies = new Map<Week, DigestedTally>()
  let provisional = new Set<Week>()
  for (const given of others) {
    const link = readLink(network, headers, given)
    checkOrder(before, link)
    checkCertified(network, before, link, given)
    for (const [week, tally] of tallyWeeks(network, headers, link, given)) tallies.set(week, tally)
    provisional = new Set(link.checkpoint.weeks.map(({ week }) => week))
    before = link
  }
  return { tallies, provisional }
}

const tallyWeeks = (
  network: LightNetwork,
  headers: Headers,
  link: Link,
  given: LightCheckpoint,
): [Week, DigestedTally][] => {
  const { cid, checkpoint, anchor } = link
  const chain = network.genesis.chain as ChainName
  const common = {
    networkId: checkpoint.networkId,
    chain,
    state: 'anchored',
    checkpoint: cid,
    anchor,
  } as const
  const bundle = readBundle(given.bundle, link)
  return checkpoint.weeks.map((listed) => {
    const week = readWeek(network, headers, listed, given, bundle.get(listed.week)!)
    return [listed.week, createTallyOfJudged({ ...common, ...week })]
  })
}

const hashAt = (headers: Headers, height: Height): Uint8Array => {
  const found = headers.get(height)
  demand(found !== undefined, 'header-missing')
  return found
}

const readLink = (
  { genesis }: LightNetwork,
  headers: Headers,
  { payload, anchor: { height } }: LightCheckpoint,
): Link => {
  const decoded = decodeCheckpoint(payload)
  demand(decoded.is === 'ok', 'checkpoint-form')
  const checkpoint = decoded.value
  demand(checkpoint.networkId === networkIdOf(genesis), 'checkpoint-network')
  const lastEpoch = checkpoint.weeks.at(-1)!.epochs.at(-1)!.epoch
  const freezeHash = hashAt(headers, epochStart(genesis, lastEpoch + 2))
  demand(equalBytes(checkpoint.freezeHash, freezeHash), 'checkpoint-freeze')
  return { cid: cidOf(payload), checkpoint, lastEpoch, anchor: { height, hash: hashAt(headers, height) } }
}

/** R-CP-1, R-CP-2: one follows on the other, no epoch is left out, and the list is still the one that was handed on. */
const checkOrder = (before: Link, { checkpoint }: Link): void => {
  const { previous } = checkpoint
  const isNamed =
    previous !== null &&
    previous.checkpoint.equals(before.cid) &&
    previous.height === before.anchor.height &&
    equalBytes(previous.blockHash, before.anchor.hash)
  demand(isNamed, 'checkpoint-previous')
  let next = before.lastEpoch + 1
  let week: Week = before.checkpoint.week
  for (const listed of checkpoint.weeks) {
    demand(listed.week > week, 'checkpoint-weeks')
    week = listed.week
    for (const { epoch } of listed.epochs) demand(epoch === next++, 'checkpoint-epochs')
  }
  demand(week === checkpoint.week, 'checkpoint-weeks')
  // After two pending weeks the week's own seniors certify it, and nothing that was committed to says who they are.
  demand(checkpoint.weeks.length <= 2, 'way-out')
}

/** R-CP-2 to R-CP-5: two thirds of the certifiers, drawn from the list that was handed on, signed it, and in time. */
const checkCertified = (
  { genesis, schedule }: LightNetwork,
  before: Link,
  { cid, checkpoint, lastEpoch }: Link,
  { anchor, certifiers }: LightCheckpoint,
): void => {
  const { networkId, week, freezeHash } = checkpoint
  const params = paramsOfWeek(schedule, week)
  const parsed = parseAnchor(anchor.memo)
  demand(parsed.is === 'accept', 'anchor-form')
  const certificate = parsed.value
  const { view } = certificate
  demand(certificate.week === week && certificate.checkpoint.equals(cid), 'anchor-of-another')
  const freeze = epochStart(genesis, lastEpoch + 2)
  const isInWindow =
    view <= lastView(params) &&
    anchor.height >= viewOpening(genesis, params, freeze, view) &&
    anchor.height <= freeze + params.anchorBlocks
  demand(isInWindow, 'anchor-window')

  const { count, root } = before.checkpoint.handsOn
  const seed = hash('certifiers', beaconOf(networkId, lastEpoch + 2, freezeHash), view)
  const drawn = shuffledIndexes(createStream(seed), count).subarray(0, params.certifiers)
  demand(count >= genesis.minSeniors && certifiers.length === drawn.length, 'certifiers-count')
  for (const [position, { path, ...senior }] of certifiers.entries()) {
    const stands = verifyMerklePath(root, seniorLeaf(senior), drawn[position]!, count, path)
    demand(stands, 'certifiers-branch')
  }
  const checked = checkCertificate(networkId, certificate, certifiers, freezeHash, nobleBls)
  demand(checked.is === 'accept', 'certificate')
}

/** What a bundle has of one week. */
interface WeekBlocks {
  pages: readonly Uint8Array[]
  rows: ReadonlyMap<Epoch, readonly (readonly [payload: Uint8Array, signature: Uint8Array])[]>
}

const AttestationBlock = z.tuple([
  z.literal('attestations'),
  z.literal(1),
  EpochNumber,
  z
    .array(z.tuple([bytesUpTo(maxAttestationBytes), bytesOf(64)]))
    .min(1)
    .max(512),
])
const maxBlockBytes = 1_000_000

/** R-CP-8: the blocks in their order, each with the CID of its bytes. */
const readBundle = (bytes: Uint8Array, { cid, checkpoint }: Link): Map<Week, WeekBlocks> => {
  const blocks = readCar(bytes, cid)
  const next = (): { cid: CID; bytes: Uint8Array } => {
    const { value } = blocks.next()
    demand(value !== undefined, 'bundle-cut')
    return value
  }
  demand(next().cid.equals(cid), 'bundle-order')
  const pages = new Map<Week, Uint8Array[]>()
  for (const { week, proofPages } of checkpoint.weeks) {
    const pagesOfWeek = proofPages.map((page) => {
      const block = next()
      demand(block.cid.equals(page), 'bundle-order')
      return block.bytes
    })
    pages.set(week, pagesOfWeek)
  }
  const weeks = new Map<Week, WeekBlocks>()
  for (const { week, epochs } of checkpoint.weeks.toReversed()) {
    const rows = new Map<Epoch, [Uint8Array, Uint8Array][]>()
    for (const { epoch, count } of epochs.toReversed()) {
      const rowsOfEpoch: [Uint8Array, Uint8Array][] = []
      while (rowsOfEpoch.length < count) {
        const decoded = decodeCanonical(AttestationBlock, next().bytes, maxBlockBytes)
        demand(decoded.is === 'ok' && decoded.value[2] === epoch, 'bundle-order')
        rowsOfEpoch.push(...decoded.value[3])
      }
      rows.set(epoch, rowsOfEpoch)
    }
    weeks.set(week, { pages: pages.get(week)!, rows })
  }
  demand(blocks.next().done === true, 'bundle-order')
  return weeks
}

/** CAR version 1, written as R-CP-8 has it. */
export function* readCar(
  bytes: Uint8Array,
  root: CID,
): Generator<{ cid: CID; bytes: Uint8Array }, undefined, undefined> {
  let at = 0
  const take = (): Uint8Array => {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      demand(byte !== undefined && shift < 28, 'bundle-cut')
      length += (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    demand(at + length <= bytes.length, 'bundle-cut')
    return bytes.subarray(at, (at += length))
  }
  demand(equalBytes(take(), encode({ roots: [root], version: 1 })), 'bundle-of-another')
  while (at < bytes.length) {
    const part = take()
    demand(part.length > 36, 'bundle-cut')
    const block = part.subarray(36)
    const cid = cidOf(block)
    demand(equalBytes(cid.bytes, part.subarray(0, 36)), 'bundle-cid')
    yield { cid, bytes: block }
  }
}

/** An attestation that stands under a root. */
interface Row {
  epoch: Epoch
  attestation: Attestation
  cid: CID
  payload: Uint8Array
  signature: Uint8Array
  publicKey: Uint8Array
}

/** R-CP-1, R-ATT-3, R-ATT-4: what the tally of a listed week reads, all of it verified. */
const readWeek = (
  network: LightNetwork,
  headers: Headers,
  listed: ListedWeek,
  { snapshots }: LightCheckpoint,
  { pages, rows }: WeekBlocks,
) => {
  const networkId = networkIdOf(network.genesis)
  const params = paramsOfWeek(network.schedule, listed.week)
  demand(equalBytes(paramsHash(params), listed.paramsHash), 'params')
  const snapshotByEpoch = new Map(
    listed.epochs.map((one) => [one.epoch, readSnapshot(network, headers, one, snapshots.get(one.epoch))]),
  )
  const rowOf = (epoch: Epoch, seat: Seat): SnapshotLeaf | undefined => {
    const snapshot = snapshotByEpoch.get(epoch)
    return snapshot?.[indexOfSeat(snapshot, seat)]
  }
  const beacons = new Map(listed.epochs.map(({ epoch, beacon }) => [epoch, beacon]))
  const keyOf = ({ epoch, beacon, seat }: Attestation): Uint8Array | undefined =>
    beacons.has(epoch) && equalBytes(beacons.get(epoch)!, beacon) ? rowOf(epoch, seat)?.peer : undefined
  const proofs = readProofPages(networkId, listed.week, pages, keyOf, verifyEd25519)
  demand(proofs.is === 'accept', 'proofs')
  const equivocators = new Set(proofs.value.keys())

  const read = listed.epochs.flatMap(({ epoch, beacon, count, root }) => {
    const rowsOfEpoch = rows.get(epoch)!.map(([payload, signature]): Row => {
      const attestation = decodeAttestation(payload)
      demand(attestation !== null && attestation.networkId === networkId, 'attestation-form')
      demand(attestation.epoch === epoch && equalBytes(attestation.beacon, beacon), 'attestation-epoch')
      const row = rowOf(epoch, attestation.seat)
      demand(row !== undefined && equalBytes(row.stake, attestation.stake), 'attestation-seat')
      demand(!equivocators.has(attestation.seat), 'attestation-equivocator')
      return { epoch, attestation, cid: cidOf(payload), payload, signature, publicKey: row.peer }
    })
    const leaves = rowsOfEpoch.map(({ attestation, cid }) => ({ seat: attestation.seat, cid }))
    demand(
      leaves.every(({ seat }, i) => i === 0 || leaves[i - 1]!.seat < seat),
      'attestation-order',
    )
    demand(leaves.length === count && equalBytes(epochRoot(leaves), root), 'attestation-root')
    return rowsOfEpoch
  })
  checkAuthentic(read)

  const epochs = listed.epochs.map(({ epoch, beacon }): JudgedEpoch => {
    const snapshot = snapshotByEpoch.get(epoch)!
    const bySeat = new Map(
      read.filter((row) => row.epoch === epoch).map(({ attestation }) => [attestation.seat, attestation]),
    )
    const attestations = snapshot.map(({ seat }) => bySeat.get(seat))
    // Neither the tally nor its document reads more of a row than the snapshot root commits to.
    const { outcomes, attested } = judgeEpoch({ beacon, attestations }, params)
    return { epoch, beacon, snapshot: snapshot as Snapshot, outcomes, attested }
  })
  return { week: listed.week, params, equivocators, fund: listed.income, epochs }
}

const readSnapshot = (
  { genesis }: LightNetwork,
  headers: Headers,
  { epoch, beacon, seats, snapshotRoot }: ListedEpoch,
  snapshot: readonly SnapshotLeaf[] | undefined,
): readonly SnapshotLeaf[] => {
  const hashOfFirst = hashAt(headers, epochStart(genesis, epoch))
  demand(equalBytes(beaconOf(networkIdOf(genesis), epoch, hashOfFirst), beacon), 'beacon')
  demand(snapshot?.length === seats && equalBytes(snapshotRootOf(snapshot), snapshotRoot), 'snapshot')
  return snapshot
}

/** R-ATT-4: seat by seat, by signatures and by the links of later attestations. */
const checkAuthentic = (rows: readonly Row[]): void => {
  for (const [, ofSeat] of Map.groupBy(rows, ({ attestation }) => attestation.seat)) {
    const linked = ofSeat.map(({ cid, attestation: { previous }, publicKey }) => ({
      cid,
      previous,
      publicKey,
    }))
    const authentic = authenticAttestations(linked, (index) => {
      const { publicKey, payload, signature, attestation } = ofSeat[index]!
      return verifyEd25519(publicKey, attestationMessage(attestation.networkId, payload), signature)
    })
    demand(authentic.every(Boolean), 'not-authentic')
  }
}
