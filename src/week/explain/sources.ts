import type { CID } from 'multiformats/cid'
import type { Attestation, Seat, SnapshotRow, VerifyEd25519 } from '../../../protocol/index.ts'
import type { World } from '../../world.ts'
import type { EpochContext } from '../epoch-book.ts'
import type { Weeks } from '../weeks.ts'
import type { FoundEvidence, Recompute } from './checks.ts'

/** Where evidence blocks come from: the own store, else the challenger that made them (R-EVID-1). */
export interface EvidenceSource {
  /**
   * `row` is where the challenger is to be found now, `seenAt` an address at which others saw it. A block that comes
   * over the network is kept. Rejects only when `signal` is aborted.
   */
  find(
    attestation: Attestation,
    row: SnapshotRow,
    seenAt: string | undefined,
    signal: AbortSignal,
  ): Promise<FoundEvidence>
}

/** What an explanation is made from. Made anew for each question: what could not be reached is not asked again. */
export interface ExplainSources extends Weeks {
  /** Its clock bounds how long blocks of evidence are waited for. */
  world: Pick<World, 'setTimer'>
  evidence: EvidenceSource
  verify: VerifyEd25519
  /** Null where no chain node is at hand. */
  recompute: Recompute | null
  /** The seat that this store's node has or had; undefined if it never attested. */
  ownSeat(): Promise<Seat | undefined>
  /** Whether this store's node gave that challenger of its own a receipt. */
  gaveReceipt(context: EpochContext, own: Seat, challenger: Seat): Promise<boolean>
  /** Payload of a checkpoint; undefined if this store does not have it. */
  checkpointPayload(cid: CID): Promise<Uint8Array | undefined>
}
