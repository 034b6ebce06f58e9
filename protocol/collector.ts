import type { CID } from 'multiformats/cid'
import type { SignedAttestation } from './attestation.ts'
import { equalBytes } from './bytes.ts'
import { createProof, type EquivocationProof } from './equivocation.ts'
import type { Epoch, Height, Seat } from './ids.ts'
import { epochRoot } from './merkle.ts'
import type { Signed } from './signed.ts'

/** An attestation that is held, and since when (R-CP-3). */
export interface HeldAttestation {
  seat: Seat
  cid: CID
  signed: Signed
  /** Confirmed height at which it was first held. */
  heldAt: Height
}

/** What is collected of one epoch under one beacon. */
export interface CollectedEpoch {
  epoch: Epoch
  beacon: Uint8Array
  bySeat: Map<Seat, HeldAttestation>
}

export const createCollectedEpoch = (epoch: Epoch, beacon: Uint8Array): CollectedEpoch => ({
  epoch,
  beacon,
  bySeat: new Map(),
})

export type Collected =
  | { is: 'first'; held: HeldAttestation }
  | { is: 'known' }
  /** R-ATT-3: a second payload of the same seat, epoch and beacon. */
  | { is: 'equivocation'; proof: EquivocationProof }

/** Takes in an attestation whose signature was verified. The first of a seat is held; another one makes a proof. */
export const collect = (
  collected: CollectedEpoch,
  received: SignedAttestation,
  height: Height,
): Collected => {
  const { attestation, cid, signed } = received
  if (attestation.epoch !== collected.epoch || !equalBytes(attestation.beacon, collected.beacon)) {
    throw new Error('an attestation of another epoch')
  }
  const known = collected.bySeat.get(attestation.seat)
  if (known === undefined) {
    const held = { seat: attestation.seat, cid, signed, heldAt: height }
    collected.bySeat.set(attestation.seat, held)
    return { is: 'first', held }
  }
  if (known.cid.equals(cid)) return { is: 'known' }
  return { is: 'equivocation', proof: createProof(known.signed, signed) }
}

/**
 * The attestations that stand in an epoch, in rising order of seat: those of seats without a proof (R-ATT-3). What
 * an equivocator signed first differs from node to node; without it, nodes that hold the same agree.
 */
export const standingAttestations = (
  collected: CollectedEpoch,
  equivocators: ReadonlySet<Seat>,
): HeldAttestation[] =>
  [...collected.bySeat.values()]
    .filter((held) => !equivocators.has(held.seat))
    .sort((a, b) => a.seat - b.seat)

/** R-SYNC-1: root(e) over what stands. */
export const rootOfStanding = (standing: readonly HeldAttestation[]): Uint8Array => epochRoot(standing)

/** R-SYNC-1: a bit for each seat of the snapshot, in its order, least significant bit first. */
export const bitfieldOf = (length: number, isHeld: (index: number) => boolean): Uint8Array => {
  const bits = new Uint8Array(Math.ceil(length / 8))
  for (let i = 0; i < length; i++) if (isHeld(i)) bits[i >> 3] = bits[i >> 3]! | (1 << (i & 7))
  return bits
}

export const hasBit = (bitfield: Uint8Array, index: number): boolean =>
  ((bitfield[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
