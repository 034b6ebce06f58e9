import {
  type Epoch,
  outcomeNames,
  indexOfSeat,
  type Seat,
  Verdict,
  type Week,
} from '../../../../protocol/index.ts'
import type { Challenge, Downtime, Exception, SeatEpoch } from './schemas.ts'
import { type JudgedView, outcomeAt, standingOf, wordsAbout } from '../../../week/judged-epoch.ts'
import { isInvalid, silent, wordOfVerdict } from '../../../week/seat-words.ts'
import {
  codeOf,
  momentOf,
  noSuchEpoch,
  noSuchSeat,
  noSuchWeek,
  type Page,
  pageOfCount,
  type PageQuery,
  type ViewParts,
} from '../../view/parts.ts'
import { seatAt } from '../../view/registered-seats.ts'
import type { WeekView } from '../../view/week-view.ts'

/** Weeks that histories go back: as long as evidence is kept (R-EVID-1). */
export const maxWeeksBack = 8

/** The week that is asked for, or the present one. */
export const weekOrCurrent = async (
  parts: ViewParts,
  week: Week | undefined,
  signal: AbortSignal,
): Promise<WeekView> => {
  const { epochs } = parts.node.daemon
  const current = epochs.current()
  const wanted = week ?? (current === null ? undefined : await epochs.weekOf(current))
  const view = wanted === undefined ? undefined : await parts.weekViews.get(wanted, signal)
  // In the first epoch of a week nothing of it is over: then it is the week before that can be told of.
  const before =
    view === undefined && week === undefined && current !== null && current > 0
      ? await epochs.weekOf(current - 1)
      : undefined
  const found = view ?? (before === undefined ? undefined : await parts.weekViews.get(before, signal))
  if (found === undefined) throw noSuchWeek(wanted ?? 'before the activation')
  return found
}

/** Epochs that a page of a node shows: a week of epochs of four hours. */
const maxEpochsShown = 42

/** The epochs of a week, or else the newest ones that are over, oldest first. */
export const epochsShown = async (
  parts: ViewParts,
  week: Week | undefined,
  signal: AbortSignal,
): Promise<readonly JudgedView[]> => {
  if (week !== undefined) return (await weekOrCurrent(parts, week, signal)).epochs
  const current = parts.node.daemon.epochs.current() ?? 0
  const shown: JudgedView[] = []
  for (let epoch = Math.max(0, current - maxEpochsShown); epoch < current; epoch++) {
    const judged = await parts.node.weeks.judged.get(epoch, signal)
    if (judged !== undefined) shown.push(judged)
  }
  return shown
}

export const requireSeat = async (parts: ViewParts, seat: Seat): Promise<void> => {
  if (seatAt(await parts.register.read(), seat) === undefined) throw noSuchSeat(seat)
}

/** Errors: NotFound. */
export const judgedEpoch = async (
  parts: ViewParts,
  epoch: Epoch | undefined,
  signal: AbortSignal,
): Promise<JudgedView> => {
  const current = parts.node.daemon.epochs.current()
  const wanted = epoch ?? (current === null ? 0 : current - 1)
  const isOver = current !== null && wanted >= 0 && wanted < current
  const view = isOver ? await parts.node.weeks.judged.get(wanted, signal) : undefined
  if (view === undefined) throw noSuchEpoch(wanted)
  return view
}

export const seatEpoch = async (parts: ViewParts, judged: JudgedView, seat: Seat): Promise<SeatEpoch> => {
  const index = indexOfSeat(judged.snapshot, seat)
  const outcome = outcomeAt(judged, index) ?? null
  return {
    epoch: judged.epoch,
    week: judged.context.week,
    outcome,
    standing: outcome === null ? null : standingOf(outcome),
    isOpen: judged.isOpen,
    start: await momentOf(parts, judged.epoch),
    words:
      index === -1
        ? []
        : wordsAbout(judged, index).map(({ challenger, verdict }) => ({
            challenger,
            verdict: codeOf(verdict),
            said: wordOfVerdict(verdict),
          })),
  }
}

type Untimed<T extends { time: unknown }> = Omit<T, 'time'>

/** Every word of an epoch, seat by seat, without making a list of them: the largest network has 440,000. */
export const challengesOfEpoch = (
  parts: ViewParts,
  judged: JudgedView,
  query: PageQuery,
): Promise<Page<Challenge>> => {
  const { k } = judged.context.committees
  const page = pageOfCount(judged.snapshot.length * k, query, (at) => {
    const index = Math.floor(at / k)
    const word = wordsAbout(judged, index)[at % k]!
    return challengeOf(judged, judged.snapshot[index]!.seat, word)
  })
  return withTimes(parts, page)
}

export const challengesOfSeat = (
  parts: ViewParts,
  week: WeekView,
  seat: Seat,
  query: PageQuery,
): Promise<Page<Challenge>> => {
  const all = week.epochs.flatMap((judged) => {
    const index = indexOfSeat(judged.snapshot, seat)
    return index === -1 ? [] : wordsAbout(judged, index).map((word) => challengeOf(judged, seat, word))
  })
  return withTimes(
    parts,
    pageOfCount(all.length, query, (at) => all[at]!),
  )
}

/** With the time at which the epoch of each began. */
export const withTimes = async <T extends { epoch: Epoch | null }>(
  parts: ViewParts,
  { items, ...page }: Page<T>,
): Promise<Page<T & { time: string | null }>> => {
  const timed: (T & { time: string | null })[] = []
  for (const item of items) {
    timed.push({ ...item, time: item.epoch === null ? null : (await momentOf(parts, item.epoch)).time })
  }
  return { items: timed, ...page }
}

const challengeOf = (
  judged: JudgedView,
  seat: Seat,
  { challenger, verdict }: { challenger: Seat; verdict: number },
): Untimed<Challenge> => ({
  epoch: judged.epoch,
  seat,
  challenger,
  verdict: codeOf(verdict),
  said: wordOfVerdict(verdict),
})

/** What was not as it should be in these epochs; of one seat, or of all. */
export const exceptionsOf = (
  epochs: readonly JudgedView[],
  week: WeekView,
  seat?: Seat,
): Untimed<Exception>[] => {
  const found: Untimed<Exception>[] = []
  for (const { row, isEquivocator } of week.tally.seats) {
    if (!isEquivocator || (seat !== undefined && row.seat !== seat)) continue
    found.push({
      kind: 'equivocation',
      epoch: null,
      week: week.week,
      seat: row.seat,
      challenger: null,
      said: 'signed two attestations of one epoch',
    })
  }
  for (const judged of epochs) {
    const only = seat === undefined ? null : indexOfSeat(judged.snapshot, seat)
    if (only !== null) {
      if (only !== -1) found.push(...exceptionsOfSeat(judged, only))
      continue
    }
    for (let index = 0; index < judged.snapshot.length; index++)
      found.push(...exceptionsOfSeat(judged, index))
  }
  return found
}

const exceptionsOfSeat = (judged: JudgedView, index: number): Untimed<Exception>[] => {
  const { k } = judged.context.committees
  const outcome = outcomeAt(judged, index)!
  const isSilent = outcome === 'valid: not attested'
  const isAbstaining = outcome === 'valid: abstained'
  // Most seats of most epochs have none: no list is made for them.
  const isAccused = judged.said.subarray(index * k, index * k + k).some(isInvalid)
  if (!isAccused && !isSilent && !isAbstaining) return []
  const about = { epoch: judged.epoch, week: judged.context.week, seat: judged.snapshot[index]!.seat }
  const found: Untimed<Exception>[] = wordsAbout(judged, index)
    .filter(({ verdict }) => isInvalid(verdict))
    .map(({ challenger, verdict }) => ({
      ...about,
      kind: verdict === Verdict.wrongDigest ? 'chain' : 'verdict',
      challenger,
      said: wordOfVerdict(verdict),
    }))
  if (isSilent) {
    found.push({ ...about, kind: 'silent', challenger: null, said: 'no attestation of its own counts' })
  }
  if (isAbstaining) {
    found.push({ ...about, kind: 'abstained', challenger: null, said: 'abstained on most of its targets' })
  }
  return found
}

/** Epochs in a row in which a seat was not valid, for one reason. */
interface Run {
  seat: Seat
  host: string
  reason: string
  from: Epoch
  to: Epoch
}

const runsByWeek = new WeakMap<readonly JudgedView[], Run[]>()

/** Of all seats, in the order in which they began; worked out once for a list of epochs. */
const runsOf = (epochs: readonly JudgedView[]): Run[] => {
  const known = runsByWeek.get(epochs)
  if (known !== undefined) return known
  const runs: Run[] = []
  const lastBySeat = new Map<Seat, Run>()
  for (const judged of epochs) {
    for (const [index, code] of judged.outcomes.entries()) {
      const outcome = outcomeNames[code]!
      if (outcome === 'credited' || outcome.startsWith('valid')) continue
      const { seat, host } = judged.snapshot[index]!
      const last = lastBySeat.get(seat)
      if (last !== undefined && last.to === judged.epoch - 1 && last.reason === outcome) {
        last.to = judged.epoch
        continue
      }
      const run = { seat, host, reason: outcome, from: judged.epoch, to: judged.epoch }
      lastBySeat.set(seat, run)
      runs.push(run)
    }
  }
  runsByWeek.set(epochs, runs)
  return runs
}

/** Downtimes as intervals of the chain's own time, newest first; of one seat, or of all. */
export const downtimesOf = async (
  parts: ViewParts,
  epochs: readonly JudgedView[],
  query: PageQuery,
  signal: AbortSignal,
  seat?: Seat,
): Promise<Page<Downtime>> => {
  const runs = runsOf(epochs).filter((run) => seat === undefined || run.seat === seat)
  const newest = (parts.node.daemon.epochs.current() ?? 0) - 1
  const [first, last] = [epochs[0]?.epoch, epochs.at(-1)?.epoch]
  const isSoIn = async (epoch: Epoch, run: Pick<Run, 'seat' | 'reason'>): Promise<boolean> => {
    const judged = epoch < 0 || epoch > newest ? undefined : await parts.node.weeks.judged.get(epoch, signal)
    return judged !== undefined && outcomeAt(judged, indexOfSeat(judged.snapshot, run.seat)) === run.reason
  }
  const { items, ...page } = pageOfCount(runs.length, query, (i) => runs[runs.length - 1 - i]!)
  const downtimes: Downtime[] = []
  for (const { from, to, ...run } of items) {
    downtimes.push({
      ...run,
      epochs: to - from + 1,
      start: await momentOf(parts, from),
      end: to >= newest ? null : await momentOf(parts, to + 1),
      isCutAtStart: from === first && (await isSoIn(from - 1, run)),
      isCutAtEnd: to === last && (await isSoIn(to + 1, run)),
    })
  }
  return { items: downtimes, ...page }
}

/** The challengers of an epoch that say otherwise than valid, of a seat. */
export const accusersOf = (epoch: SeatEpoch): SeatEpoch['words'] =>
  epoch.words.filter(({ verdict }) => isInvalid(verdict ?? silent))
