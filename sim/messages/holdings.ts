import {
  type CollectingEvent,
  type Epoch,
  type EpochHolding,
  type HeldRow,
  type Height,
  type SignedAttestation,
  stepCollecting,
} from '../../protocol/index.ts'
import type { EpochContext } from './epoch-context.ts'

/** What a node holds of an epoch; equal keys mean equal holdings, so what follows from one follows from the other. */
export interface KeyedHolding {
  key: string
  holding: EpochHolding
}

/**
 * Which attestations each node holds, and since when. Of open epochs a height for every node and seat; of closed ones
 * only in which of the spans of R-CP-3 that height lies, and nodes that hold the same share it.
 */
export interface Holdings {
  open(context: EpochContext): void
  isOpen(epoch: Epoch): boolean
  /** Open, or closed and not forgotten. */
  isKnown(epoch: Epoch): boolean
  /** Rows of its snapshot; null if it is not known. */
  sizeOf(epoch: Epoch): number | null
  /** The attestation of the seat at an index of the snapshot now exists. */
  exists(epoch: Epoch, index: number, attestation: SignedAttestation): void
  /** `stepCollecting` for one node; true if the attestation is held from now on. */
  take(node: number, epoch: Epoch, index: number, height: Height, event: CollectingEvent): boolean
  holds(node: number, epoch: Epoch, index: number): boolean
  count(node: number, epoch: Epoch): number
  /**
   * Stands for root(e) of what a node holds: two exclusive ors over the CIDs, which differ where sets do but with a
   * chance of 2^-64. A root would cost some milliseconds each time. The same arrays until the epoch is forgotten; undefined
   * if it is not known.
   */
  digests(epoch: Epoch): Digests | undefined
  /** Closes an epoch; what comes later is late. */
  close(epoch: Epoch): void
  /** Takes in, after it has closed, what others hold of these seats; gives how many were new. */
  addLate(node: number, epoch: Epoch, indexes: readonly number[]): number
  closed(): Iterable<Epoch>
  /** Of a closed epoch: in which span of R-CP-3 the node got it: 0 never, 1 by mustHold, 2 by closes, 3 later. */
  span(node: number, epoch: Epoch, index: number): number
  /** Of a closed epoch: how many attestations the node has in each of these spans. */
  spans(node: number, epoch: Epoch): readonly number[]
  /** Of a closed epoch: how many attestations there are at all. */
  existing(epoch: Epoch): number
  /** For R-CP-3; `ranThrough` says whether the bounds bind this node. */
  holding(node: number, epoch: Epoch, ranThrough: boolean): KeyedHolding
  forget(epoch: Epoch): void
}

/** By node, two words of what it holds. */
export interface Digests {
  low: Int32Array
  high: Int32Array
}

interface OpenEpoch extends Digests {
  context: EpochContext
  /** By node and index: 0, or 1 + blocks from b(e) to the height. */
  heldAt: Uint16Array
  counts: Uint32Array
  attestations: (SignedAttestation | undefined)[]
}

interface ClosedEpoch extends Digests {
  context: EpochContext
  attestations: readonly (SignedAttestation | undefined)[]
  rows: Map<string, SpanRow>
  rowOf: SpanRow[]
}

/** By index: 0 not held, 1 held by mustHold, 2 by closes, 3 later. */
interface SpanRow {
  id: number
  spans: Uint8Array
  counts: readonly number[]
  holdings: [KeyedHolding | undefined, KeyedHolding | undefined]
}

const addToDigests = (
  { low, high }: Digests,
  node: number,
  { multihash: { digest } }: SignedAttestation['cid'],
): void => {
  const word = (at: number): number =>
    (digest[at]! << 24) | (digest[at + 1]! << 16) | (digest[at + 2]! << 8) | digest[at + 3]!
  low[node]! ^= word(0)
  high[node]! ^= word(4)
}

/** Rows with the same spans are one; ids are never given twice. */
const createSpanRows = (): ((rows: Map<string, SpanRow>, spans: Uint8Array) => SpanRow) => {
  let rowIds = 0
  return (rows, spans) => {
    // Eight spans of two bits to a character.
    const text: string[] = []
    for (let i = 0; i < spans.length; i += 8) {
      let packed = 0
      for (let j = i; j < Math.min(i + 8, spans.length); j++) packed |= spans[j]! << (2 * (j - i))
      text.push(String.fromCharCode(packed))
    }
    const name = text.join('')
    const known = rows.get(name)
    if (known !== undefined) return known
    const counts = [0, 0, 0, 0]
    for (const span of spans) counts[span]!++
    const row: SpanRow = { id: rowIds++, spans: spans.slice(), counts, holdings: [undefined, undefined] }
    rows.set(name, row)
    return row
  }
}

const spansOf = ({ context, heldAt }: OpenEpoch, node: number, spans: Uint8Array): void => {
  const { size } = context.committees
  const { opens, mustHold, closes } = context.phases
  for (let index = 0; index < size; index++) {
    const height = heldAt[node * size + index]! - 1 + opens
    spans[index] = height < opens ? 0 : height < mustHold ? 1 : height < closes ? 2 : 3
  }
}

const holdingOf = (
  row: SpanRow,
  { context, attestations }: Pick<ClosedEpoch, 'context' | 'attestations'>,
  ranThrough: boolean,
): KeyedHolding => {
  const known = row.holdings[ranThrough ? 1 : 0]
  if (known !== undefined) return known
  const { mustHold, closes } = context.phases
  const heights = [0, mustHold - 1, closes - 1, closes]
  const rows: HeldRow[] = []
  for (const [index, span] of row.spans.entries()) {
    if (span === 0) continue
    rows.push({
      seat: context.snapshot[index]!.seat,
      cid: attestations[index]!.cid,
      heldAt: heights[span]!,
    })
  }
  const holding: KeyedHolding = {
    key: `${row.id}:${ranThrough ? 1 : 0}`,
    holding: { rows, bounds: ranThrough ? { mustHold, closes } : null },
  }
  row.holdings[ranThrough ? 1 : 0] = holding
  return holding
}

const createOpenEpoch = (nodes: number, context: EpochContext): OpenEpoch => {
  const { size } = context.committees
  return {
    context,
    heldAt: new Uint16Array(nodes * size),
    attestations: Array.from<SignedAttestation | undefined>({ length: size }),
    counts: new Uint32Array(nodes),
    low: new Int32Array(nodes),
    high: new Int32Array(nodes),
  }
}

const nothing: KeyedHolding = { key: 'nothing', holding: { rows: [], bounds: null } }

export const createHoldings = (nodes: number): Holdings => {
  const openEpochs = new Map<Epoch, OpenEpoch>()
  const closedEpochs = new Map<Epoch, ClosedEpoch>()
  const internRow = createSpanRows()
  const known = (epoch: Epoch): OpenEpoch | ClosedEpoch | undefined =>
    openEpochs.get(epoch) ?? closedEpochs.get(epoch)

  /** Rows of an open epoch that were asked for: they may change, so they are looked up by content each time. */
  const openRows = new Map<Epoch, Map<string, SpanRow>>()

  return {
    open: (context) => {
      openEpochs.set(context.epoch, createOpenEpoch(nodes, context))
    },
    isOpen: (epoch) => openEpochs.has(epoch),
    isKnown: (epoch) => known(epoch) !== undefined,
    sizeOf: (epoch) => known(epoch)?.context.committees.size ?? null,
    exists: (epoch, index, attestation) => {
      openEpochs.get(epoch)!.attestations[index] = attestation
    },
    take: (node, epoch, index, height, event) => {
      const open = openEpochs.get(epoch)!
      const { context, heldAt, attestations, counts } = open
      const { cid } = attestations[index]!
      const at = node * context.committees.size + index
      // Nobody signs twice in this engine, so what is held of a seat is what comes.
      const seat = { cid: heldAt[at] === 0 ? undefined : cid, isProved: false, isOwn: event === 'own' }
      if (!stepCollecting(event, cid, seat).effects.includes('hold')) return false
      heldAt[at] = 1 + Math.min(0xfffe, Math.max(0, height - context.phases.opens))
      addToDigests(open, node, cid)
      counts[node]!++
      return true
    },
    holds: (node, epoch, index) => {
      const open = openEpochs.get(epoch)
      if (open !== undefined) return open.heldAt[node * open.context.committees.size + index] !== 0
      return closedEpochs.get(epoch)!.rowOf[node]!.spans[index] !== 0
    },
    count: (node, epoch) => openEpochs.get(epoch)!.counts[node]!,
    digests: (epoch) => known(epoch),
    close: (epoch) => {
      const open = openEpochs.get(epoch)!
      const closed: ClosedEpoch = {
        context: open.context,
        attestations: open.attestations,
        low: open.low,
        high: open.high,
        rows: openRows.get(epoch) ?? new Map(),
        rowOf: [],
      }
      const spans = new Uint8Array(open.context.committees.size)
      for (let node = 0; node < nodes; node++) {
        spansOf(open, node, spans)
        closed.rowOf.push(internRow(closed.rows, spans))
      }
      openEpochs.delete(epoch)
      openRows.delete(epoch)
      closedEpochs.set(epoch, closed)
    },
    addLate: (node, epoch, indexes) => {
      const closed = closedEpochs.get(epoch)!
      const spans = closed.rowOf[node]!.spans.slice()
      let added = 0
      for (const index of indexes) {
        if (spans[index] !== 0) continue
        spans[index] = 3
        added++
        addToDigests(closed, node, closed.attestations[index]!.cid)
      }
      if (added > 0) closed.rowOf[node] = internRow(closed.rows, spans)
      return added
    },
    closed: () => closedEpochs.keys(),
    span: (node, epoch, index) => closedEpochs.get(epoch)!.rowOf[node]!.spans[index]!,
    spans: (node, epoch) => closedEpochs.get(epoch)!.rowOf[node]!.counts,
    existing: (epoch) =>
      closedEpochs.get(epoch)!.attestations.reduce((sum, found) => sum + (found === undefined ? 0 : 1), 0),
    holding: (node, epoch, ranThrough) => {
      const closed = closedEpochs.get(epoch)
      if (closed !== undefined) return holdingOf(closed.rowOf[node]!, closed, ranThrough)
      const open = openEpochs.get(epoch)
      // Of the first two epochs, whose snapshots are empty, there is nothing to hold.
      if (open === undefined) return nothing
      let rows = openRows.get(epoch)
      if (rows === undefined) openRows.set(epoch, (rows = new Map()))
      const spans = new Uint8Array(open.context.committees.size)
      spansOf(open, node, spans)
      return holdingOf(internRow(rows, spans), open, ranThrough)
    },
    forget: (epoch) => {
      closedEpochs.delete(epoch)
    },
  }
}
