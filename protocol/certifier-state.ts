import type { CID } from 'multiformats/cid'
import type { Certificate } from './certificate.ts'
import type { CheckpointFrame } from './checkpoint.ts'
import type { ProposalAnswer } from './checkpoint-messages.ts'
import type { Epoch, Height, Seat, Week } from './ids.ts'
import type { Listing } from './listing.ts'
import type { Params } from './params.ts'
import type { ProposingEffect, ProposingEvent, ProposingState } from './proposing.ts'
import type { ReviewEffect, ReviewEvent, ReviewState } from './review.ts'
import type { Senior } from './seniors.ts'
import type { VoidedAnchor } from './voided.ts'

/** What one node has to do for one frozen week; fixed by the chain up to block F. */
export interface CertifierDuty {
  seat: Seat
  frame: CheckpointFrame
  /** Height of block F. */
  freeze: Height
  seniors: readonly Senior[]
  /** Beacon of the epoch that begins with block F. */
  beacon: Uint8Array
  params: Pick<Params, 'certifiers' | 'viewBlocks' | 'anchorBlocks'>
  /** R-NET-4: checkpoints that it neither votes for nor takes certificates of; none if absent. */
  voided?: readonly VoidedAnchor[]
}

/** A proof of equivocation that the node holds. */
export interface HeldProof {
  week: Week
  seat: Seat
  epoch: Epoch
  /** Confirmed height at which it was stored. If that is below F, every proposal must list the seat (R-CP-3). */
  heldAt: Height
}

/** A vote that was recorded before it was sent. */
export interface RecordedVote {
  view: number
  checkpoint: CID
}

/**
 * The work of one node on one week as a step function (R-CP-2…5). The shell feeds it confirmed heights, messages and
 * what its effects found, and carries out the effects. Never changed in place.
 */
export interface CertifierState {
  duty: CertifierDuty
  /** Last confirmed height; view v is open from F + v · viewBlocks on. */
  height: Height
  /** Certifiers of every open view, by position. */
  views: readonly (readonly Senior[])[]
  votes: readonly RecordedVote[]
  proofs: readonly HeldProof[]
  /** Payloads that were found right: text of the CID. */
  agreed: ReadonlySet<string>
  /** By text of the CID, with those who wait for an answer. */
  reviews: ReadonlyMap<string, Review>
  /** Reviews that a proposer of a view has caused, by `<view>:<seat>`. */
  reviewsCaused: ReadonlyMap<string, number>
  proposing: ProposingState | null
  certified: { certificate: Certificate; turn: Height | null; isPosted: boolean } | null
  isOver: boolean
}

/** A proposal under examination. */
export interface Review {
  state: ReviewState
  /** In order of arrival; the first is asked for what is missing. */
  askers: readonly { seat: Seat; view: number }[]
}

/** What a certifier hears of one frozen week. */
export type CertifierEvent =
  | { is: 'height'; height: Height }
  /** A proposal that names this seat, over a stream that ends at the key which is registered for it. */
  | { is: 'proposed'; from: Seat; view: number; payload: Uint8Array }
  | { is: 'review'; checkpoint: CID; event: ReviewEvent }
  /** `agrees`: the own holding would vote for it (`ChosenContents.isOwn` of every epoch). */
  | { is: 'built'; cid: CID; payload: Uint8Array; agrees: boolean; listing: Listing }
  /** One answer of everybody who was asked; null for silence. The own vote comes from the own seat. */
  | { is: 'answered'; from: Seat; view: number; checkpoint: CID; answer: ProposalAnswer | null }
  | Extract<ProposingEvent, { is: 'gathered' }>
  | { is: 'aggregated'; view: number; checkpoint: CID; signature: Uint8Array }
  | { is: 'proof'; proof: HeldProof }
  /** Heard in gossip or from a peer, not checked yet. */
  | { is: 'certificate'; certificate: Certificate }
  /** The week is fixed, or its window is over. */
  | { is: 'over' }

/** What a certifier is to do, in the order given. */
export type CertifierEffect =
  | { is: 'answer'; to: Seat; view: number; checkpoint: CID; answer: ProposalAnswer }
  /** Record (view, checkpoint) durably, then sign `message` and answer with the vote, to `to` or as an own answer. */
  | { is: 'vote'; to: Seat; view: number; checkpoint: CID; message: Uint8Array }
  /** Part of a review; what has to be fetched is asked of `from`. */
  | { is: 'review'; checkpoint: CID; from: Seat; effect: ReviewEffect }
  /** `build` uses `chooseListing` and `chooseContents`, and lists every proof that is held. */
  | { is: 'propose'; effect: ProposingEffect }
  | { is: 'aggregate'; view: number; checkpoint: CID; signatures: readonly Uint8Array[] }
  | { is: 'publish'; certificate: Uint8Array }
  /** A certificate is known: from `turn` on this node posts it if it can. For the operator, and to check the wallet. */
  | { is: 'anchor-due'; memo: string; turn: Height | null }
  | { is: 'post-anchor'; memo: string }

export interface CertifierStep {
  state: CertifierState
  effects: readonly CertifierEffect[]
}
