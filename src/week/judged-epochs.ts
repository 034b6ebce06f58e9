import { LRUCache } from 'lru-cache'
import { bytesToHex, type Epoch, equalBytes, type Seat } from '../../protocol/index.ts'
import { createSequence } from '../async/serial.ts'
import { inSlices } from '../async/slices.ts'
import type { EpochContext } from './epoch-book.ts'
import { type FixedWeek, gatherJudging, type WeekSources } from './gather.ts'
import { type JudgedView, judgedViewInSteps, nowhere } from './judged-epoch.ts'

/** The epochs of all weeks, judged as their tally judges them (R-TALLY-0…4), and kept while what they follow from is the same. */
export interface JudgedEpochs {
  /**
   * For whoever looks again and again: an epoch that attestations still come for is at most one block behind, and of an
   * anchored week nobody is asked for what is missing here. Undefined while the epoch has not begun, or where its
   * snapshot is not known.
   */
  get(epoch: Epoch, signal: AbortSignal): Promise<JudgedView | undefined>
  /** The newest epoch that is over. */
  latest(signal: AbortSignal): Promise<JudgedView | undefined>
  /**
   * For documents: an epoch exactly as it stands now in the set that counts. It is not kept, so that a question about an
   * old week does not evict the present one. `addresses`: with where its seats were seen.
   */
  read(
    context: EpochContext,
    fixed: FixedWeek | null,
    signal: AbortSignal,
    wanted?: { addresses: boolean },
  ): Promise<JudgedView>
  /** Changes whenever something was judged anew. */
  revision(): number
}

/** The page of a node shows 42 epochs, and so many of the largest network have room. */
const maxCacheBytes = 24 * 1024 * 1024
/** Words of eleven challengers, and the outcome. */
const bytesPerSeat = 12
/** Epochs of which addresses are kept. */
const addressEpochs = 3

/** What a judgement follows from: while that is the same, so is the judgement. */
interface Basis {
  /** The chain's branch, the set, and how often it changed. */
  revision: string
  /** Of an epoch that is open, the height at which it was judged; 0 for others. */
  height: number
}

export const createJudgedEpochs = (sources: WeekSources): JudgedEpochs => {
  const { epochs } = sources
  const cache = new LRUCache<Epoch, { basis: Basis; view: JudgedView }>({
    maxSize: maxCacheBytes,
    sizeCalculation: ({ view }) => Math.max(1, view.snapshot.length * bytesPerSeat),
  })
  let judgements = 0
  /** One after the other: at 40,000 seats each is half a second of work. */
  const turns = createSequence()

  const isOpen = ({ phases }: EpochContext, fixed: FixedWeek | null): boolean =>
    fixed === null && sources.confirmedHeight() < phases.closes

  const basisOf = (context: EpochContext, fixed: FixedWeek | null, equivocators: Iterable<Seat>): Basis => {
    const beacon = bytesToHex(context.beacon)
    if (fixed !== null) return { revision: `${beacon} ${fixed.checkpoint.toString()}`, height: 0 }
    const open = isOpen(context, fixed)
    const proofs = [...equivocators].join()
    return {
      revision: `${beacon} ${open ? 'open' : 'closed'} ${sources.changeOf(context.epoch)} ${proofs}`,
      height: open ? sources.confirmedHeight() : 0,
    }
  }

  const isNew = (epoch: Epoch): boolean => epoch >= (epochs.current() ?? 0) - addressEpochs

  const judge = async (
    context: EpochContext,
    fixed: FixedWeek | null,
    equivocators: { has(seat: Seat): boolean },
    wanted: { addresses: boolean },
  ): Promise<JudgedView> => {
    const judging = await gatherJudging(fixed ?? sources, context, equivocators)
    const addresses = wanted.addresses || isNew(context.epoch)
    const about = { addresses, isFixed: fixed !== null, isOpen: isOpen(context, fixed) }
    return await inSlices(judgedViewInSteps(context, judging, about))
  }

  const keep = (epoch: Epoch, basis: Basis, view: JudgedView): void => {
    cache.set(epoch, { basis, view })
    for (const { view: old } of cache.values()) if (!isNew(old.epoch)) old.seenAt = nowhere
    judgements++
  }

  const get = async (
    context: EpochContext,
    fixed: FixedWeek | null,
    signal: AbortSignal,
    wanted: { addresses: boolean; mayLag: boolean },
  ): Promise<JudgedView> => {
    const { epoch } = context
    const equivocators = fixed?.equivocators ?? new Set((await sources.equivocators(context.week)).keys())
    const basis = basisOf(context, fixed, equivocators)
    const known = (): JudgedView | undefined => {
      const found = cache.get(epoch)
      if (found === undefined || (wanted.addresses && found.view.seenAt === nowhere)) return undefined
      const isSame = found.basis.revision === basis.revision
      const isOfBranch = equalBytes(found.view.beacon, context.beacon)
      const isRecent = isOfBranch && basis.height !== 0 && found.basis.height === basis.height
      return isSame || (wanted.mayLag && isRecent) ? found.view : undefined
    }
    return (
      known() ??
      (await turns.run(async () => {
        signal.throwIfAborted()
        const meanwhile = known()
        if (meanwhile !== undefined) return meanwhile
        const view = await judge(context, fixed, equivocators, wanted)
        if (wanted.mayLag) keep(epoch, basis, view)
        return view
      }))
    )
  }

  const lookAt = async (epoch: Epoch, signal: AbortSignal): Promise<JudgedView | undefined> => {
    const cached = cache.peek(epoch)?.view.context
    const isAtHand = cached !== undefined && epochs.isCanonical(cached)
    const context = isAtHand ? cached : await epochs.get(epoch)
    if (context === undefined) return undefined
    const fixed = sources.fixedAtHand(context.week)
    return await get(context, fixed, signal, { addresses: false, mayLag: true })
  }

  return {
    get: lookAt,
    async latest(signal) {
      const current = epochs.current()
      return current === null || current === 0 ? undefined : await lookAt(current - 1, signal)
    },
    read: (context, fixed, signal, { addresses } = { addresses: false }) =>
      get(context, fixed, signal, { addresses, mayLag: false }),
    revision: () => judgements,
  }
}
