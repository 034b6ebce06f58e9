import { z } from 'zod'
import { EpochNumber, HeightNumber, SeatNumber, Week } from '../../../../protocol/index.ts'
import {
  named,
  Count,
  Amount,
  SignedAmount,
  Hex32,
  CidText,
  WeekState,
  Text,
  pageSchema,
} from '../../api/schemas.ts'
import { EpochRow } from '../epochs/schemas.ts'

export const Payout = named(
  'Payout',
  z.strictObject({
    state: z.enum(['not due', 'no thread', 'waiting', 'unpaid', 'paid', 'differs', 'unknown']),
    detail: Text.nullable(),
    due: Amount.nullable(),
    paid: Amount.nullable(),
    difference: SignedAmount.nullable(),
    txids: z.array(Hex32),
    faults: z.array(Text),
    checkedAt: HeightNumber.nullable(),
  }),
)

export const WeekRow = named(
  'WeekRow',
  z.strictObject({
    week: Week,
    state: WeekState,
    first: EpochNumber,
    last: EpochNumber.nullable(),
    /** Height at which it freezes (R-CP-1); null while it runs. */
    freeze: HeightNumber.nullable(),
    anchor: z
      .strictObject({
        height: HeightNumber,
        hash: Hex32,
        index: Count,
        week: Week,
        view: Count,
        checkpoint: CidText,
      })
      .nullable(),
  }),
)
export type WeekRow = z.infer<typeof WeekRow>
export const WeekPage = pageSchema('WeekPage', WeekRow)

export const WeekDetail = named(
  'Week',
  z.strictObject({
    ...WeekRow.shape,
    /** R-CP-4; null where this node knows of none. */
    certificate: z
      .strictObject({ view: Count, checkpoint: CidText, votes: Count, certifiers: Count.nullable() })
      .nullable(),
    /** SHA-256 of the canonical document; null until the anchored set is complete here. */
    digest: Hex32.nullable(),
    totals: z.strictObject({
      fund: Amount.nullable(),
      paid: Amount.nullable(),
      undistributed: Amount.nullable(),
      seats: Count,
      paidSeats: Count,
      score: Count,
    }),
    fundMissing: Text.nullable(),
    equivocators: z.array(SeatNumber),
    epochs: z.array(EpochRow),
    payout: Payout,
  }),
)
export type WeekDetail = z.infer<typeof WeekDetail>

export const WeekSeat = named(
  'WeekSeat',
  z.strictObject({
    seat: SeatNumber,
    host: z.string(),
    stake: z.string(),
    score: Count,
    epochs: Count,
    equivocator: z.boolean(),
    amount: Amount.nullable(),
    paid: Amount.nullable(),
    payment: z.string(),
    /** What took credits, the most frequent first. */
    reasons: z.array(z.strictObject({ outcome: z.string(), epochs: Count })),
  }),
)
export type WeekSeat = z.infer<typeof WeekSeat>
export const WeekSeatPage = pageSchema('WeekSeatPage', WeekSeat)
