import type { CID } from 'multiformats/cid'
import type { ClosedEpoch } from './attestation.ts'
import { type ChainTip, whyClosed, whyRefused } from './epoch.ts'
import type { Epoch, Height, Seat } from './ids.ts'
import type { Genesis } from './params.ts'
import type { Signed } from './signed.ts'
import { accept, ignore, ignoreUnverified, reject, type Validation } from './validation.ts'

/*
 * What becomes of an attestation or a proof that comes to a node, as step functions (R-ATT-3…6). What a node holds of an
 * epoch is large, and each engine keeps it in flat arrays of its own: so a step is given what is known of the one seat,
 * and what changes is among the effects. Steps return constants, since a node of a large network takes 120,000
 * attestations an epoch, and the simulator those of all its nodes.
 */

/** An attestation that is held, and since when (R-CP-3). */
export interface HeldAttestation {
  seat: Seat
  cid: CID
  signed: Signed
  /** Confirmed height at which it was first held. */
  heldAt: Height
}

/**
 * Where something comes from decides until when its epoch is open: gossip until it closes, sync until its week's set is
 * fixed, what a certifier asks for always.
 */
export type CollectingSource = 'gossip' | 'sync' | 'certifier'

/** What a node knows of its chain at the moment at which something comes. */
export interface CollectingChain {
  genesis: Genesis
  confirmedHeight: Height
  /** Asked for what gossip brings only. */
  tip(): ChainTip
  /** Whether sync still compares this epoch. */
  isCompared(epoch: Epoch): boolean
}

/** Of an epoch that is not read yet: it may be open, once it is. */
export const unknownEpoch: ClosedEpoch = { closed: 'unknown' }
const lateEpoch: ClosedEpoch = { closed: 'late' }

const refusedBy = (source: CollectingSource, epoch: Epoch, chain: CollectingChain): ClosedEpoch | null => {
  if (source !== 'gossip') return null
  const refused = whyRefused(chain.genesis, epoch, chain.tip())
  return refused === null ? null : { refused }
}

/**
 * R-ATT-6: why no attestation of an epoch is taken from a source at this moment; null if it is. `isKnown`: the epoch's
 * beacon and snapshot are at hand. If `unknownEpoch` is returned, whoever can read them asks again.
 */
export const whyNotTaken = (
  source: CollectingSource,
  epoch: Epoch,
  isKnown: boolean,
  chain: CollectingChain,
): ClosedEpoch | null => {
  const refused = refusedBy(source, epoch, chain)
  if (refused !== null) return refused
  const closed = whyClosed(chain.genesis, epoch, chain.confirmedHeight)
  if (closed !== null && (source === 'gossip' || !isKnown)) return { closed }
  if (!isKnown) return unknownEpoch
  return source === 'sync' && !chain.isCompared(epoch) ? lateEpoch : null
}

/** R-ATT-6: why no proof of equivocation of an epoch is taken; null if it is. Gossip brings them as long as sync. */
export const whyNoProofTaken = (
  source: CollectingSource,
  epoch: Epoch,
  chain: CollectingChain,
): ClosedEpoch | null => {
  const refused = refusedBy(source, epoch, chain)
  if (refused !== null) return refused
  return source !== 'certifier' && !chain.isCompared(epoch) ? lateEpoch : null
}

/** What a node knows of the seat of an attestation, for its epoch and beacon, when something happens to that one. */
export interface CollectedSeat {
  /** The CID of what is held of it. */
  cid: CID | undefined
  /** A proof of it is held for the week. Looked up only where another payload is held. */
  isProved: boolean
  /** It is this node's own seat, by this node's key. */
  isOwn: boolean
}

/** What becomes known of an attestation on its way in. */
export type CollectingEvent =
  /** All checks of R-ATT-6 before that of the signature are passed (`readAttestation`). */
  | 'read'
  /** Its signature was verified (R-ATT-4), or not. */
  | 'verified'
  | 'forged'
  /** Its signature was verified, and it stands under an anchored root. */
  | 'anchored'
  /** This node signed it, and publishes it now (R-ATT-5). */
  | 'own'

/** Carried out one after the other. */
export type CollectingEffect =
  | 'verify'
  /** It is what is held of its seat from this very moment on, and counts in roots, bits and answers (R-SYNC-1). */
  | 'hold'
  /** Never sign another one of this epoch; if this store did not sign it, another daemon runs with the key (R-ATT-7). */
  | 'record-own'
  | 'store'
  /** Make a proof of it and of what is held (R-ATT-3): a new one is kept and published. */
  | 'prove'

export interface CollectingStep {
  effects: readonly CollectingEffect[]
  /** What is said of the attestation once the effects are carried out; null while a signature is verified. */
  validation: Validation | null
}

const verify: CollectingStep = { effects: ['verify'], validation: null }
const hold: CollectingStep = { effects: ['hold', 'store'], validation: accept(undefined) }
const holdOwn: CollectingStep = { effects: ['hold', 'record-own', 'store'], validation: accept(undefined) }
const prove: CollectingStep = { effects: ['prove'], validation: ignore('attestation-equivocation') }
const proveOwn: CollectingStep = { ...prove, effects: ['record-own', 'prove'] }
const leave = (validation: Validation): CollectingStep => ({ effects: [], validation })
const leaveKnown = leave(ignore('attestation-known'))
const leaveEquivocator = leave(ignoreUnverified('attestation-of-equivocator'))
const leaveForged = leave(reject('attestation-signature'))
const leaveOtherBranch = leave(ignore('attestation-beacon'))
const leaveOther = leave(ignore('attestation-other-held'))

/**
 * One step with an attestation. `seat` is what is known at the moment of the event, and null once a reorganisation took
 * the beacon away: then nothing exists any more for the rules (R-ATT-2).
 */
export const stepCollecting = (
  event: CollectingEvent,
  cid: CID,
  seat: CollectedSeat | null,
): CollectingStep => {
  if (event === 'forged') return leaveForged
  if (seat === null) return leaveOtherBranch
  const isFirst = seat.cid === undefined
  if (event === 'anchored' || (isFirst && event !== 'read')) return seat.isOwn ? holdOwn : hold
  if (isFirst) return verify
  if (seat.cid!.equals(cid)) return leaveKnown
  switch (event) {
    case 'read':
      return seat.isProved ? leaveEquivocator : verify
    case 'verified':
      return seat.isOwn ? proveOwn : prove
    case 'own':
      return leaveOther
  }
}

export type ProofEvent =
  /** All that needs no key is checked, and the epoch is on this branch. */
  | 'read'
  /** Both signatures are right. */
  | 'verified'

export type ProofEffect = 'verify' | 'record-own' | 'keep'

export interface ProofStep {
  effects: readonly ProofEffect[]
  validation: Validation | null
}

const verifyBoth: ProofStep = { effects: ['verify'], validation: null }
const keep: ProofStep = { effects: ['keep'], validation: accept(undefined) }
const keepOwn: ProofStep = { ...keep, effects: ['record-own', 'keep'] }
const leaveProved: ProofStep = { effects: [], validation: ignoreUnverified('equivocation-known') }
/** What is said of a proof if `keep` finds that one of its seat was kept meanwhile. */
export const keptMeanwhile: Validation = ignore('equivocation-known')

/** One step with a proof of equivocation: one of a seat and week is enough, and is passed on once (R-ATT-3). */
export const stepProof = (event: ProofEvent, seat: Pick<CollectedSeat, 'isProved' | 'isOwn'>): ProofStep => {
  if (event === 'read') return seat.isProved ? leaveProved : verifyBoth
  return seat.isOwn ? keepOwn : keep
}
