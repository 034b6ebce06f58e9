import {
  createProof,
  type Epoch,
  epochRoot,
  equalBytes,
  type EquivocationProof,
  type HeldAttestation,
  type Height,
  type Seat,
  type SignedAttestation,
  stepCollecting,
} from '../../protocol/index.ts'

/** The smallest engine that carries out the steps of collecting: one node, one epoch under one beacon, in a map. */
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
  { is: 'first'; held: HeldAttestation } | { is: 'known' } | { is: 'equivocation'; proof: EquivocationProof }

/** Takes in an attestation whose signature was verified. */
export const collect = (
  { epoch, beacon, bySeat }: CollectedEpoch,
  { attestation, cid, signed }: SignedAttestation,
  heldAt: Height,
): Collected => {
  const { seat } = attestation
  if (attestation.epoch !== epoch || !equalBytes(attestation.beacon, beacon)) {
    throw new Error('an attestation of another epoch')
  }
  const before = bySeat.get(seat)
  const step = stepCollecting('verified', cid, { cid: before?.cid, isProved: false, isOwn: false })
  const held = { seat, cid, signed, heldAt }
  if (step.effects.includes('hold')) {
    bySeat.set(seat, held)
    return { is: 'first', held }
  }
  return step.effects.includes('prove')
    ? { is: 'equivocation', proof: createProof(before!.signed, signed) }
    : { is: 'known' }
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
