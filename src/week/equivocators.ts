import type { Epoch, Seat, Week } from '../../protocol/index.ts'
import type { EpochBook } from './epoch-book.ts'
import type { StoredProof } from './ports.ts'

/** Proofs of an epoch under a beacon, as they are kept. */
export interface ProofRows {
  proofs(epoch: Epoch, beacon: Uint8Array): Promise<readonly (StoredProof & { seat: Seat })[]>
}

/** R-ATT-3: the seats with a stored proof in a week, each with the one that was stored first. */
export const equivocatorsOf = async (
  attestations: ProofRows,
  epochs: Pick<EpochBook, 'epochsOfWeek' | 'beaconOf'>,
  week: Week,
): Promise<Map<Seat, StoredProof>> => {
  const proofs = new Map<Seat, StoredProof>()
  const range = await epochs.epochsOfWeek(week)
  if (range === null) return proofs
  for (let epoch = range.first; epoch <= range.last; epoch++) {
    const beacon = await epochs.beaconOf(epoch)
    if (beacon === undefined) continue
    for (const { seat, ...stored } of await attestations.proofs(epoch, beacon)) {
      const known = proofs.get(seat)
      if (known === undefined || stored.heldAt < known.heldAt) proofs.set(seat, stored)
    }
  }
  return proofs
}
