import { z } from 'zod'
import { defineRoute } from '../../api/route.ts'
import { none, paging, OfSeat, WeekPaged, NumberText } from '../../query.ts'
import { ChallengePage, DowntimePage, ExceptionPage } from './schemas.ts'
import {
  weekOrCurrent,
  requireSeat,
  judgedEpoch,
  challengesOfEpoch,
  challengesOfSeat,
  withTimes,
  exceptionsOf,
  downtimesOf,
} from './view.ts'
import { pageOf, noSuchWeek } from '../../view/parts.ts'

export const historyRoutes = [
  defineRoute({
    path: '/nodes/{seat}/challenges',
    summary: 'What challengers said of a node in a week',
    tag: 'nodes',
    params: OfSeat,
    query: WeekPaged,
    answer: ChallengePage,
    async handle({ parts, params: { seat }, query, signal }) {
      await requireSeat(parts, seat)
      return await challengesOfSeat(parts, await weekOrCurrent(parts, query.week, signal), seat, query)
    },
  }),
  defineRoute({
    path: '/nodes/{seat}/exceptions',
    summary: 'What was not as it should be with a node in a week',
    tag: 'nodes',
    params: OfSeat,
    query: WeekPaged,
    answer: ExceptionPage,
    async handle({ parts, params: { seat }, query, signal }) {
      await requireSeat(parts, seat)
      const week = await weekOrCurrent(parts, query.week, signal)
      const page = pageOf(exceptionsOf(week.epochs, week, seat), query, (exception) => exception)
      return await withTimes(parts, page)
    },
  }),
  defineRoute({
    path: '/nodes/{seat}/downtimes',
    summary: 'When a node was not valid in a week: start, end and reason',
    tag: 'nodes',
    params: OfSeat,
    query: WeekPaged,
    answer: DowntimePage,
    async handle({ parts, params: { seat }, query, signal }) {
      await requireSeat(parts, seat)
      const week = await weekOrCurrent(parts, query.week, signal)
      return await downtimesOf(parts, week.epochs, query, signal, seat)
    },
  }),
  defineRoute({
    path: '/challenges',
    summary: 'What all challengers of an epoch said',
    tag: 'history',
    params: none,
    query: z.strictObject({ ...paging, epoch: NumberText.optional() }),
    answer: ChallengePage,
    handle: async ({ parts, query, signal }) =>
      await challengesOfEpoch(parts, await judgedEpoch(parts, query.epoch, signal), query),
  }),
  defineRoute({
    path: '/exceptions',
    summary:
      'What was not as it should be in an epoch: failed verdicts, faults of chains, silence, double signatures',
    tag: 'history',
    params: none,
    query: z.strictObject({ ...paging, epoch: NumberText.optional() }),
    answer: ExceptionPage,
    async handle({ parts, query, signal }) {
      const judged = await judgedEpoch(parts, query.epoch, signal)
      const week = await parts.weekViews.get(judged.context.week, signal)
      if (week === undefined) throw noSuchWeek(judged.context.week)
      const page = pageOf(exceptionsOf([judged], week), query, (exception) => exception)
      return await withTimes(parts, page)
    },
  }),
  defineRoute({
    path: '/downtimes',
    summary: 'When nodes were not valid in a week: start, end and reason, the newest first',
    tag: 'history',
    params: none,
    query: WeekPaged,
    answer: DowntimePage,
    async handle({ parts, query, signal }) {
      const week = await weekOrCurrent(parts, query.week, signal)
      return await downtimesOf(parts, week.epochs, query, signal)
    },
  }),
]
