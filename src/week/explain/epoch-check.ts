import type { Attestation, HeldAttestation, Seat } from '../../../protocol/index.ts'
import type { EpochContext } from '../epoch-book.ts'
import type { CaseAttestation, CaseEpoch } from './case-file.ts'
import type { CaseLine, CaseSetting } from './verified-case.ts'

/** One epoch of a case file beside what the verifier knows of it. */
export interface EpochCheck {
  setting: CaseSetting
  context: EpochContext
  claimed: CaseEpoch
  /** Of the seat in the verifier's snapshot. */
  index: number
  /** What the verifier's own store holds. */
  own: readonly HeldAttestation[]
  isFixed: boolean
  /** Attestations of the file whose signatures hold. */
  shownBySeat: Map<Seat, Shown>
  /** Seats of which the file proves what counts of them: an attestation that it shows, or nothing. */
  knownSeats: Set<Seat>
  line: (is: CaseLine['is'], subject: string, detail: string) => void
}

export interface Shown {
  attestation: Attestation
  shown: CaseAttestation
}
