import type { Seat, Week } from '../../../../protocol/index.ts'
import type { Earning } from './schemas.ts'
import type { ViewParts } from '../../view/parts.ts'
import { readRegister } from '../nodes/view.ts'
import { seatAt } from '../../view/registered-seats.ts'
import { maxWeeksBack } from '../history/view.ts'

/** What the newest weeks brought to seats, newest first, with what the chain shows of it. */
export const earningsOf = async (
  parts: ViewParts,
  seats: readonly Seat[],
  signal: AbortSignal,
): Promise<Earning[]> => {
  const { registered } = await readRegister(parts, signal)
  const results = await parts.weekViews.results(seats, maxWeeksBack, signal)
  const earnings: Earning[] = []
  for (const [seat, weeks] of results) {
    const record = seatAt(registered, seat)
    if (record === undefined) continue
    for (const { week, state, score, epochs, amount } of weeks) {
      const payment = amount === 0n ? nothingDue : await paymentOf(parts, week, state, seat, signal)
      earnings.push({
        seat,
        stake: registered.addressOf(record),
        week,
        state,
        score,
        epochs,
        amount: amount === null ? null : amount.toString(),
        ...payment,
      })
    }
  }
  return earnings.sort((a, b) => (a.week === b.week ? a.seat - b.seat : a.week < b.week ? 1 : -1))
}

const nothingDue: Pick<Earning, 'paid' | 'payment' | 'txids'> = { paid: null, payment: 'not due', txids: [] }

const paymentOf = async (
  parts: ViewParts,
  week: Week,
  state: Earning['state'],
  seat: Seat,
  signal: AbortSignal,
): Promise<Pick<Earning, 'paid' | 'payment' | 'txids'>> => {
  if (state !== 'anchored') return nothingDue
  const check = await parts.payouts.get(week, signal)
  const payee = check.bySeat.get(seat)
  if (payee === undefined) return { paid: check.paid === null ? null : '0', payment: check.state, txids: [] }
  // That nobody was paid yet is not this seat's own trouble.
  const payment = check.state === 'differs' ? payee.state : check.state
  return { paid: payee.paid.toString(), payment, txids: [...payee.txids] }
}
