import { z } from 'zod'
import { SeatNumber, Week } from '../../../../protocol/index.ts'
import { named, Count, Amount, Hex32, WeekState, pageSchema } from '../../api/schemas.ts'

export const Earning = named(
  'Earning',
  z.strictObject({
    seat: SeatNumber,
    stake: z.string(),
    week: Week,
    state: WeekState,
    /** Credits that count, of the epochs in whose snapshot the seat was. */
    score: Count,
    epochs: Count,
    /** What the tally gives; of a week without an anchor as it stands now. Null while the fund is not known. */
    amount: Amount.nullable(),
    /** What the chain shows; null where it was not checked. */
    paid: Amount.nullable(),
    payment: z.string(),
    /** Transactions that paid it. */
    txids: z.array(Hex32),
  }),
)
export type Earning = z.infer<typeof Earning>
export const EarningPage = pageSchema('EarningPage', Earning)

export const Payment = named(
  'Payment',
  z.strictObject({
    week: Week,
    seat: SeatNumber,
    stake: z.string(),
    due: Amount,
    paid: Amount,
    state: z.enum(['exact', 'short', 'over', 'missing', 'duplicated']),
    /** Transactions that paid it. */
    txids: z.array(Hex32),
  }),
)
export type Payment = z.infer<typeof Payment>
export const PaymentPage = pageSchema('PaymentPage', Payment)
