import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { Attestation } from './attestation.ts'
import { cidOf, type Decoded, decodeCanonical, encodeCanonical } from './codec.ts'
import { maxProofBytes, validateProof } from './equivocation.ts'
import { bytesUpTo, NetworkId, type Seat, Week } from './ids.ts'
import type { VerifyEd25519 } from './signed.ts'
import { accept, reject, type Validation } from './validation.ts'
import { isWeek } from './week.ts'

/** Proofs on a page; every page but a week's last one is full. */
export const maxPageProofs = 128
export const maxPageBytes = maxPageProofs * (maxProofBytes + 3) + 128

/** A week's proofs, one of each equivocator in rising order of seat (R-CP-1). */
export interface ProofPage {
  networkId: NetworkId
  week: Week
  /** As `encodeProof` writes them. */
  proofs: readonly Uint8Array[]
}

const ProofPageRow = z.tuple([
  z.literal('proofs'),
  z.literal(1),
  NetworkId,
  Week.refine(isWeek),
  z.array(bytesUpTo(maxProofBytes)).min(1).max(maxPageProofs),
])

export const encodeProofPage = ({ networkId, week, proofs }: ProofPage): Uint8Array =>
  encodeCanonical(['proofs', 1, networkId, week, proofs])

export const decodeProofPage = (bytes: Uint8Array): Decoded<ProofPage> => {
  const decoded = decodeCanonical(ProofPageRow, bytes, maxPageBytes)
  if (decoded.is === 'bad') return decoded
  const [, , networkId, week, proofs] = decoded.value
  return { is: 'ok', value: { networkId, week, proofs } }
}

/** Cuts a week's proofs (in rising order of seat) into pages, with their ids. */
export const proofPagesOf = (
  networkId: NetworkId,
  week: Week,
  proofs: readonly Uint8Array[],
): { cid: CID; bytes: Uint8Array }[] => {
  const pages: { cid: CID; bytes: Uint8Array }[] = []
  for (let from = 0; from < proofs.length; from += maxPageProofs) {
    const bytes = encodeProofPage({ networkId, week, proofs: proofs.slice(from, from + maxPageProofs) })
    pages.push({ cid: cidOf(bytes), bytes })
  }
  return pages
}

/** Seats that a checkpoint says equivocated in a week, each with its proof. */
export type ListedProofs = ReadonlyMap<Seat, Uint8Array>

/**
 * R-CP-1, R-ATT-3: reads all pages of a week in their order and checks every proof. `keyOf` gives the key of a seat
 * in the snapshot of one of this week's epochs, under its canonical beacon; undefined for every other attestation.
 */
export const readProofPages = (
  networkId: NetworkId,
  week: Week,
  pages: readonly Uint8Array[],
  keyOf: (attestation: Attestation) => Uint8Array | undefined,
  verify: VerifyEd25519,
): Validation<ListedProofs> => {
  const listed = new Map<Seat, Uint8Array>()
  let lastSeat = -1
  for (const [i, bytes] of pages.entries()) {
    const page = decodeProofPage(bytes)
    if (page.is === 'bad') return reject(`proofs-${page.code}`)
    const { proofs } = page.value
    if (page.value.networkId !== networkId || page.value.week !== week)
      return reject('proofs-of-another-week')
    if (i < pages.length - 1 && proofs.length < maxPageProofs) return reject('proofs-not-full')
    for (const proof of proofs) {
      const checked = validateProof(networkId, proof, keyOf, verify)
      // All snapshots of the week are known to whoever asks: an unknown seat is no equivocator of this week.
      if (checked.is !== 'accept') return reject(checked.code)
      const { seat } = checked.value.about
      if (seat <= lastSeat) return reject('proofs-order')
      lastSeat = seat
      listed.set(seat, proof)
    }
  }
  return accept(listed)
}
