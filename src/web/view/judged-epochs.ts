import {
  challengersOf,
  classify,
  type Epoch,
  type EpochClasses,
  type JudgedEpoch,
  type Outcome,
  rulesetOfWeek,
  type Seat,
  Verdict,
} from '../../../protocol/index.ts'
import type { AssembledNode } from '../../node/assemble.ts'
import type { EpochContext } from '../../node/epoch-book.ts'
import { namedAddresses } from '../../tally/explain/named-addresses.ts'
import { type FixedWeek, gatherEpoch } from '../../tally/gather.ts'

/** An epoch with what came out of it for every seat, small enough to be kept: some 80 bytes a seat. */
export interface JudgedView extends JudgedEpoch {
  context: EpochContext
  /** Of the anchored set, which never changes; otherwise of what this node holds. */
  isFixed: boolean
  /** Attestations may still come. */
  isOpen: boolean
  /** The word of the i-th challenger (ring order) of the seat at `index`, at `index · k + i`; `silent` if it said nothing. */
  said: Uint8Array
  /** Where most challengers saw each seat, by index; null where none called it valid. */
  addresses: readonly (string | null)[]
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

/** What a page may look at in a while: two weeks of the largest network take 100 MB, so of that one it is less. */
const maxCacheBytes = 48 * 1024 * 1024
const bytesPerSeat = 80

/**
 * Judges epochs as a tally does, one at a time, and keeps what came out. An anchored epoch is judged once; one of the
 * last two whenever a block comes and somebody looks; any other once an epoch, since sync may still bring something.
 */
export const createJudgedEpochs = ({
  daemon,
  weeks,
}: Pick<AssembledNode, 'daemon' | 'weeks'>): JudgedEpochs => {
  const { epochs, node, finality } = daemon
  const cache = new Map<Epoch, { basis: string; view: JudgedView }>()
  let cachedBytes = 0
  let revision = 0
  /** One after the other: at 40,000 seats each holds the loop for a fifth of a second. */
  let turn: Promise<unknown> = Promise.resolve()

  const basisOf = (context: EpochContext, fixed: FixedWeek | null): string => {
    const beacon = Buffer.from(context.beacon).toString('hex')
    if (fixed !== null) return `${beacon} ${fixed.checkpoint.toString()}`
    const current = epochs.current() ?? 0
    return context.epoch >= current - 2
      ? `${beacon} block ${node.chain.confirmedHeight}`
      : `${beacon} epoch ${current}`
  }

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
    const { outcomes, attested } = rulesetOfWeek(week).judgeEpoch(epoch, params)
    const classes = classify(epoch, committees)
    return {
      epoch: context.epoch,
      beacon: context.beacon,
      snapshot,
      outcomes,
      attested,
      context,
      isFixed: fixed !== null,
      isOpen: fixed === null && node.chain.confirmedHeight < context.phases.closes,
      said: saidOf(context, classes),
      addresses: snapshot.map((_, index) => namedAddresses(classes, committees, index)[0]?.ip ?? null),
    }
  }

  const keep = (epoch: Epoch, basis: string, view: JudgedView): void => {
    const known = cache.get(epoch)
    if (known !== undefined) cachedBytes -= known.view.snapshot.length * bytesPerSeat
    cache.delete(epoch)
    cache.set(epoch, { basis, view })
    cachedBytes += view.snapshot.length * bytesPerSeat
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
    const basis = basisOf(context, fixed)
    const known = cache.get(epoch)
    if (known?.basis === basis) {
      cache.delete(epoch)
      cache.set(epoch, known)
      return known.view
    }
    const work = turn.then(async () => {
      signal.throwIfAborted()
      const meanwhile = cache.get(epoch)
      if (meanwhile?.basis === basis) return meanwhile.view
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

const saidOf = ({ committees }: EpochContext, { attested }: EpochClasses): Uint8Array => {
  const { size, k } = committees
  const said = new Uint8Array(size * k).fill(silent)
  for (let index = 0; index < size; index++) {
    for (const [i, challenger] of challengersOf(committees, index).entries()) {
      const verdict = attested[challenger]?.verdicts[i]
      if (verdict !== undefined) said[index * k + i] = verdict
    }
  }
  return said
}

/** What was said of the seat at `index`, challenger by challenger. */
export const wordsAbout = (view: JudgedView, index: number): { challenger: Seat; verdict: number }[] => {
  const { committees, snapshot } = view.context
  return challengersOf(committees, index).map((at, i) => ({
    challenger: snapshot[at]!.seat,
    verdict: view.said[index * committees.k + i]!,
  }))
}

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
