import { defineRoute } from '../../api/route.ts'
import { none, Paged, OfWeek } from '../../query.ts'
import { weekOrCurrent } from '../history/view.ts'
import { WeekPage, WeekDetail, WeekSeatPage } from './schemas.ts'
import { listWeeks, weekDetail, weekSeats } from './view.ts'

export const weeksRoutes = [
  defineRoute({
    path: '/weeks',
    summary: 'Weeks, the newest first',
    tag: 'weeks',
    params: none,
    query: Paged,
    answer: WeekPage,
    handle: ({ parts, query }) => listWeeks(parts, query),
  }),
  defineRoute({
    path: '/weeks/{week}',
    summary: 'A week: state, certificate, anchor, tally, payout',
    tag: 'weeks',
    params: OfWeek,
    query: none,
    answer: WeekDetail,
    handle: ({ parts, params, signal }) => weekDetail(parts, params.week, signal),
  }),
  defineRoute({
    path: '/weeks/{week}/seats',
    summary: 'The tally of a week, seat by seat',
    tag: 'weeks',
    params: OfWeek,
    query: Paged,
    answer: WeekSeatPage,
    async handle({ parts, params, query, signal }) {
      return await weekSeats(parts, await weekOrCurrent(parts, params.week, signal), query, signal)
    },
  }),
]
