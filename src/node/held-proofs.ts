import { LRUCache } from 'lru-cache'
import {
  encodeProof,
  type EquivocationProof,
  type HeldProof,
  type Seat,
  type Week,
} from '../../protocol/index.ts'
import type { StoredProof } from '../week/ports.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import { equivocatorsOf } from '../week/equivocators.ts'
import type { NodeContext } from './context.ts'

/** Proofs of equivocation that are held (R-ATT-3): one of each seat and week. */
export interface HeldProofs {
  /** Seats with a proof in a week. */
  ofWeek(week: Week): Promise<ReadonlyMap<Seat, StoredProof>>
  /** Whether a proof of the seat is at hand: for validators, which may not wait. */
  isAtHand(week: Week, seat: Seat): boolean
  /**
   * Keeps the first of a seat and week, in memory at once and then in the store. Null if one is held for that week, or if a
   * reorganisation took the beacon away.
   */
  keep(context: EpochContext, seat: Seat, proof: EquivocationProof): Promise<HeldProof | null>
  /** After a reorganisation proofs are read anew: they count under canonical beacons only. */
  forget(): void
}

/** Weeks whose proofs are kept in memory: this one, the one before, and some that somebody asks for. */
const maxProofWeeks = 8

interface ProofsOfWeek {
  read: Promise<Map<Seat, StoredProof>>
  atHand: ReadonlyMap<Seat, StoredProof> | null
}

/** `onCounted` is told of a week as soon as another seat of it stands under no root any more. */
export const createHeldProofs = (node: NodeContext, onCounted: (week: Week) => void): HeldProofs => {
  const { epochs, attestations, chain } = node
  const byWeek = new LRUCache<Week, ProofsOfWeek>({ max: maxProofWeeks })

  const ofWeek = (week: Week): Promise<Map<Seat, StoredProof>> => {
    const known = byWeek.get(week)
    if (known !== undefined) return known.read
    const proofs: ProofsOfWeek = { read: equivocatorsOf(attestations, epochs, week), atHand: null }
    byWeek.set(week, proofs)
    proofs.read.then(
      (bySeat) => (proofs.atHand = bySeat),
      () => byWeek.peek(week) === proofs && byWeek.delete(week),
    )
    return proofs.read
  }

  return {
    ofWeek,
    isAtHand: (week, seat) => byWeek.peek(week)?.atHand?.has(seat) === true,
    async keep(context, seat, proof) {
      const { epoch, beacon, week } = context
      const known = await ofWeek(week)
      if (known.has(seat) || !epochs.isCanonical(context)) return null
      const heldAt = chain.confirmedHeight
      known.set(seat, { epoch, proof: encodeProof(proof), heldAt })
      onCounted(week)
      await attestations.putProof(epoch, beacon, seat, proof, heldAt)
      // Read anew meanwhile, perhaps without this one.
      if (byWeek.has(week) && (await ofWeek(week)) !== known) byWeek.delete(week)
      return { week, seat, epoch, heldAt }
    },
    forget: () => byWeek.clear(),
  }
}
