import {
  accept,
  equalBytes,
  ignore,
  type ListedProofs,
  listedProofs,
  type Epoch,
  type NetworkId,
  type Seat,
  parseProofPages,
  reject,
  type Validation,
  type VerifyEd25519,
  verifyProof,
  type Week,
} from '../../protocol/index.ts'

/** The keys that seats have in the epochs of a week; an `EpochBook` has them. */
export interface SeatKeys {
  epochsOfWeek(week: Week): Promise<{ first: Epoch; last: Epoch } | null>
  get(
    epoch: Epoch,
  ): Promise<{ beacon: Uint8Array; rowOf(seat: Seat): { peer: Uint8Array } | undefined } | undefined>
}

/** What pages of proofs are checked against. */
export interface PageParts {
  networkId: NetworkId
  epochs: SeatKeys
  verify: VerifyEd25519
}

/**
 * R-CP-1, R-ATT-3: reads the pages of a week that is over and checks every proof with the snapshot of its epoch. The
 * snapshots are read one after the other, since a week may have more of them than fit in memory. `ignore` if one cannot be
 * read: then nothing can be said of the pages.
 */
export const checkProofPages = async (
  { networkId, epochs, verify }: PageParts,
  week: Week,
  pages: readonly Uint8Array[],
): Promise<Validation<ListedProofs>> => {
  const parsed = parseProofPages(networkId, week, pages)
  if (parsed.is !== 'accept') return parsed
  const range = await epochs.epochsOfWeek(week)
  if (range === null) return ignore('equivocation-unknown-epoch')
  for (const [epoch, proofs] of Map.groupBy(parsed.value, ({ about }) => about.epoch)) {
    if (epoch < range.first || epoch > range.last) return reject('equivocation-unknown-seat')
    const context = await epochs.get(epoch)
    if (context === undefined) return ignore('equivocation-unknown-epoch')
    for (const proof of proofs) {
      const { beacon, seat } = proof.about
      const key = equalBytes(context.beacon, beacon) ? context.rowOf(seat)?.peer : undefined
      const verified = verifyProof(networkId, proof, key, verify)
      if (verified.is !== 'accept') return reject(verified.code)
    }
  }
  return accept(listedProofs(parsed.value))
}
