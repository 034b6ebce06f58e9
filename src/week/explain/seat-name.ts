import {
  equalBytes,
  type Seat,
  type SnapshotRow,
  stakeOfAddress,
  type Week,
} from '../../../protocol/index.ts'
import { SecnodeError } from '../../errors.ts'
import type { EpochContext } from '../epoch-book.ts'
import type { ExplainSources } from './sources.ts'

/** How a person names a node; `own` is the node whose store is asked. */
export type SeatName =
  { is: 'seat'; seat: Seat } | { is: 'host'; host: string } | { is: 'stake'; address: string } | { is: 'own' }

/** Errors: EXPLAIN_SEAT (exit code 2) for a name that is nobody's or several's in the week. */
export const resolveSeat = async (
  sources: ExplainSources,
  contexts: readonly EpochContext[],
  name: SeatName,
  week: Week,
): Promise<Seat> => {
  const fits = await fitOf(sources, name)
  const found = new Set<Seat>()
  for (const { snapshot } of contexts) for (const row of snapshot) if (fits(row)) found.add(row.seat)
  const [seat, ...others] = found
  if (seat !== undefined && others.length === 0) return seat
  throw new SecnodeError(
    'EXPLAIN_SEAT',
    seat === undefined
      ? `no such node is in a snapshot of ${week}`
      : `that host stands for the seats ${[...found].join(', ')}`,
    {
      exitCode: 2,
      hint:
        seat === undefined
          ? 'See who is with `secnode tally --week`; a node counts from the third epoch after its announcement on.'
          : 'Name one of them with --seat.',
    },
  )
}

const fitOf = async (sources: ExplainSources, name: SeatName): Promise<(row: SnapshotRow) => boolean> => {
  switch (name.is) {
    case 'seat':
      return (row) => row.seat === name.seat
    case 'host':
      return (row) => row.host === name.host
    case 'stake': {
      const stake = stakeOfAddress(sources.genesis.chain, name.address)
      if (stake === null) {
        throw new SecnodeError(
          'EXPLAIN_SEAT',
          `${name.address} is no P2PKH address of ${sources.genesis.chain}`,
          { exitCode: 2, hint: 'Write the transparent address that holds the stake.' },
        )
      }
      return (row) => equalBytes(row.stake, stake)
    }
    case 'own': {
      const own = await sources.ownSeat()
      if (own === undefined) {
        throw new SecnodeError('EXPLAIN_SEAT', 'this store does not say whose it is', {
          exitCode: 2,
          hint: 'Name a node with --seat, --host or --stake.',
        })
      }
      return (row) => row.seat === own
    }
  }
}
