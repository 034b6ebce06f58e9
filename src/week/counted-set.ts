import type { CID } from 'multiformats/cid'
import type {
  ChainName,
  Height,
  JudgedEpoch,
  Params,
  Seat,
  TallyInput,
  Week,
  WeekState,
} from '../../protocol/index.ts'
import { type FixedWeek, stateOfWeek, type WeekEpochs, type WeekSources } from './gather.ts'

/** Which set of attestations counts in a week: the anchored one, or what the sources hold while there is none. */
export interface CountedSet {
  week: Week
  params: Params
  state: WeekState
  checkpoint: CID | null
  anchor: { height: Height; hash: Uint8Array } | null
  /** R-ATT-3. */
  equivocators: ReadonlySet<Seat>
}

/** `fixed`: what an anchor fixes of the week, or null if none does. */
export const countedSetOf = async (
  sources: Pick<WeekSources, 'genesis' | 'confirmedHeight' | 'equivocators' | 'stateOf'>,
  { week, params, ...range }: Omit<WeekEpochs, 'contexts'>,
  fixed: FixedWeek | null,
): Promise<CountedSet> => ({
  week,
  params,
  state:
    fixed === null
      ? (sources.stateOf(week) ?? stateOfWeek(sources.genesis, range, sources.confirmedHeight()))
      : 'anchored',
  checkpoint: fixed?.checkpoint ?? null,
  anchor: fixed?.anchor ?? null,
  equivocators: fixed?.equivocators ?? new Set((await sources.equivocators(week)).keys()),
})

/** The input of a week's tally. `fund`: what came in, as `incomeOf` tells it. */
export const tallyInputOf = (
  { networkId, genesis }: Pick<WeekSources, 'networkId' | 'genesis'>,
  { week, params, state, checkpoint, anchor, equivocators }: CountedSet,
  fund: bigint,
  epochs: readonly JudgedEpoch[],
): TallyInput => ({
  networkId,
  chain: genesis.chain as ChainName,
  week,
  state,
  params,
  checkpoint,
  anchor,
  equivocators,
  fund,
  epochs,
})

/** What came in for a week so far (R-TALLY-6). Errors: those of `WeekFund`. */
export const incomeOf = (
  { fund }: Pick<WeekSources, 'fund'>,
  { params, first, last, isComplete }: Omit<WeekEpochs, 'contexts' | 'week'>,
  signal: AbortSignal,
): Promise<bigint> =>
  // Blocks of the epoch in progress are still to come.
  fund.ofWeek(params.fund, first, isComplete ? last : last - 1, signal)
