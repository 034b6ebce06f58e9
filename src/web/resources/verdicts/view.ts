import {
  challengersOf,
  decodeAttestation,
  type Epoch,
  indexOfSeat,
  type Seat,
} from '../../../../protocol/index.ts'
import { base64 } from '@scure/base'
import { createDeadline } from '../../../async/deadline.ts'
import { checkAttestation, checkEvidence, type FoundEvidence } from '../../../week/explain/checks.ts'
import { answerHashOf, describeEntry } from '../../../week/explain/evidence-words.ts'
import { explainSourcesOfNode } from '../../../service/explaining.ts'
import type { VerdictDetail } from './schemas.ts'
import { wordsAbout } from '../../../week/judged-epoch.ts'
import { wordOfVerdict } from '../../../week/seat-words.ts'
import { codeOf, momentOf, NotFound, type ViewParts } from '../../view/parts.ts'
import { judgedEpoch } from '../history/view.ts'

/** How long a page waits for a challenger to give the block behind its verdict. */
const fetchTimeoutMs = 8_000

/**
 * What one challenger said of a seat in an epoch, with the attestation that it signed and the block behind it, which
 * is asked of it if this node does not have it; and everything that can be checked of both (R-ATT-6, R-EVID-1).
 */
export const verdictDetail = async (
  parts: ViewParts,
  request: { seat: Seat; epoch: Epoch; challenger: Seat },
  signal: AbortSignal,
): Promise<VerdictDetail> => {
  const { seat, challenger } = request
  const judged = await judgedEpoch(parts, request.epoch, signal)
  const { context } = judged
  const index = indexOfSeat(context.snapshot, seat)
  const by = indexOfSeat(context.snapshot, challenger)
  if (index === -1 || by === -1 || !challengersOf(context.committees, index).includes(by)) {
    throw new NotFound(
      `seat ${challenger} does not challenge seat ${seat} in epoch ${request.epoch}`,
      'The page of the epoch lists its challengers.',
    )
  }
  const { verdict } = wordsAbout(judged, index).find((word) => word.challenger === challenger)!
  const { daemon } = parts.node
  const [held] = await daemon.collector.heldOf(context, [challenger])
  const sources = explainSourcesOfNode(parts.node, signal)
  const isOwn = daemon.node.ownSeat() === seat
  const detail = {
    epoch: request.epoch,
    week: context.week,
    seat,
    challenger,
    verdict: codeOf(verdict),
    said: wordOfVerdict(verdict),
    time: (await momentOf(parts, request.epoch)).time,
    host: context.snapshot[index]!.host,
    challengerHost: context.snapshot[by]!.host,
    gaveReceipt: isOwn ? await sources.gaveReceipt(context, seat, challenger) : null,
  }
  const nothing = { saw: null, answerHash: null, attestation: null, evidence: null, checks: [] }
  if (held === undefined) return { ...detail, ...nothing }
  const attestation = {
    cid: held.cid.toString(),
    payload: base64.encode(held.signed.payload),
    signature: base64.encode(held.signed.signature),
  }
  const checked = checkAttestation(parts.node.network.networkId, context, held.signed, sources.verify)
  const decoded = checked.attestation ?? decodeAttestation(held.signed.payload)
  if (checked.attestation === null || decoded === null) {
    return { ...detail, ...nothing, attestation, checks: [checked.check] }
  }
  const found = await findEvidence(parts, sources.evidence, decoded, context.snapshot[by]!, signal)
  const { entry, checks } = await checkEvidence(
    context,
    decoded,
    seat,
    found,
    sources.verify,
    sources.recompute,
  )
  return {
    ...detail,
    saw: entry === null ? null : describeEntry(entry),
    answerHash: entry === null ? null : answerHashOf(entry),
    attestation,
    evidence: {
      cid: decoded.evidence.toString(),
      block: found.is === 'found' ? base64.encode(found.block) : null,
      from: found.is === 'found' ? found.from : null,
    },
    checks: [checked.check, ...checks],
  }
}

type EvidenceSource = ReturnType<typeof explainSourcesOfNode>['evidence']

const findEvidence = async (
  { node: { daemon } }: ViewParts,
  source: EvidenceSource,
  attestation: Parameters<EvidenceSource['find']>[0],
  row: Parameters<EvidenceSource['find']>[1],
  signal: AbortSignal,
): Promise<FoundEvidence> => {
  if (row.seat === daemon.node.ownSeat()) {
    const block = await daemon.node.evidence.get(attestation.evidence)
    return block === undefined
      ? { is: 'missing', why: 'this node made it, and lost it since: its store is not the one of that time' }
      : { is: 'found', block, from: 'store' }
  }
  const current = daemon.epochs.current()
  const latest = current === null ? undefined : await daemon.epochs.get(current)
  using deadline = createDeadline(daemon.node.world, fetchTimeoutMs, signal)
  try {
    const now = latest?.rowOf(row.seat) ?? row
    return await source.find(attestation, now, undefined, deadline.signal)
  } catch (error) {
    if (!deadline.hasPassed()) throw error
    return { is: 'missing', why: `not had within ${fetchTimeoutMs / 1_000} seconds` }
  }
}
