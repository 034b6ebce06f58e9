import {
  certifiersOfView,
  hasBit,
  outcomeOf,
  reversedHex,
  type Seat,
  type SeatTally,
  type Week,
  type WeekRecord,
} from '../../../../protocol/index.ts'
import type { WeekDetail, WeekRow, WeekSeat } from './schemas.ts'
import { noSuchWeek, type Page, pageOf, type PageQuery, type ViewParts } from '../../view/parts.ts'
import type { PayoutCheck } from '../../view/payout-checks.ts'
import { weekOrCurrent } from '../history/view.ts'
import type { WeekView } from '../../view/week-view.ts'
import { epochRow } from '../epochs/view.ts'

/** Every week that has begun, newest first. */
export const listWeeks = (parts: ViewParts, query: PageQuery): Page<WeekRow> => {
  const records = parts.node.follower.weeks().records.toReversed()
  return pageOf(records, query, (record) => weekRow(parts, record))
}

const weekRow = ({ node }: ViewParts, record: WeekRecord): WeekRow => ({
  week: record.week,
  state: node.daemon.finality.stateOf(record.week) ?? 'open',
  first: record.first,
  last: record.last,
  freeze: record.freeze?.height ?? null,
  anchor:
    record.anchor === null
      ? null
      : {
          height: record.anchor.height,
          hash: reversedHex(record.anchor.blockHash),
          index: record.anchor.index,
          week: record.anchor.week,
          view: record.anchor.view,
          checkpoint: record.anchor.checkpoint.toString(),
        },
})

export const weekDetail = async (parts: ViewParts, week: Week, signal: AbortSignal): Promise<WeekDetail> => {
  const view = await weekOrCurrent(parts, week, signal)
  if (view.record === undefined) throw noSuchWeek(week)
  const { tally } = view
  const isFundKnown = view.fundMissing === null
  const amount = (value: bigint): string | null => (isFundKnown ? value.toString() : null)
  return {
    ...weekRow(parts, view.record),
    certificate: await certificateOf(parts, view),
    digest: view.digest,
    totals: {
      fund: amount(tally.fund),
      paid: amount(tally.paid),
      undistributed: amount(tally.undistributed),
      seats: tally.seats.length,
      paidSeats: tally.seats.filter((seat) => seat.amount > 0n).length,
      score: tally.seats.reduce((sum, { score }) => sum + score, 0),
    },
    fundMissing: view.fundMissing,
    equivocators: tally.seats.filter(({ isEquivocator }) => isEquivocator).map(({ row }) => row.seat),
    epochs: await Promise.all(view.epochs.map((judged) => epochRow(parts, judged))),
    payout: payoutOf(await parts.payouts.get(week, signal)),
  }
}

/** R-CP-4: how many of the view's certifiers signed. Whose votes they were is forgotten once the week is anchored. */
const certificateOf = async ({ node }: ViewParts, view: WeekView): Promise<WeekDetail['certificate']> => {
  const record = view.record!
  const known = await node.daemon.checkpoints.certificate(record.anchor?.week ?? view.week)
  if (known === undefined) return null
  const { genesis, schedule } = node.network.profile
  const rules = { genesis, networkId: node.network.networkId, schedule }
  const certifiers = record.list === null ? null : certifiersOfView(rules, record, known.view).length
  const votes = Array.from({ length: 8 * known.signers.length }, (_, i) => hasBit(known.signers, i))
  return {
    view: known.view,
    checkpoint: known.checkpoint.toString(),
    votes: votes.filter(Boolean).length,
    certifiers,
  }
}

export const payoutOf = (check: PayoutCheck): WeekDetail['payout'] => ({
  state: check.state,
  detail: check.detail,
  due: check.due?.toString() ?? null,
  paid: check.paid?.toString() ?? null,
  difference: check.due === null || check.paid === null ? null : (check.paid - check.due).toString(),
  txids: [...check.txids],
  faults: [...check.faults],
  checkedAt: check.checkedAt,
})

export const weekSeats = async (
  parts: ViewParts,
  view: WeekView,
  query: PageQuery,
  signal: AbortSignal,
): Promise<Page<WeekSeat>> => {
  const check = await parts.payouts.get(view.week, signal)
  const registered = await parts.register.read()
  return pageOf(view.tally.seats, query, (seat) =>
    weekSeat(view, check, seat, (number) => {
      const record = registered.seats[number]
      return record === undefined ? '' : registered.addressOf(record)
    }),
  )
}

const weekSeat = (
  view: WeekView,
  check: PayoutCheck,
  seat: SeatTally,
  stakeOf: (seat: Seat) => string,
): WeekSeat => {
  const counts = new Map<string, number>()
  for (const code of seat.outcomes) {
    const outcome = outcomeOf(code)
    if (outcome !== null && outcome !== 'credited') counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
  const payee = check.bySeat.get(seat.row.seat)
  // That nobody was paid yet is no seat's own trouble.
  const isUnpaid = check.state === 'unpaid' || check.state === 'waiting'
  const withoutPayee = check.paid === null && seat.amount > 0n ? check.state : 'not due'
  return {
    seat: seat.row.seat,
    host: seat.row.host,
    stake: stakeOf(seat.row.seat),
    score: seat.score,
    epochs: seat.epochs,
    equivocator: seat.isEquivocator,
    amount: view.fundMissing === null ? seat.amount.toString() : null,
    paid: check.paid === null ? null : (payee?.paid ?? 0n).toString(),
    payment: payee === undefined ? withoutPayee : isUnpaid ? check.state : payee.state,
    reasons: [...counts]
      .map(([outcome, epochs]) => ({ outcome, epochs }))
      .sort((a, b) => b.epochs - a.epochs || (a.outcome < b.outcome ? -1 : 1)),
  }
}
