import { base64 } from '@scure/base'
import type { CID } from 'multiformats/cid'
import {
  attestationMessage,
  bytesToHex,
  cidOf,
  decodeAttestation,
  decodeEvidence,
  type Epoch,
  epochOfHeight,
  epochStart,
  equalBytes,
  type Height,
  indexOfSeat,
  reversedHex,
  type Seat,
  targetsOf,
  Verdict,
} from '../../../../protocol/index.ts'
import { addressOfBytes } from '../../../net/resolve.ts'
import type { HeaderRow } from '../../../store/chain-index.ts'
import { describeEntry } from '../../../week/explain/evidence-words.ts'
import type { Announcement, AttestationDetail, AttestationRow, BlockRow, EvidenceDetail } from './schemas.ts'
import {
  isoTime,
  NotFound,
  type Page,
  pageOf,
  pageOfCount,
  type PageQuery,
  type ViewParts,
} from '../../view/parts.ts'
import { countWords, silent, wordOfVerdict } from '../../../week/seat-words.ts'
import { judgedEpoch } from '../history/view.ts'

/** Announcements in force, newest first (R-REG-3). */
export const listAnnouncements = async (parts: ViewParts, query: PageQuery): Promise<Page<Announcement>> => {
  const registered = await parts.register.read()
  return pageOf(registered.byAnnouncement(), query, (seat) => ({
    seat: seat.seat,
    host: seat.host,
    stake: registered.addressOf(seat),
    peer: registered.peerIdOf(seat),
    p2p: seat.p2p,
    tls: seat.tls,
    height: seat.announced.height,
    index: seat.announced.index,
    at: seat.at,
  }))
}

/** Confirmed blocks that were followed, newest first. */
export const listBlocks = async (parts: ViewParts, query: PageQuery): Promise<Page<BlockRow>> => {
  const { follower } = parts.node
  const { items, ...page } = pageOfCount(
    follower.confirmedHeight + 1,
    query,
    (i) => follower.confirmedHeight - i,
  )
  const rows: BlockRow[] = []
  for (const height of items) {
    const header = await follower.headerAt(height)
    if (header !== undefined) rows.push(await blockRow(parts, header))
  }
  return { items: rows, ...page }
}

export const blockAt = async (parts: ViewParts, height: Height): Promise<BlockRow> => {
  const header = await parts.node.follower.headerAt(height)
  if (header === undefined) {
    throw new NotFound(
      `block ${height} was not followed`,
      `The last confirmed block is ${parts.node.follower.confirmedHeight}.`,
    )
  }
  return await blockRow(parts, header)
}

const blockRow = async (parts: ViewParts, header: HeaderRow): Promise<BlockRow> => {
  const { genesis } = parts.node.network.profile
  const { height } = header
  const epoch = epochOfHeight(genesis, height)
  const registered = await parts.register.read()
  return {
    height,
    hash: reversedHex(header.hash),
    time: isoTime(header.time),
    medianTimePast: header.medianTimePast === null ? null : isoTime(header.medianTimePast),
    transactions: header.transactionCount,
    epoch,
    isEpochStart: epoch !== null && epochStart(genesis, epoch) === height,
    announcements: [...registered.announcedAt(height)],
    anchors: parts.node.follower
      .weeks()
      .records.filter(({ anchor }) => anchor?.height === height)
      .map(({ week }) => week),
  }
}

/** The attestations that count in an epoch. */
export const listAttestations = async (
  parts: ViewParts,
  epoch: Epoch | undefined,
  query: PageQuery,
  signal: AbortSignal,
): Promise<{ epoch: Epoch; page: Page<AttestationRow> }> => {
  const judged = await judgedEpoch(parts, epoch, signal)
  const { committees, snapshot } = judged.context
  const { k, ring, positions, size } = committees
  /** What the seat at `index` says of its i-th target is that target's i-th word from the other side. */
  const wordsOf = (index: number): number[] =>
    Array.from({ length: k }, (_, i) => {
      const target = ring[(positions[index]! + 1 + i) % size]!
      return judged.said[target * k + i]!
    })
  const attested = snapshot.flatMap((_, index) => (k > 0 && wordsOf(index)[0] !== silent ? [index] : []))
  return {
    epoch: judged.epoch,
    page: pageOf(attested, query, (index) => ({
      epoch: judged.epoch,
      seat: snapshot[index]!.seat,
      host: snapshot[index]!.host,
      said: countWords(wordsOf(index).map((verdict) => ({ verdict }))),
    })),
  }
}

export const attestationDetail = async (
  parts: ViewParts,
  epoch: Epoch,
  seat: Seat,
): Promise<AttestationDetail> => {
  const { daemon, network } = parts.node
  const context = await daemon.epochs.get(epoch)
  const [held] = context === undefined ? [] : await daemon.collector.heldOf(context, [seat])
  const attestation = held === undefined ? null : decodeAttestation(held.signed.payload)
  if (context === undefined || held === undefined || attestation === null) {
    throw new NotFound(
      `this node holds no attestation of seat ${seat} in epoch ${epoch}`,
      'It may not have attested, or the epoch is not over yet.',
    )
  }
  const { verifier } = daemon.node
  const message = attestationMessage(network.networkId, held.signed.payload)
  const signatureHolds = await verifier.verifyAsync(context.rowOf(seat)!.peer, message, held.signed.signature)
  const anchored = daemon.finality.anchored.get(context.week)
  const leaves =
    anchored === undefined ? undefined : await daemon.checkpoints.contents(anchored.anchor.checkpoint, epoch)
  let valid = 0
  return {
    cid: held.cid.toString(),
    payload: base64.encode(held.signed.payload),
    signature: base64.encode(held.signed.signature),
    epoch,
    week: context.week,
    beacon: bytesToHex(attestation.beacon),
    seat,
    host: context.rowOf(seat)!.host,
    previous: attestation.previous?.toString() ?? null,
    evidence: attestation.evidence.toString(),
    heldAt: held.heldAt,
    signatureHolds,
    isAnchored: leaves?.some((leaf) => leaf.seat === seat && leaf.cid.equals(held.cid)) ?? null,
    verdicts: targetsOf(context.committees, indexOfSeat(context.snapshot, seat)).map((target, i) => {
      const verdict = attestation.verdicts[i]!
      const bytes = verdict === Verdict.valid ? attestation.addresses[valid++] : undefined
      const row = context.snapshot[target]!
      return {
        seat: row.seat,
        host: row.host,
        verdict,
        said: wordOfVerdict(verdict),
        address: bytes === undefined ? null : (addressOfBytes(bytes)?.ip ?? null),
      }
    }),
  }
}

/** A block of evidence that this node has (R-EVID-1). */
export const evidenceDetail = async (parts: ViewParts, cid: CID): Promise<EvidenceDetail> => {
  const { daemon } = parts.node
  const block = await daemon.node.evidence.get(cid)
  const evidence = block === undefined ? null : decodeEvidence(block)
  if (block === undefined || evidence === null || !cidOf(block).equals(cid)) {
    throw new NotFound(
      'this node does not have that block of evidence',
      'The page of a verdict asks the challenger for the block behind it.',
    )
  }
  const context = await daemon.epochs.get(evidence.epoch)
  const index =
    context !== undefined && equalBytes(context.beacon, evidence.beacon)
      ? indexOfSeat(context.snapshot, evidence.seat)
      : -1
  const targets = index === -1 ? [] : targetsOf(context!.committees, index)
  return {
    cid: cid.toString(),
    block: base64.encode(block),
    bytes: block.length,
    epoch: evidence.epoch,
    seat: evidence.seat,
    entries: evidence.entries.map((entry, i) => {
      const row = targets[i] === undefined ? undefined : context!.snapshot[targets[i]]
      return {
        seat: row?.seat ?? null,
        host: row?.host ?? null,
        verdict: entry.verdict,
        said: wordOfVerdict(entry.verdict),
        saw: describeEntry(entry),
      }
    }),
  }
}
