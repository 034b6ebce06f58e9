import { sha256 } from '@noble/hashes/sha2.js'
import {
  answerHeadBytes,
  type Attestation,
  bytesToHex,
  type ChallengeTerms,
  checkEntry,
  type DigestCheck,
  encodeSigned,
  equalBytes,
  type EvidenceEntry,
  indexOfSeat,
  type NetworkId,
  readEvidence,
  type Seat,
  type Signed,
  targetsOf,
  validateAttestation,
  type VerifyEd25519,
} from '../../../protocol/index.ts'
import { messageOf } from '../../errors.ts'
import type { EpochContext } from '../epoch-book.ts'

/** One thing that was looked at. */
export interface Check {
  about: 'signature' | 'evidence' | 'receipts' | 'answer' | 'digest' | 'audit'
  /**
   * `missing`: what should be there is not to be had. `unchecked`: it needs something that is not at hand, such as a
   * chain node.
   */
  is: 'holds' | 'fails' | 'missing' | 'unchecked'
  detail: string
}

/** Computes a digest from a chain (R-CHAL-3). Throws what reading the chain throws. */
export type Recompute = (context: EpochContext, terms: ChallengeTerms) => Promise<Uint8Array>

/** R-ATT-6: whether a seat signed this of the epoch, whoever shows it. */
export const checkAttestation = (
  networkId: NetworkId,
  context: EpochContext,
  signed: Signed,
  verify: VerifyEd25519,
): { attestation: Attestation | null; check: Check } => {
  const read = validateAttestation(
    networkId,
    encodeSigned(signed),
    (epoch) =>
      epoch === context.epoch
        ? {
            beacon: context.beacon,
            k: context.committees.k,
            identityOf: (seat) => context.rowOf(seat),
          }
        : { closed: 'of-another-epoch' },
    () => undefined,
    verify,
  )
  return read.is === 'accept'
    ? {
        attestation: read.value.attestation,
        check: { about: 'signature', is: 'holds', detail: 'by the key of the seat' },
      }
    : { attestation: null, check: { about: 'signature', is: 'fails', detail: read.code } }
}

/** An evidence block, or why there is none. */
export type FoundEvidence =
  { is: 'found'; block: Uint8Array; from: 'store' | 'network' | 'file' } | { is: 'missing'; why: string }

/** What the evidence of an attestation shows of one of its targets. */
export interface EvidenceFindings {
  /** The entry about that target. */
  entry: EvidenceEntry | null
  checks: Check[]
}

/**
 * R-EVID-1, R-EVID-2: looks into the block behind an attestation whose own signature was checked: whether it is the
 * right block, every receipt in it, and the entry about `target`, its digest included if there is a `recompute`.
 */
export const checkEvidence = async (
  context: EpochContext,
  attestation: Attestation,
  target: Seat | null,
  found: FoundEvidence,
  verify: VerifyEd25519,
  recompute: Recompute | null,
): Promise<EvidenceFindings> => {
  if (found.is === 'missing') {
    return { entry: null, checks: [{ about: 'evidence', is: 'missing', detail: found.why }] }
  }
  const read = readEvidence(attestation, found.block)
  if (read.is !== 'accept') {
    return { entry: null, checks: [{ about: 'evidence', is: 'fails', detail: read.code }] }
  }
  const { entries } = read.value
  const checks: Check[] = [{ about: 'evidence', is: 'holds', detail: 'the block that the attestation names' }]
  const targets = targetsOf(context.committees, indexOfSeat(context.snapshot, attestation.seat)).map(
    (index) => context.snapshot[index]!,
  )
  const digests: (DigestCheck | null)[] = []
  const badSeats: Seat[] = []
  for (const [i, entry] of entries.entries()) {
    const checked = checkEntry(attestation, targets[i]!, entry, verify)
    digests.push(checked.is === 'accept' ? checked.value : null)
    if (checked.is !== 'accept') badSeats.push(targets[i]!.seat)
  }
  const receipts = digests.filter((digest) => digest !== null).length + badSeats.length
  if (badSeats.length > 0) {
    checks.push({
      about: 'receipts',
      is: 'fails',
      detail: `no receipt that its target signed for ${seatList(badSeats)} (of ${receipts} due)`,
    })
  } else if (receipts > 0) {
    checks.push({ about: 'receipts', is: 'holds', detail: `${receipts} signed by their targets` })
  }
  const position = targets.findIndex(({ seat }) => seat === target)
  const entry = entries[position] ?? null
  if (entry === null) return { entry, checks }
  const answer = checkAnswer(entry, context.committees.k)
  if (answer !== null) checks.push(answer)
  const digest = digests[position] ?? null
  if (digest !== null) checks.push(await checkDigest(context, digest, recompute))
  return { entry, checks }
}

/** A bad answer that is shown whole has the hash that is said of it. */
const checkAnswer = (entry: EvidenceEntry, k: number): Check | null => {
  if (!('response' in entry) || entry.response.length >= answerHeadBytes(k)) return null
  return equalBytes(sha256(entry.response), entry.responseHash)
    ? { about: 'answer', is: 'holds', detail: 'the bad answer is shown whole' }
    : { about: 'answer', is: 'fails', detail: 'the bad answer does not have the hash that is said of it' }
}

/** R-CHAL-5: whether the digest of a receipt is what the verdict says of it. */
export const checkDigest = async (
  context: EpochContext,
  { terms, digest, mustMatch }: DigestCheck,
  recompute: Recompute | null,
): Promise<Check> => {
  if (recompute === null) return { about: 'digest', is: 'unchecked', detail: 'not recomputed' }
  let right: Uint8Array
  try {
    right = await recompute(context, terms)
  } catch (error) {
    return { about: 'digest', is: 'missing', detail: `from the chain: ${messageOf(error)}` }
  }
  const isRight = equalBytes(right, digest)
  if (mustMatch) {
    return isRight
      ? { about: 'digest', is: 'holds', detail: 'recomputed, equal' }
      : {
          about: 'digest',
          is: 'fails',
          detail: `called valid, but the right digest is ${shortHex(right)}, the receipt's ${shortHex(digest)}`,
        }
  }
  return isRight
    ? { about: 'digest', is: 'fails', detail: 'called wrong, but the receipt has the right digest' }
    : { about: 'digest', is: 'holds', detail: `recomputed: the right one is ${shortHex(right)}` }
}

/** The first bytes of a hash, enough for people to compare. */
export const shortHex = (bytes: Uint8Array): string => `${bytesToHex(bytes.subarray(0, 8))}…`

/** `seat 3`, `seats 3, 5 and 7`: at least one, in rising order. */
export const seatList = (seats: readonly Seat[]): string => {
  const sorted = [...seats].sort((a, b) => a - b)
  if (sorted.length === 1) return `seat ${sorted[0]!}`
  return `seats ${sorted.slice(0, -1).join(', ')} and ${sorted.at(-1)!}`
}
