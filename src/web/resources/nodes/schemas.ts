import { z } from 'zod'
import { EpochNumber, HeightNumber, SeatNumber, Week } from '../../../../protocol/index.ts'
import { named, Count, Amount, StandingWord, pageSchema } from '../../api/schemas.ts'

export const NodeRow = named(
  'Node',
  z.strictObject({
    seat: SeatNumber,
    host: z.string(),
    stake: z.string(),
    peer: z.string(),
    /** `active`: in the snapshot of the present epoch. `waiting`: staked, counts from an epoch to come. */
    state: z.enum(['active', 'waiting', 'retired']),
    /** What the last epoch that is over gave it; null where it was not in its snapshot. */
    outcome: z.string().nullable(),
    standing: StandingWord.nullable(),
    /** Of that epoch. */
    epoch: EpochNumber.nullable(),
    /** Where most challengers saw it. */
    address: z.string().nullable(),
    /** As its endpoint told this node, which probes some nodes only. */
    version: z.string().nullable(),
  }),
)
export type NodeRow = z.infer<typeof NodeRow>
export const NodePage = pageSchema('NodePage', NodeRow)

/** State of a node's TLS certificate, as its challengers found it (R-PROBE-1). */
export const TlsState = named(
  'TlsState',
  z.strictObject({
    seat: SeatNumber,
    host: z.string(),
    /** `unknown`: its challengers did not come as far as the certificate, or nothing was decided. */
    state: z.enum(['valid', 'unreachable', 'invalid', 'unbound', 'unknown']),
    epoch: EpochNumber,
    /** Challengers that say so. */
    challengers: Count,
  }),
)
export type TlsState = z.infer<typeof TlsState>
export const TlsPage = pageSchema('TlsPage', TlsState)

export const NodeDetail = named(
  'NodeDetail',
  z.strictObject({
    ...NodeRow.shape,
    isOwn: z.boolean(),
    p2p: z.int(),
    tls: z.int(),
    /** Where its announcement in force stands in the chain. */
    announced: z.strictObject({ height: HeightNumber, index: Count, at: HeightNumber }),
    activeSince: HeightNumber.nullable(),
    blsKey: z.string().regex(/^[0-9a-f]{96}$/),
    week: z.strictObject({ week: Week, score: Count, epochs: Count, amount: Amount.nullable() }).nullable(),
    certificate: TlsState.nullable(),
  }),
)
export type NodeDetail = z.infer<typeof NodeDetail>
