import { z } from 'zod'
import { EpochNumber, Week } from '../../../../protocol/index.ts'
import { named, Count, Hex32, Moment, pageSchema } from '../../api/schemas.ts'

export const Standings = named(
  'Standings',
  z.strictObject({ credited: Count, valid: Count, undecided: Count, invalid: Count }),
)

export const EpochRow = named(
  'Epoch',
  z.strictObject({
    epoch: EpochNumber,
    week: Week,
    start: Moment,
    beacon: Hex32,
    seats: Count,
    attested: Count,
    isOpen: z.boolean(),
    isFixed: z.boolean(),
    standings: Standings,
  }),
)
export type EpochRow = z.infer<typeof EpochRow>
export const EpochPage = pageSchema('EpochPage', EpochRow)
