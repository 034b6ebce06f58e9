import type { CID } from 'multiformats/cid'
import type { Epoch, Height, NetworkId, Seat, Week } from '../ids.ts'
import type { ChainName, Params } from '../params.ts'
import type { Snapshot } from '../registry.ts'

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

/** Everything that a tally depends on. */
export interface TallyInput {
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
  epochs: readonly TallyEpoch[]
}
