import { z } from 'zod'
import { defineRoute } from '../../api/route.ts'
import { none, Stakes, paging, Paged, OfSeat, WeekText } from '../../query.ts'
import { requireSeat } from '../history/view.ts'
import { earningsOf } from './view.ts'
import { EarningPage, PaymentPage } from './schemas.ts'
import { seatsOfStakes, readRegister } from '../nodes/view.ts'
import { pageOf } from '../../view/parts.ts'

export const moneyRoutes = [
  defineRoute({
    path: '/nodes/{seat}/earnings',
    summary: 'What the newest weeks brought a node',
    tag: 'nodes',
    params: OfSeat,
    query: Paged,
    answer: EarningPage,
    async handle({ parts, params: { seat }, query, signal }) {
      await requireSeat(parts, seat)
      return pageOf(await earningsOf(parts, [seat], signal), query, (earning) => earning)
    },
  }),
  defineRoute({
    path: '/earnings',
    summary: 'What the newest weeks brought own nodes',
    tag: 'money',
    params: none,
    query: z.strictObject({ ...paging, stake: Stakes }),
    answer: EarningPage,
    async handle({ parts, query, signal }) {
      const seats = seatsOfStakes(parts, query.stake)
      return pageOf(await earningsOf(parts, seats, signal), query, (earning) => earning)
    },
  }),
  defineRoute({
    path: '/payments',
    summary: 'What the chain shows of the payout of a week, seat by seat',
    description:
      '`stake` names own nodes; what all weeks brought them, and how it was paid, says `/earnings`.',
    tag: 'money',
    params: none,
    query: z.strictObject({ ...paging, week: WeekText, stake: Stakes.optional() }),
    answer: PaymentPage,
    async handle({ parts, query, signal }) {
      const { bySeat } = await parts.payouts.get(query.week, signal)
      const { registered } = await readRegister(parts, signal)
      const own = query.stake === undefined ? null : new Set(seatsOfStakes(parts, query.stake))
      const wanted = [...bySeat].filter(([seat]) => own === null || own.has(seat))
      return pageOf(wanted, query, ([seat, { due, paid, state, txids }]) => {
        const record = registered.seats[seat]
        return {
          week: query.week,
          seat,
          stake: record === undefined ? '' : registered.addressOf(record),
          due: due.toString(),
          paid: paid.toString(),
          state,
          txids: [...txids],
        }
      })
    },
  }),
]
