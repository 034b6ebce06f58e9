import type { CID } from 'multiformats/cid'
import type {
  Checkpoint,
  Epoch,
  HeldAttestation,
  NetworkId,
  ParamsSchedule,
  Seat,
  VerifyEd25519,
  Week,
} from '../../../protocol/index.ts'
import type { EpochBook, EpochContext } from '../epoch-book.ts'
import type { CaseFile } from './case-file.ts'
import type { Check, Recompute } from './checks.ts'

/** What the verifier has himself: his profile, the chain that he followed, and his own store if there is one. */
export interface VerifierFacts {
  network: { name: string; networkId: NetworkId; profile: { schedule: ParamsSchedule } }
  epochs: EpochBook
  verify: VerifyEd25519
  /** Null where no chain node is at hand: digests are then not recomputed. */
  recompute: Recompute | null
  /** What the verifier's own store holds of an epoch; no rows where only a chain is at hand. */
  held(context: EpochContext): Promise<OwnHolding>
  /** The checkpoint that fixed a week, or null while none did. Absent where anchors were not followed. */
  anchorOf?(week: Week): Promise<CID | null>
}

/** Attestations of an epoch in the verifier's own store. */
export interface OwnHolding {
  rows: readonly HeldAttestation[]
  /** The rows are the set that an anchor fixed: what is not among them does not count. */
  isFixed: boolean
}

/** One thing that the file says, and how it stands with it. */
export interface CaseLine {
  /** `assumed`: what is shown rests on it, and nothing can show it yet. */
  is: Check['is'] | 'assumed'
  epoch: Epoch | null
  /** `network`, `beacon`, `seat 3`, … */
  subject: string
  detail: string
}

export interface VerifiedCase {
  /**
   * `fails` if one line does; else `incomplete` if something needed is missing; else `follows` if something is assumed: the
   * file's outcomes follow from what is shown, but that may not be all that counts; else `holds`.
   */
  result: 'holds' | 'follows' | 'fails' | 'incomplete'
  lines: CaseLine[]
}

/** What of a case file holds for every epoch of it. */
export interface CaseSetting {
  file: CaseFile
  facts: VerifierFacts
  /** Seats whose proofs in the file are right. */
  equivocators: ReadonlySet<Seat>
  /** The file's checkpoint, if it can be read. */
  checkpoint: Checkpoint | null
  /** The week is fixed: only what stands under the roots of its checkpoint counts, and what is absent can be proved. */
  isAnchored: boolean
  line: (is: CaseLine['is'], subject: string, detail: string, epoch?: Epoch) => void
}
