import { sha256 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import type { Attestation } from './attestation.ts'
import { auditSeed } from './beacon.ts'
import { equalBytes } from './bytes.ts'
import { type ChallengeTerms, checkReceipt, decodeReceipt, maxReceiptBytes } from './challenge.ts'
import { cidOf, decodeCanonical, encodeCanonical } from './codec.ts'
import { bytesOf, bytesUpTo, type Epoch, EpochNumber, NetworkId, type Seat, SeatNumber } from './ids.ts'
import { maxCommittee } from './params.ts'
import { createStream } from './random.ts'
import { decodeSigned, encodeSigned, type Signed, type VerifyEd25519 } from './signed.ts'
import { accept, reject, type Validation } from './validation.ts'
import { Verdict } from './verdict.ts'

/** What stands behind one verdict (R-EVID-1). */
export type EvidenceEntry =
  | { verdict: typeof Verdict.valid; receipt: Signed }
  | { verdict: AnsweredFault; response: Uint8Array; responseHash: Uint8Array }
  | { verdict: Exclude<Verdict, typeof Verdict.valid | AnsweredFault>; seen: string }

/** Faults that the target answered itself into. */
type AnsweredFault = typeof Verdict.wrongDigest | typeof Verdict.badReceipt | typeof Verdict.tlsUnbound

export interface Evidence {
  networkId: NetworkId
  epoch: Epoch
  beacon: Uint8Array
  /** Of the challenger. */
  seat: Seat
  /** One for each verdict, in ring order. */
  entries: readonly EvidenceEntry[]
}

/** Upper bound of an evidence block (R-EVID-1). */
export const maxEvidenceBytes = 16_384
const maxResponseBytes = 1_024
const maxSeenChars = 200

/** Printable ASCII: it ends on an operator's terminal. */
const Seen = z.string().regex(new RegExp(`^[ -~]{0,${maxSeenChars}}$`))
const seenRow = <T extends number>(verdict: T) => z.tuple([z.literal(verdict), Seen])
const answeredRow = <T extends number>(verdict: T) =>
  z.tuple([z.literal(verdict), bytesUpTo(maxResponseBytes), bytesOf(32)])

const EntryRow = z.union([
  z.tuple([z.literal(Verdict.valid), bytesUpTo(maxReceiptBytes), bytesOf(64)]),
  answeredRow(Verdict.wrongDigest),
  answeredRow(Verdict.badReceipt),
  answeredRow(Verdict.tlsUnbound),
  seenRow(Verdict.unresolvable),
  seenRow(Verdict.unreachable),
  seenRow(Verdict.timeout),
  seenRow(Verdict.tlsUnreachable),
  seenRow(Verdict.tlsInvalid),
  seenRow(Verdict.evidenceInvalid),
  seenRow(Verdict.abstain),
])

const EvidenceRow = z.tuple([
  z.literal('evidence'),
  z.literal(1),
  NetworkId,
  EpochNumber,
  bytesOf(32),
  SeatNumber,
  z.array(EntryRow).max(maxCommittee),
])

const entryRow = (entry: EvidenceEntry) => {
  switch (entry.verdict) {
    case Verdict.valid:
      return [entry.verdict, entry.receipt.payload, entry.receipt.signature]
    case Verdict.wrongDigest:
    case Verdict.badReceipt:
    case Verdict.tlsUnbound:
      return [entry.verdict, entry.response, entry.responseHash]
    default:
      return [entry.verdict, entry.seen]
  }
}

/** R-EVID-1: returns the canonical bytes of an evidence block. */
export const encodeEvidence = (evidence: Evidence): Uint8Array =>
  encodeCanonical([
    'evidence',
    1,
    evidence.networkId,
    evidence.epoch,
    evidence.beacon,
    evidence.seat,
    evidence.entries.map(entryRow),
  ])

/** Null for whatever is no canonical evidence block of at most 16 kB. */
export const decodeEvidence = (bytes: Uint8Array): Evidence | null => {
  const decoded = decodeCanonical(EvidenceRow, bytes, maxEvidenceBytes)
  if (decoded.is === 'bad') return null
  const [, , networkId, epoch, beacon, seat, rows] = decoded.value
  const entries = rows.map((row): EvidenceEntry => {
    switch (row[0]) {
      case Verdict.valid:
        return { verdict: row[0], receipt: { payload: row[1], signature: row[2] } }
      case Verdict.wrongDigest:
      case Verdict.badReceipt:
      case Verdict.tlsUnbound:
        return { verdict: row[0], response: row[1], responseHash: row[2] }
      default:
        return { verdict: row[0], seen: row[1] }
    }
  })
  return { networkId, epoch, beacon, seat, entries }
}

/** R-EVID-1: bytes of a bad answer that an entry holds, as many as leave room for the whole committee's. */
export const answerHeadBytes = (k: number): number =>
  Math.min(maxResponseBytes, Math.floor((maxEvidenceBytes - 256) / Math.max(1, k)) - 48)

/** The entry for a bad answer: its first bytes and the hash of all of it. */
export const answeredFault = (verdict: AnsweredFault, response: Uint8Array, k: number): EvidenceEntry => ({
  verdict,
  response: response.slice(0, answerHeadBytes(k)),
  responseHash: sha256(response),
})

/** The entry for what was seen, in at most 200 characters of printable ASCII. */
export const seenFault = (
  verdict: Exclude<Verdict, typeof Verdict.valid | AnsweredFault>,
  seen: string,
): EvidenceEntry => ({ verdict, seen: seenText(seen) })

/** What was seen as it goes to others: printable ASCII, cut short. */
export const seenText = (seen: string): string => seen.replaceAll(/[^ -~]/g, '?').slice(0, maxSeenChars)

/** What an audited attestation was signed about: its epoch's targets, in ring order. */
export interface AuditedTarget {
  seat: Seat
  stake: Uint8Array
  peer: Uint8Array
}

/** A digest that the auditor computes from his own chain: equal must be what is claimed valid, and only that. */
export interface DigestCheck {
  terms: ChallengeTerms
  digest: Uint8Array
  /** True for a verdict 0, false for a verdict 4. */
  mustMatch: boolean
}

export type Audit = { is: 'bad'; code: string } | { is: 'recompute'; checks: readonly DigestCheck[] }

/**
 * Reads the block behind an attestation: the one with its CID, of the same seat, epoch and verdicts (R-EVID-1).
 * Accepts it, or rejects it with a code.
 */
export const readEvidence = (attestation: Attestation, bytes: Uint8Array): Validation<Evidence> => {
  if (!cidOf(bytes).equals(attestation.evidence)) return reject('evidence-other-block')
  const evidence = decodeEvidence(bytes)
  if (evidence === null) return reject('evidence-form')
  const isOfAttestation =
    evidence.networkId === attestation.networkId &&
    evidence.epoch === attestation.epoch &&
    equalBytes(evidence.beacon, attestation.beacon) &&
    evidence.seat === attestation.seat &&
    evidence.entries.length === attestation.verdicts.length &&
    evidence.entries.every((entry, i) => entry.verdict === attestation.verdicts[i])
  return isOfAttestation ? accept(evidence) : reject('evidence-unrelated')
}

/**
 * R-EVID-2 (a) and (b): what an entry about a target must show. An entry 0 or 4 holds a receipt that the target signed
 * for this challenger and epoch, and leaves a digest to be computed; nothing can be checked of the others (null).
 *
 * A code 5 is not judged: its entry cannot say which nonce was asked for, so a good receipt for another nonce, which
 * is a bad answer, would convict the honest challenger that reports it.
 */
export const checkEntry = (
  attestation: Pick<Attestation, 'networkId' | 'epoch' | 'beacon' | 'seat'>,
  target: AuditedTarget,
  entry: EvidenceEntry,
  verify: VerifyEd25519,
): Validation<DigestCheck | null> => {
  const checkReceiptOf = (signed: Signed, mustMatch: boolean): DigestCheck | null => {
    const claimed = decodeReceipt(signed.payload)
    if (claimed === null) return null
    const terms: ChallengeTerms = {
      networkId: attestation.networkId,
      epoch: attestation.epoch,
      beacon: attestation.beacon,
      targetSeat: target.seat,
      targetStake: target.stake,
      challengerSeat: attestation.seat,
      nonce: claimed.nonce,
    }
    if (checkReceipt(terms, target.peer, signed, verify).is !== 'accept') return null
    return { terms, digest: claimed.digest, mustMatch }
  }
  if (entry.verdict === Verdict.valid) {
    const check = checkReceiptOf(entry.receipt, true)
    return check === null ? reject('evidence-receipt') : accept(check)
  }
  if (entry.verdict === Verdict.wrongDigest) {
    const signed = decodeSigned(entry.response, maxReceiptBytes)
    const check = signed.is === 'ok' ? checkReceiptOf(signed.value, false) : null
    return check === null ? reject('evidence-wrong-digest') : accept(check)
  }
  return accept(null)
}

/**
 * R-EVID-2: judges the evidence block of an attestation, all but the digests that only a chain can tell. `bytes` is
 * null if nobody served the block; `targets` are those of the attestation's own epoch; `auditBeacon` is that of the
 * epoch in which the audit takes place, e + 2. An attestation without a verdict 0 passes: it shows nothing.
 */
export const auditEvidence = (
  attestation: Attestation,
  targets: readonly AuditedTarget[],
  bytes: Uint8Array | null,
  auditBeacon: Uint8Array,
  verify: VerifyEd25519,
): Audit => {
  const bad = (code: string): Audit => ({ is: 'bad', code })
  if (!hasReceipts(attestation)) return { is: 'recompute', checks: [] }
  if (bytes === null) return bad('evidence-missing')
  const read = readEvidence(attestation, bytes)
  if (read.is !== 'accept') return bad(read.code)
  const { entries } = read.value
  if (entries.length !== targets.length) return bad('evidence-unrelated')
  const passed: DigestCheck[] = []
  const checks: DigestCheck[] = []
  for (const [i, entry] of entries.entries()) {
    const checked = checkEntry(attestation, targets[i]!, entry, verify)
    if (checked.is !== 'accept') return bad(checked.code)
    if (checked.value !== null) (checked.value.mustMatch ? passed : checks).push(checked.value)
  }
  const drawn = createStream(auditSeed(auditBeacon, attestation.seat)).below(passed.length)
  checks.push(passed[drawn]!)
  return { is: 'recompute', checks }
}

/** Whether an audit is due at all: an attestation without a verdict 0 has nothing to show (R-EVID-2). */
export const hasReceipts = (attestation: Attestation): boolean => attestation.verdicts.includes(Verdict.valid)

/** A signed receipt as the response of a verdict 4. */
export const receiptResponse = (receipt: Signed): Uint8Array => encodeSigned(receipt)
