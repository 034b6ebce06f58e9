import { setImmediate } from 'node:timers/promises'
import {
  bytesToHex,
  challengersOf,
  classify,
  type Committees,
  type Epoch,
  type EpochClasses,
  equalBytes,
  type JudgedEpoch,
  type Outcome,
  rulesetOfWeek,
  type Seat,
  Verdict,
} from '../../../protocol/index.ts'
import type { AssembledNode } from '../../node/assemble.ts'
import type { EpochContext } from '../../epochs/epoch-book.ts'
import { canonicalAddress } from '../../net/resolve.ts'
import { namedAddresses } from '../../tally/explain/named-addresses.ts'
import { type FixedWeek, gatherEpoch } from '../../tally/gather.ts'

/** An epoch with what came out of it for every seat, small enough to be kept: some 20 bytes a seat. */
export interface JudgedView extends JudgedEpoch {
  context: EpochContext
  /** Of the anchored set, which never changes; otherwise of what this node holds. */
  isFixed: boolean
  /** Attestations may still come. */
  isOpen: boolean
  /** The word of the i-th challenger (ring order) of the seat at `index`, at `index · k + i`; `silent` if it said nothing. */
  said: Uint8Array
  /**
   * Where most challengers saw each seat, 16 bytes at `16 · index`, IPv4 mapped; zeros where none called it valid. Empty
   * for all but the newest epochs.
   */
  seenAt: Uint8Array
}

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

/** The page of a node shows 42 epochs: of the largest network 60 have room. */
const maxCacheBytes = 48 * 1024 * 1024
/** Words of eleven challengers, and a pointer to the outcome. */
const bytesPerSeat = 19
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
  let turn: Promise<unknown> = Promise.resolve()

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
    const { snapshot, committees, params, week } = context
    const equivocators = fixed?.equivocators ?? new Set((await weeks.equivocators(week)).keys())
    const gathered = await gatherEpoch(fixed ?? weeks, context)
    const epoch = {
      ...gathered,
      // R-ATT-3: an equivocator stands under no root of the week.
      attestations: gathered.attestations.map((attestation, index) =>
        equivocators.has(snapshot[index]!.seat) ? undefined : attestation,
      ),
    }
    // Whoever waits for an answer of this daemon gets it between two of these.
    await setImmediate()
    const { outcomes, attested } = rulesetOfWeek(week).judgeEpoch(epoch, params)
    await setImmediate()
    const classes = classify(epoch, committees)
    const said = saidOf(context, classes)
    await setImmediate()
    return {
      epoch: context.epoch,
      beacon: context.beacon,
      snapshot,
      outcomes,
      attested,
      context,
      isFixed: fixed !== null,
      isOpen: fixed === null && node.chain.confirmedHeight < context.phases.closes,
      said,
      seenAt: isNew(context.epoch) ? seenAtOf(context, classes) : nowhere,
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
    const context = await epochs.get(epoch)
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
    const work = turn.then(async () => {
      signal.throwIfAborted()
      const meanwhile = cache.get(epoch)
      if (meanwhile !== undefined && isSame(meanwhile.basis, basis)) return meanwhile.view
      const view = await judge(context, fixed)
      keep(epoch, basis, view)
      return view
    })
    turn = work.catch(() => undefined)
    return await work
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
const saidOf = ({ committees }: EpochContext, { attested }: EpochClasses): Uint8Array => {
  const { size, k, ring } = committees
  const said = new Uint8Array(size * k).fill(silent)
  for (let position = 0; position < size; position++) {
    const verdicts = attested[ring[position]!]?.verdicts
    if (verdicts === undefined) continue
    for (let i = 0; i < k; i++) said[ring[(position + 1 + i) % size]! * k + i] = verdicts[i]!
  }
  return said
}

const seenAtOf = ({ committees }: EpochContext, { attested }: EpochClasses): Uint8Array => {
  const seenAt = new Uint8Array(committees.size * 16)
  for (let index = 0; index < committees.size; index++) {
    const named = namedBytes(attested, committees, index)
    if (named === null) continue
    seenAt.set(named, 16 * index + 16 - named.length)
    if (named.length === 4) seenAt.set([0xff, 0xff], 16 * index + 10)
  }
  return seenAt
}

/** The address that most challengers name; most often they all name the same. */
const namedBytes = (
  attested: EpochClasses['attested'],
  committees: Committees,
  index: number,
): Uint8Array | null => {
  let first: Uint8Array | null = null
  for (const [i, challenger] of challengersOf(committees, index).entries()) {
    const attestation = attested[challenger]
    if (attestation?.verdicts[i] !== Verdict.valid) continue
    let before = 0
    for (let j = 0; j < i; j++) if (attestation.verdicts[j] === Verdict.valid) before++
    const address = attestation.addresses[before]!
    if (first === null) first = address
    else if (!equalBytes(first, address)) {
      const [most] = namedAddresses({ attested }, committees, index)
      return canonicalAddress(most!.ip)?.bytes ?? null
    }
  }
  return first
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
export const countStandings = ({ outcomes }: Pick<JudgedView, 'outcomes'>): Record<Standing, number> => {
  const counts = { credited: 0, valid: 0, undecided: 0, invalid: 0 }
  for (const outcome of outcomes) counts[standingOf(outcome)]++
  return counts
}

/** Whether a challenger's word says that the target was down or wrong (R-VERD-1, codes 1 to 9). */
export const isInvalid = (verdict: number): boolean =>
  verdict !== Verdict.valid && verdict !== Verdict.abstain && verdict !== silent
