import { type Epoch, epochStart, equalBytes, type Seat, type Week } from '../../protocol/index.ts'
import { inSlices } from '../async/slices.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { NodeContext } from './context.ts'
import { createHeldEpoch } from './held-epoch.ts'
import type { EpochOfBranch, HeldEpochs } from './held-epochs.ts'

/** R-SYNC-1: number and root of what stands. */
export interface Standing {
  count: number
  root: Uint8Array
}

/** Roots of what stands, each computed when somebody asks and something has changed. */
export interface EpochRoots {
  of(context: EpochContext): Promise<Standing>
  /** The same for others who ask: of a large epoch in motion it may be some seconds old. */
  recent(context: EpochContext): Promise<Standing>
  /** The same if it is at hand, so that nothing need be read for an answer; null otherwise. */
  atHand(epoch: EpochOfBranch): Promise<Standing> | null
  epochChanged(epoch: Epoch): void
  /** Another seat of the week has a proof. */
  weekChanged(week: Week): void
  closeBefore(epoch: Epoch): void
  forgetAbove(height: number): void
}

/** A root of 40,000 leaves takes a seventh of a second: whoever asks, at most a tenth of the time goes into one. */
const restPerRoot = 9
/** What takes less than this is computed as often as somebody asks. */
const quickMs = 20

interface KnownRoot {
  beacon: Uint8Array
  week: Week
  standing: Promise<Standing>
  /** Something came since it was begun. */
  isStale: boolean
  /** Until this moment it is good enough for others; without end while it is being computed. */
  restUntilMs: number
}

export const createEpochRoots = (
  { epochs, genesis, world }: NodeContext,
  heldEpochs: HeldEpochs,
  equivocators: (week: Week) => Promise<ReadonlyMap<Seat, unknown>>,
): EpochRoots => {
  const byEpoch = new Map<Epoch, KnownRoot>()

  const known = ({ epoch, beacon }: EpochOfBranch): KnownRoot | undefined => {
    const root = byEpoch.get(epoch)
    return root !== undefined && equalBytes(root.beacon, beacon) ? root : undefined
  }

  const recent = (epoch: EpochOfBranch): KnownRoot | undefined => {
    const root = known(epoch)
    const isRecent = root?.isStale === false || world.monotonicMs() < (root?.restUntilMs ?? 0)
    return isRecent ? root : undefined
  }

  const of = async (context: EpochContext): Promise<Standing> => {
    const root = known(context)
    if (root?.isStale === false) return await root.standing
    const proofs = await equivocators(context.week)
    const held = (await heldEpochs.open(context)) ?? createHeldEpoch(context)
    const begunMs = world.monotonicMs()
    const standing = inSlices(held.standing(proofs))
    const { beacon, week } = context
    const fresh: KnownRoot = { beacon, week, standing, isStale: false, restUntilMs: Infinity }
    if (epochs.isCanonical(context)) byEpoch.set(context.epoch, fresh)
    await standing
    const tookMs = world.monotonicMs() - begunMs
    fresh.restUntilMs = begunMs + (tookMs < quickMs ? 0 : tookMs * restPerRoot)
    return await standing
  }

  return {
    of,
    recent: async (context) => await (recent(context)?.standing ?? of(context)),
    atHand: (epoch) => recent(epoch)?.standing ?? null,
    epochChanged(epoch) {
      const root = byEpoch.get(epoch)
      if (root !== undefined) root.isStale = true
    },
    weekChanged(week) {
      for (const root of byEpoch.values()) if (root.week === week) root.isStale = true
    },
    closeBefore(epoch) {
      for (const e of byEpoch.keys()) if (e < epoch) byEpoch.delete(e)
    },
    forgetAbove(height) {
      for (const e of byEpoch.keys()) if (epochStart(genesis, e) > height) byEpoch.delete(e)
      for (const root of byEpoch.values()) root.isStale = true
    },
  }
}
