import {
  createTallyOfJudged,
  type DigestedTally,
  type Seat,
  type SeatTally,
  type TallyInput,
  tallyWeekInSteps,
  type Week,
  type WeekRecord,
  type WeekState,
  type WeekTally,
} from '../../../protocol/index.ts'
import { inSlices } from '../../async/slices.ts'
import { isSecnodeError, messageOf } from '../../errors.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import { countedSetOf, incomeOf, tallyInputOf } from '../../week/counted-set.ts'
import { contextsOfWeek, type WeekEpochs } from '../../week/gather.ts'
import type { JudgedView } from '../../week/judged-epoch.ts'

/** A week as it stands: of an anchored one the tally itself, of another what this node would say now. */
export interface WeekView extends Omit<WeekEpochs, 'contexts'> {
  state: WeekState
  record: WeekRecord | undefined
  /** Its epochs that are over. */
  epochs: readonly JudgedView[]
  tally: WeekTally
  /** Why what came in is not known, and so no amount; null if it is. */
  fundMissing: string | null
  /** Of the document, once the anchored set is complete here. */
  digest: string | null
  checkpoint: string | null
  anchor: { height: number; hash: Uint8Array } | null
}

export interface WeekReader {
  /** Undefined if no epoch of it is over. */
  read(week: Week, signal: AbortSignal): Promise<WeekView | undefined>
  /** The document of an anchored week, made anew each time: of the largest network it has 30 MB. */
  document(view: WeekView, signal: AbortSignal): Promise<DigestedTally>
}

export const createWeekReader = ({
  follower,
  weeks,
}: Pick<AssembledNode, 'follower' | 'weeks'>): WeekReader => {
  const { epochs } = weeks

  const recordOf = (week: Week): WeekRecord | undefined =>
    follower.weeks().records.findLast((record) => record.week === week)

  const fundOf = async (
    range: Parameters<typeof incomeOf>[1],
    signal: AbortSignal,
  ): Promise<{ fund: bigint; fundMissing: string | null }> => {
    try {
      return { fund: await incomeOf(weeks, range, signal), fundMissing: null }
    } catch (error) {
      signal.throwIfAborted()
      if (!isSecnodeError(error)) throw error
      return { fund: 0n, fundMissing: messageOf(error) }
    }
  }

  const inputOf = async (
    range: Omit<WeekEpochs, 'contexts'>,
    views: readonly JudgedView[],
    fund: bigint,
  ): Promise<TallyInput> => {
    const set = await countedSetOf(weeks, range, weeks.fixedAtHand(range.week))
    return tallyInputOf(weeks, set, fund, views)
  }

  const read: WeekReader['read'] = async (week, signal) => {
    const begun = await epochs.epochsOfWeek(week)
    if (begun === null) return undefined
    const current = epochs.current() ?? 0
    const views: JudgedView[] = []
    for (let epoch = begun.first; epoch <= Math.min(begun.last, current - 1); epoch++) {
      const view = await weeks.judged.get(epoch, signal)
      if (view !== undefined) views.push(view)
    }
    if (views.length === 0) return undefined
    const record = recordOf(week)
    const range = { week, params: views[0]!.context.params, ...begun }
    const { fund, fundMissing } = await fundOf(range, signal)
    const input = await inputOf(range, views, fund)
    const tally = await inSlices(tallyWeekInSteps(input))
    const hasAll = begun.isComplete && views.length === begun.last - begun.first + 1
    const isWhole = input.checkpoint !== null && fundMissing === null && hasAll
    return {
      ...range,
      // Anchored in the chain, but not all of it here yet: what counts is not known to this node.
      state: input.state,
      record,
      epochs: views,
      checkpoint: record?.anchor?.checkpoint.toString() ?? null,
      anchor: anchorAt(record),
      tally,
      fundMissing,
      digest: isWhole ? createTallyOfJudged(input).digest : null,
    }
  }

  return {
    read,
    async document(view, signal) {
      await contextsOfWeek(weeks, view.week)
      const { fund } = await fundOf(view, signal)
      return createTallyOfJudged(await inputOf(view, view.epochs, fund))
    },
  }
}

const anchorAt = (record: WeekRecord | undefined): WeekView['anchor'] => {
  const anchor = record?.anchor ?? null
  return anchor === null ? null : { height: anchor.height, hash: anchor.blockHash }
}

/** The row of a seat in a week, or undefined. */
export const seatOfWeek = ({ tally }: WeekView, seat: Seat): SeatTally | undefined => {
  let low = 0
  let high = tally.seats.length - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const found = tally.seats[middle]!
    if (found.row.seat === seat) return found
    if (found.row.seat < seat) low = middle + 1
    else high = middle - 1
  }
  return undefined
}
