import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { Attestation } from './attestation.ts'
import { cidOf, type Decoded, decodeCanonical, encodeCanonical } from './codec.ts'
import { maxProofBytes, type ReadProof, readProof, verifyProof } from './equivocation.ts'
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

/** A proof as it stands on a page. */
export interface PageProof extends ReadProof {
  bytes: Uint8Array
}

/**
 * R-CP-1: reads all pages of a week in their order; the signatures of the proofs are not checked. Accepts them, or
 * rejects them with a code.
 */
export const parseProofPages = (
  networkId: NetworkId,
  week: Week,
  pages: readonly Uint8Array[],
): Validation<readonly PageProof[]> => {
  const listed: PageProof[] = []
  for (const [i, page] of pages.entries()) {
    const decoded = decodeProofPage(page)
    if (decoded.is === 'bad') return reject(`proofs-${decoded.code}`)
    const { proofs } = decoded.value
    if (decoded.value.networkId !== networkId || decoded.value.week !== week)
      return reject('proofs-of-another-week')
    if (i < pages.length - 1 && proofs.length < maxPageProofs) return reject('proofs-not-full')
    for (const bytes of proofs) {
      const read = readProof(networkId, bytes)
      if (read.is !== 'accept') return read
      if (read.value.about.seat <= (listed.at(-1)?.about.seat ?? -1)) return reject('proofs-order')
      listed.push({ ...read.value, bytes })
    }
  }
  return accept(listed)
}

/**
 * R-CP-1, R-ATT-3: reads all pages of a week and checks every proof. `keyOf` gives the key of a seat in the snapshot of
 * one of this week's epochs, under its canonical beacon; undefined for every other attestation. All snapshots of the week
 * are at hand: an unknown seat is no equivocator of this week.
 */
export const readProofPages = (
  networkId: NetworkId,
  week: Week,
  pages: readonly Uint8Array[],
  keyOf: (attestation: Attestation) => Uint8Array | undefined,
  verify: VerifyEd25519,
): Validation<ListedProofs> => {
  const parsed = parseProofPages(networkId, week, pages)
  if (parsed.is !== 'accept') return parsed
  for (const proof of parsed.value) {
    const verified = verifyProof(networkId, proof, keyOf(proof.about), verify)
    if (verified.is !== 'accept') return reject(verified.code)
  }
  return accept(listedProofs(parsed.value))
}

/** Returns the bytes of proofs by seat. */
export const listedProofs = (proofs: readonly PageProof[]): ListedProofs =>
  new Map(proofs.map(({ about, bytes }) => [about.seat, bytes]))
