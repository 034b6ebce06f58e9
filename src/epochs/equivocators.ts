import type { Seat, Week } from '../../protocol/index.ts'
import type { AttestationStore } from '../store/attestations.ts'
import type { EpochBook } from './epoch-book.ts'

/** R-ATT-3: the seats with a stored proof in a week, with one proof of each. */
export const equivocatorsOf = async (
  attestations: AttestationStore,
  epochs: EpochBook,
  week: Week,
): Promise<Map<Seat, Uint8Array>> => {
  const proofs = new Map<Seat, Uint8Array>()
  const range = await epochs.epochsOfWeek(week)
  if (range === null) return proofs
  for (let epoch = range.first; epoch <= range.last; epoch++) {
    const context = await epochs.get(epoch)
    if (context === undefined) continue
    for (const { seat, proof } of await attestations.proofs(epoch, context.beacon)) {
      if (!proofs.has(seat)) proofs.set(seat, proof)
    }
  }
  return proofs
}
