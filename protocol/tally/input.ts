import type { CID } from 'multiformats/cid'
import type { Epoch, Height, NetworkId, Seat, Week } from '../ids.ts'
import type { ChainName, Params } from '../params.ts'
import type { Snapshot, SnapshotRow } from '../registry.ts'

/** Where a week stands on its way to the anchor (R-CP). */
export type WeekState = 'open' | 'frozen' | 'certified' | 'anchored' | 'pending'

/** The part of an attestation that the tally reads. */
export interface AttestedVerdicts {
  /** k_e codes, in ring order. */
  verdicts: Uint8Array
  /** One for each verdict 0, in ring order: 4 or 16 bytes. */
  addresses: readonly Uint8Array[]
}

/** The parameters that judge an epoch: those of its week. */
export type JudgingParams = Pick<Params, 'ruleset' | 'committee' | 'maxPerPrefix'>

/** An epoch with its attestations. */
export interface TallyEpoch {
  epoch: Epoch
  /** 32 bytes. */
  beacon: Uint8Array
  snapshot: Snapshot
  /** At each index of the snapshot, the attestation of that seat that is in the set. */
  attestations: readonly (AttestedVerdicts | undefined)[]
}

/** An epoch judged under its week's ruleset (R-TALLY-0…4): a byte a seat, so that a whole week stays in memory. */
export interface JudgedEpoch extends Omit<TallyEpoch, 'attestations'> {
  /** At each index of the snapshot, a code of `outcomeNames`. */
  outcomes: Uint8Array
  /** Number of attestations that count. */
  attested: number
}

/** Everything that the tally of a week depends on. */
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
  /** Income of the week in base units, before `feeReserve`. */
  fund: bigint
  /** Epochs of the week in rising order, including those with an empty snapshot. */
  epochs: readonly JudgedEpoch[]
}

/** A seat's week. */
export interface SeatTally {
  /** As in the last snapshot of the week that has it. */
  row: SnapshotRow
  /** One code of `outcomeNames` for each epoch of the week; `notInSnapshot` where the seat was in no snapshot. */
  outcomes: Uint8Array
  /** Epochs in whose snapshot it was. */
  epochs: number
  /** Credits, before R-ATT-3 takes them. */
  credits: number
  isEquivocator: boolean
  /** R-TALLY-5: credits, 0 for equivocators. */
  score: number
  /** Base units. */
  amount: bigint
}

/** What a ruleset makes of a week (R-TALLY-5…7). Amounts in base units. */
export interface WeekTally {
  /** In rising order of seat. */
  seats: SeatTally[]
  /** Attestations that count, by epoch. */
  attested: number[]
  /** After `feeReserve`. */
  fund: bigint
  paid: bigint
  undistributed: bigint
}
