import {
  bytesToHex,
  challengersOf,
  type Epoch,
  flatOutcomes,
  type JudgedEpoch,
  type Outcome,
  type Seat,
  Verdict,
} from '../../../protocol/index.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import type { EpochContext } from '../../week/epoch-book.ts'
import type { EpochJudging } from '../../week/epoch-judging.ts'
import { type FixedWeek, gatherJudging, wordsOf } from '../../week/gather.ts'
import { createSequence } from '../../async/serial.ts'
import { nextTurn } from '../../async/slices.ts'

/** An epoch with what came out of it for every seat, small enough to be kept: some 12 bytes a seat. */
export interface JudgedView extends Omit<JudgedEpoch, 'outcomes'> {
  context: EpochContext
  /** Of the anchored set, which never changes; otherwise of what this node holds. */
  isFixed: boolean
  /** Attestations may still come. */
  isOpen: boolean
  /** At each index of the snapshot a code of `flatOutcomes`. */
  codes: Uint8Array
  /** The word of the i-th challenger (ring order) of the seat at `index`, at `index · k + i`; `silent` if it said nothing. */
  said: Uint8Array
  /**
   * Where most challengers saw each seat, 16 bytes at `16 · index`, IPv4 mapped; zeros where none called it valid. Empty
   * for all but the newest epochs.
   */
  seenAt: Uint8Array
}

/** What came out for the seat at `index` of the snapshot; undefined for −1. */
export const outcomeAt = ({ codes }: Pick<JudgedView, 'codes'>, index: number): Outcome | undefined =>
  flatOutcomes[codes[index] ?? -1]

/** As a tally reads it. */
export const judgedOf = ({ epoch, beacon, snapshot, codes, attested }: JudgedView): JudgedEpoch => ({
  epoch,
  beacon,
  snapshot,
  outcomes: wordsOf(codes),
  attested,
})

interface Basis {
  /** Which set of attestations. */
  set: string
  /** Of an epoch that is open: at one height it is judged once, whatever comes in. 0 for others. */
  height: number
}

/** No verdict's code: a challenger whose attestation is not there. */
export const silent = 254

export interface JudgedEpochs {
  /** Undefined while the epoch has not begun, or where its snapshot is not known. */
  get(epoch: Epoch, signal: AbortSignal): Promise<JudgedView | undefined>
  /** The newest epoch that is over: what its seats did can be told. */
  latest(signal: AbortSignal): Promise<JudgedView | undefined>
  /** Changes whenever something was judged anew. */
  revision(): number
}

/** The page of a node shows 42 epochs, and so many of the largest network have room. */
const maxCacheBytes = 24 * 1024 * 1024
/** Words of eleven challengers, and the outcome. */
const bytesPerSeat = 12
/** Epochs of which addresses are shown. */
const addressEpochs = 3

/**
 * Judges epochs as a tally does, one at a time, and keeps what came out: an anchored epoch for good, another until
 * something more of it is taken in. Of one into which attestations still pour it is at most a block behind.
 */
export const createJudgedEpochs = ({
  daemon,
  weeks,
}: Pick<AssembledNode, 'daemon' | 'weeks'>): JudgedEpochs => {
  const { epochs, node, finality, collector } = daemon
  const cache = new Map<Epoch, { basis: Basis; view: JudgedView }>()
  let cachedBytes = 0
  let revision = 0
  /** One after the other: at 40,000 seats each is half a second of work. */
  const turns = createSequence()

  /** What an epoch was judged from: while that is the same, so is what came out. */
  const basisOf = async (context: EpochContext, fixed: FixedWeek | null): Promise<Basis> => {
    const beacon = bytesToHex(context.beacon)
    const { confirmedHeight } = node.chain
    if (fixed !== null) return { set: `${beacon} ${fixed.checkpoint.toString()}`, height: 0 }
    const proofs = (await weeks.equivocators(context.week)).size
    const isOpen = confirmedHeight < context.phases.closes
    const change = collector.changeOf(context.epoch)
    return { set: `${beacon} ${String(isOpen)} ${proofs} ${change}`, height: isOpen ? confirmedHeight : 0 }
  }
  const isSame = (a: Basis | undefined, b: Basis): boolean =>
    a !== undefined && (a.set === b.set || (b.height !== 0 && a.height === b.height))

  const isNew = (epoch: Epoch): boolean => epoch >= (epochs.current() ?? 0) - addressEpochs

  const judge = async (context: EpochContext, fixed: FixedWeek | null): Promise<JudgedView> => {
    const equivocators = fixed?.equivocators ?? (await weeks.equivocators(context.week))
    const judging = await gatherJudging(fixed ?? weeks, context, equivocators)
    // Whoever waits for an answer of this daemon gets it between two of these.
    await nextTurn()
    const { outcomes: codes, attested } = judging.judge()
    await nextTurn()
    const said = saidOf(context, judging)
    await nextTurn()
    const seenAt = isNew(context.epoch) ? seenAtOf(context, judging) : nowhere
    await nextTurn()
    return {
      epoch: context.epoch,
      beacon: context.beacon,
      snapshot: context.snapshot,
      attested,
      context,
      isFixed: fixed !== null,
      isOpen: fixed === null && node.chain.confirmedHeight < context.phases.closes,
      codes,
      said,
      seenAt,
    }
  }

  const keep = (epoch: Epoch, basis: Basis, view: JudgedView): void => {
    const known = cache.get(epoch)
    if (known !== undefined) cachedBytes -= known.view.snapshot.length * bytesPerSeat
    cache.delete(epoch)
    cache.set(epoch, { basis, view })
    cachedBytes += view.snapshot.length * bytesPerSeat
    for (const { view: old } of cache.values()) if (!isNew(old.epoch)) old.seenAt = nowhere
    for (const [oldest, { view: old }] of cache) {
      if (cachedBytes <= maxCacheBytes || oldest === epoch) break
      cache.delete(oldest)
      cachedBytes -= old.snapshot.length * bytesPerSeat
    }
    revision++
  }

  const get = async (epoch: Epoch, signal: AbortSignal): Promise<JudgedView | undefined> => {
    const cached = cache.get(epoch)?.view.context
    const isAtHand = cached !== undefined && epochs.isCanonical(cached)
    const context = isAtHand ? cached : await epochs.get(epoch)
    if (context === undefined) return undefined
    // A page never asks the network for what an anchored week lacks: the daemon does so itself.
    const isComplete = finality.anchored.get(context.week) !== undefined
    const fixed = isComplete ? await weeks.fixed(context.week, signal) : null
    const basis = await basisOf(context, fixed)
    const known = cache.get(epoch)
    if (known !== undefined && isSame(known.basis, basis)) {
      cache.delete(epoch)
      cache.set(epoch, known)
      return known.view
    }
    return await turns.run(async () => {
      signal.throwIfAborted()
      const meanwhile = cache.get(epoch)
      if (meanwhile !== undefined && isSame(meanwhile.basis, basis)) return meanwhile.view
      const view = await judge(context, fixed)
      keep(epoch, basis, view)
      return view
    })
  }

  return {
    get,
    async latest(signal) {
      const current = epochs.current()
      return current === null || current === 0 ? undefined : await get(current - 1, signal)
    },
    revision: () => revision,
  }
}

/** Positions on the ring are walked by number, as a tally does: 440,000 words of the largest network. */
const saidOf = ({ committees }: EpochContext, { flat }: EpochJudging): Uint8Array => {
  const { size, k, ring } = committees
  const said = new Uint8Array(size * k).fill(silent)
  for (let position = 0; position < size; position++) {
    if (flat.attests[position] === 0) continue
    for (let i = 0; i < k; i++) {
      said[ring[(position + 1 + i) % size]! * k + i] = flat.verdicts[position * k + i]!
    }
  }
  return said
}

const seenAtOf = ({ committees }: EpochContext, { flat, addressOf }: EpochJudging): Uint8Array => {
  const { size, k, ring } = committees
  const seenAt = new Uint8Array(size * 16)
  const named: number[] = []
  for (let position = 0; position < size; position++) {
    named.length = 0
    for (let i = 0; i < k; i++) {
      const challenger = (position + size - 1 - i) % size
      const at = challenger * k + i
      if (flat.attests[challenger] === 1 && flat.verdicts[at] === Verdict.valid)
        named.push(flat.addresses[at]!)
    }
    if (named.length === 0) continue
    const address = addressOf(mostNamed(named))
    const offset = 16 * ring[position]!
    seenAt.set(address, offset + 16 - address.length)
    if (address.length === 4) seenAt.set([0xff, 0xff], offset + 10)
  }
  return seenAt
}

/** Of these, at least one, which stands there most often; of several the first. Most often they are all the same. */
const mostNamed = (named: readonly number[]): number => {
  let most = named[0]!
  let times = countOf(named, most)
  for (let i = 1; i < named.length - times; i++) {
    const other = countOf(named, named[i]!)
    if (other <= times) continue
    most = named[i]!
    times = other
  }
  return most
}

const countOf = (named: readonly number[], wanted: number): number => {
  let count = 0
  for (const number of named) if (number === wanted) count++
  return count
}

/** Where most challengers saw the seat at `index` of the snapshot, or null. */
export const addressAt = ({ seenAt }: Pick<JudgedView, 'seenAt'>, index: number): Uint8Array | null => {
  const bytes = seenAt.subarray(16 * index, 16 * index + 16)
  if (bytes.every((byte) => byte === 0)) return null
  const isMapped =
    bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)
  return isMapped ? bytes.subarray(12) : bytes
}

/** What was said of the seat at `index`, challenger by challenger. */
export const wordsAbout = (view: JudgedView, index: number): { challenger: Seat; verdict: number }[] => {
  const { committees, snapshot } = view.context
  return challengersOf(committees, index).map((at, i) => ({
    challenger: snapshot[at]!.seat,
    verdict: view.said[index * committees.k + i]!,
  }))
}

const nowhere = new Uint8Array(0)

/** How an outcome reads at a glance. */
export type Standing = 'credited' | 'valid' | 'undecided' | 'invalid'

export const standingOf = (outcome: Outcome): Standing => {
  if (outcome === 'credited') return 'credited'
  if (outcome.startsWith('valid')) return 'valid'
  return outcome.startsWith('undecided') ? 'undecided' : 'invalid'
}

/** How many seats of an epoch have each standing. */
export const countStandings = ({ codes }: Pick<JudgedView, 'codes'>): Record<Standing, number> => {
  const counts = { credited: 0, valid: 0, undecided: 0, invalid: 0 }
  for (const code of codes) counts[standingByCode[code]!]++
  return counts
}

const standingByCode: readonly Standing[] = flatOutcomes.map(standingOf)

/** Whether a challenger's word says that the target was down or wrong (R-VERD-1, codes 1 to 9). */
export const isInvalid = (verdict: number): boolean =>
  verdict !== Verdict.valid && verdict !== Verdict.abstain && verdict !== silent
