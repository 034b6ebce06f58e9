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
import { isSecnodeError, messageOf } from '../../errors.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import { inSlices } from '../../async/slices.ts'
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

/** What a week brought to one seat. Amounts in base units; null while the fund is not known. */
export interface SeatWeekResult {
  week: Week
  state: WeekState
  score: number
  epochs: number
  amount: bigint | null
}

export interface WeekViews {
  /** Undefined if no epoch of it is over. */
  get(week: Week, signal: AbortSignal): Promise<WeekView | undefined>
  /** The document of an anchored week, made anew each time: of the largest network it has 30 MB. */
  document(view: WeekView, signal: AbortSignal): Promise<DigestedTally>
  /**
   * What the newest weeks brought to each of these seats, newest first. Weeks that would take long to work out are left
   * out, and worked out meanwhile.
   */
  results(seats: readonly Seat[], maxWeeks: number, signal: AbortSignal): Promise<Map<Seat, SeatWeekResult[]>>
  /** Ends what is being worked out. */
  stop(): Promise<void>
}

/** Whole weeks in memory: the present one, and one more that somebody looks at. */
const maxWholeWeeks = 2
/** A week of 40,000 seats takes two seconds to add up: of one that moves, at most a twentieth of the time goes into it. */
const restPerView = 19
/** What takes less is made as often as it changes. */
const quickMs = 50
/** After this nothing more is begun that a page would have to wait for. */
const patienceMs = 5_000
/** What is left of others: 20 bytes a seat. */
const maxKeptResults = 16

interface KeptResults {
  revision: string
  state: WeekState
  isFundKnown: boolean
  indexBySeat: Map<Seat, number>
  scores: Uint16Array
  epochs: Uint16Array
  amounts: BigUint64Array
}

export const createWeekViews = ({
  daemon,
  follower,
  weeks,
}: Pick<AssembledNode, 'daemon' | 'follower' | 'weeks'>): WeekViews => {
  const { epochs } = weeks
  const { world, logger } = daemon.node
  const stopping = new AbortController()
  let warming: Promise<void> | null = null
  const whole = new Map<Week, { revision: string; view: WeekView; restUntilMs: number }>()
  const kept = new Map<Week, KeptResults>()

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

  const read = async (week: Week, signal: AbortSignal): Promise<WeekView | undefined> => {
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

  const keep = (week: Week, revision: string, view: WeekView, begunMs: number): void => {
    const tookMs = world.monotonicMs() - begunMs
    whole.delete(week)
    whole.set(week, {
      revision,
      view,
      restUntilMs: begunMs + (1 + restPerView) * (tookMs < quickMs ? 0 : tookMs),
    })
    if (whole.size > maxWholeWeeks) whole.delete(whole.keys().next().value!)
    const { seats } = view.tally
    kept.delete(week)
    kept.set(week, {
      revision,
      state: view.state,
      isFundKnown: view.fundMissing === null,
      indexBySeat: new Map(seats.map(({ row }, index) => [row.seat, index])),
      scores: Uint16Array.from(seats, ({ score }) => score),
      epochs: Uint16Array.from(seats, (seat) => seat.epochs),
      amounts: BigUint64Array.from(seats, ({ amount }) => amount),
    })
    if (kept.size > maxKeptResults) kept.delete(kept.keys().next().value!)
  }

  const get = async (week: Week, signal: AbortSignal): Promise<WeekView | undefined> => {
    const revision = await weeks.revisionOf(week)
    const known = whole.get(week)
    if (known !== undefined) {
      // Without its fund it may be known in a moment: the daemon adds it up by itself.
      if (known.revision === revision && known.view.fundMissing === null) return known.view
      const isSameState = known.view.state === (weeks.stateOf(week) ?? known.view.state)
      if (isSameState && world.monotonicMs() < known.restUntilMs) return known.view
    }
    const begunMs = world.monotonicMs()
    const view = await read(week, signal)
    if (view !== undefined) keep(week, revision, view, begunMs)
    return view
  }

  const resultsOf = async (week: Week, signal: AbortSignal): Promise<KeptResults | undefined> => {
    const known = kept.get(week)
    if (known !== undefined && known.isFundKnown && known.revision === (await weeks.revisionOf(week)))
      return known
    await get(week, signal)
    return kept.get(week)
  }

  const newestWeeks = (maxWeeks: number): Week[] =>
    follower
      .weeks()
      .records.slice(-maxWeeks)
      .map(({ week }) => week)
      .toReversed()

  /** Works out week after week, for whoever asks the next time. */
  const warm = (maxWeeks: number): void => {
    warming ??= (async () => {
      for (const week of newestWeeks(maxWeeks)) await resultsOf(week, stopping.signal)
    })()
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.warn({ err: error }, 'a week could not be worked out')
      })
      .finally(() => (warming = null))
  }

  return {
    get,
    async document(view, signal) {
      await contextsOfWeek(weeks, view.week)
      const { fund } = await fundOf(view, signal)
      return createTallyOfJudged(await inputOf(view, view.epochs, fund))
    },
    async results(seats, maxWeeks, signal) {
      const found = new Map<Seat, SeatWeekResult[]>(seats.map((seat) => [seat, []]))
      const begunMs = world.monotonicMs()
      for (const week of newestWeeks(maxWeeks)) {
        const isPatient = world.monotonicMs() - begunMs < patienceMs
        const results = isPatient ? await resultsOf(week, signal) : kept.get(week)
        if (!isPatient) warm(maxWeeks)
        if (results === undefined) continue
        for (const seat of seats) {
          const index = results.indexBySeat.get(seat)
          if (index === undefined) continue
          found.get(seat)!.push({
            week,
            state: results.state,
            score: results.scores[index]!,
            epochs: results.epochs[index]!,
            amount: results.isFundKnown ? results.amounts[index]! : null,
          })
        }
      }
      return found
    },
    async stop() {
      stopping.abort(new Error('stopping'))
      await warming
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
