import { LRUCache } from 'lru-cache'
import type { DigestedTally, Seat, Week, WeekState } from '../../../protocol/index.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import { createWeekReader, type WeekView } from './week-view.ts'

/** What a week brought to one seat. Amounts in base units; null while the fund is not known. */
export interface SeatWeekResult {
  week: Week
  state: WeekState
  score: number
  epochs: number
  amount: bigint | null
}

export interface WeekViews {
  /** Undefined if no epoch of it is over. A week that moves is worked out again after a rest. */
  get(week: Week, signal: AbortSignal): Promise<WeekView | undefined>
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
  const reader = createWeekReader({ follower, weeks })
  const { world, logger } = daemon.node
  const stopping = new AbortController()
  let warming: Promise<void> | null = null
  const whole = new LRUCache<Week, { revision: string; view: WeekView; restUntilMs: number }>({
    max: maxWholeWeeks,
  })
  const kept = new LRUCache<Week, KeptResults>({ max: maxKeptResults })

  const keep = (week: Week, revision: string, view: WeekView, begunMs: number): void => {
    const tookMs = world.monotonicMs() - begunMs
    whole.set(week, {
      revision,
      view,
      restUntilMs: begunMs + (1 + restPerView) * (tookMs < quickMs ? 0 : tookMs),
    })
    const { seats } = view.tally
    kept.set(week, {
      revision,
      state: view.state,
      isFundKnown: view.fundMissing === null,
      indexBySeat: new Map(seats.map(({ row }, index) => [row.seat, index])),
      scores: Uint16Array.from(seats, ({ score }) => score),
      epochs: Uint16Array.from(seats, (seat) => seat.epochs),
      amounts: BigUint64Array.from(seats, ({ amount }) => amount),
    })
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
    const view = await reader.read(week, signal)
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
    document: (view, signal) => reader.document(view, signal),
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
