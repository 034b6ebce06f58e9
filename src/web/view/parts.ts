import type { Epoch, Genesis, Height, Seat } from '../../../protocol/index.ts'
import { epochStart } from '../../../protocol/index.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import type { Moment } from '../api/schemas.ts'
import { silent } from '../../week/seat-words.ts'
import { createPayoutChecks, type PayoutChecks } from './payout-checks.ts'
import { createSeatRegister, type SeatRegister } from './registered-seats.ts'
import { createWeekViews, type WeekViews } from './week-views.ts'

/** What pages and API are made from: the node, and what was worked out of it and kept. */
export interface ViewParts {
  node: AssembledNode
  register: SeatRegister
  weekViews: WeekViews
  payouts: PayoutChecks
  /** Changes whenever an answer may have changed, and only then. */
  stamp(): string
  stop(): Promise<void>
}

export const createViewParts = (node: AssembledNode): ViewParts => {
  const { follower, daemon } = node
  // Answers of an earlier run of the daemon say nothing about this one's.
  const run = Buffer.from(daemon.node.world.randomBytes(6)).toString('hex')
  const register = createSeatRegister(node)
  const weekViews = createWeekViews(node)
  const payouts = createPayoutChecks(node, weekViews)
  return {
    node,
    register,
    weekViews,
    payouts,
    stamp: () => {
      const work = daemon.challenger.state()
      const done = work === null ? 0 : work.targets.filter(({ is }) => is === 'found').length
      const anchored = follower.weeks().records.filter(({ week }) => daemon.finality.anchored.get(week))
      return [
        run,
        follower.confirmedHeight,
        follower.status.is,
        `${work?.stage ?? 'none'}${done}`,
        anchored.length,
        daemon.finality.dueAnchor()?.week ?? '',
        daemon.host.peers().length,
        node.diagnosis.revision(),
        node.alerter.revision(),
        node.weeks.judged.revision(),
        register.revision(),
        payouts.revision(),
      ].join('.')
    },
    async stop() {
      await weekViews.stop()
      await payouts.stop()
    },
  }
}

/** Seconds since 1970 as a time of day in UTC. */
export const isoTime = (seconds: number): string => new Date(seconds * 1_000).toISOString()

export const momentOf = async (
  { node }: ViewParts,
  epoch: Epoch,
  genesis: Genesis = node.network.profile.genesis,
): Promise<Moment> => {
  const height: Height = epochStart(genesis, epoch)
  const seconds = await node.follower.medianTimeAt(height)
  return { epoch, height, time: seconds === undefined ? null : isoTime(seconds) }
}

export const codeOf = (verdict: number): number | null => (verdict === silent ? null : verdict)

/** A part of a list whose members are made as they are shown. */
export interface Page<T> {
  items: T[]
  page: number
  limit: number
  total: number
}

export interface PageQuery {
  page: number
  limit: number
}

export const pageOf = <T, R>(
  all: readonly T[],
  { page, limit }: PageQuery,
  make: (item: T) => R,
): Page<R> => ({
  items: all.slice((page - 1) * limit, page * limit).map(make),
  page,
  limit,
  total: all.length,
})

/** The same where the list is only counted. */
export const pageOfCount = <R>(
  total: number,
  { page, limit }: PageQuery,
  make: (index: number) => R,
): Page<R> => {
  const from = Math.min((page - 1) * limit, total)
  const to = Math.min(page * limit, total)
  return { items: Array.from({ length: to - from }, (_, i) => make(from + i)), page, limit, total }
}

/** Something that is not there: 404, with words for people. */
export class NotFound extends Error {
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.name = 'NotFound'
    this.hint = hint
  }
}

export const noSuchSeat = (seat: Seat): NotFound =>
  new NotFound(`there is no seat ${seat}`, 'Seats count from 0 in the order of their first announcements.')

export const noSuchEpoch = (epoch: Epoch): NotFound =>
  new NotFound(
    `nothing can be told of epoch ${epoch}`,
    'It is not over yet, or this node does not hold it any more.',
  )

export const noSuchWeek = (week: string): NotFound =>
  new NotFound(
    `nothing can be told of week ${week}`,
    'No epoch of it is over, or this node does not hold it any more.',
  )
