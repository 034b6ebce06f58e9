import { z } from 'zod'
import { EpochNumber } from '../../../../protocol/index.ts'
import { named, Count } from '../../api/schemas.ts'
import { EpochRow } from '../epochs/schemas.ts'
import { Status } from '../server/schemas.ts'

export const Concentration = named(
  'Concentration',
  z.strictObject({
    epoch: EpochNumber.nullable(),
    /** Seats whose address most of their challengers name alike. */
    seats: Count,
    prefixes: z.array(
      z.strictObject({
        /** `/24` and `/16` of IPv4, `/48` and `/32` of IPv6. */
        length: z.enum(['/24', '/16', '/48', '/32']),
        distinct: Count,
        /** The largest ones. */
        top: z.array(z.strictObject({ prefix: z.string(), seats: Count })),
      }),
    ),
  }),
)
export type Concentration = z.infer<typeof Concentration>

export const Versions = named(
  'Versions',
  z.strictObject({
    /** Seats that this node has probed lately. */
    probed: Count,
    versions: z.array(z.strictObject({ version: z.string(), seats: Count })),
    /** Of these seats, how many know a ruleset: whether they are ready for it (R-PROBE-1). */
    rulesets: z.array(z.strictObject({ ruleset: Count, seats: Count })),
  }),
)
export type Versions = z.infer<typeof Versions>

export const NetworkDetail = named(
  'Network',
  z.strictObject({
    id: z.string(),
    name: z.string(),
    chain: z.string(),
    status: Status,
    epochs: z.array(EpochRow),
    concentration: Concentration,
    versions: Versions,
  }),
)
export type NetworkDetail = z.infer<typeof NetworkDetail>
