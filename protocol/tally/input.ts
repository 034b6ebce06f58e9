import type { CID } from 'multiformats/cid'
import type { Epoch, Height, NetworkId, Seat, Week } from '../ids.ts'
import type { ChainName, Params } from '../params.ts'
import type { Snapshot } from '../registry.ts'
import type { Outcome } from './outcome.ts'

/** Where a week stands (design 2.6). */
export type WeekState = 'open' | 'frozen' | 'certified' | 'anchored' | 'pending'

/** What of an attestation the tally reads. */
export interface AttestedVerdicts {
  /** k_e codes, in ring order. */
  verdicts: Uint8Array
  /** Of each verdict 0, in ring order. */
  addresses: readonly Uint8Array[]
}

export interface TallyEpoch {
  epoch: Epoch
  beacon: Uint8Array
  snapshot: Snapshot
  /** At each index of the snapshot, the attestation of that seat that is in the set. */
  attestations: readonly (AttestedVerdicts | undefined)[]
}

/**
 * An epoch that was judged already (R-TALLY-0…4): a few hundred bytes a seat become one word, so whoever judges epoch
 * after epoch never holds a whole week of attestations.
 */
export interface JudgedEpoch extends Omit<TallyEpoch, 'attestations'> {
  /** At each index of the snapshot. */
  outcomes: readonly Outcome[]
  /** Attestations that count. */
  attested: number
}

/** Everything that a tally depends on, with epochs still to be judged, or judged under the week's ruleset. */
export interface TallyInput<AnEpoch = TallyEpoch> {
  networkId: NetworkId
  chain: ChainName
  week: Week
  state: WeekState
  params: Params
  checkpoint: CID | null
  anchor: { height: Height; hash: Uint8Array } | null
  /** Seats with a listed proof (R-ATT-3). */
  equivocators: ReadonlySet<Seat>
  /** What came in for the week, before `feeReserve`. */
  fund: bigint
  /** Of the week, in rising order, those without a snapshot included. */
  epochs: readonly AnEpoch[]
}
