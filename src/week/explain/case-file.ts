import { base64 } from '@scure/base'
import { z } from 'zod'
import {
  bytesToHex,
  type CanonicalJson,
  canonicalJson,
  EpochNumber,
  Fund,
  Genesis,
  hexToBytes,
  isWeek,
  maxAttestationBytes,
  maxCheckpointBytes,
  maxCommittee,
  maxEvidenceBytes,
  maxProofBytes,
  NetworkId,
  Params,
  SeatNumber,
  Week,
} from '../../../protocol/index.ts'
import { lineOf, messageOf } from '../../errors.ts'

/**
 * R-CASE-1: one seat's week with everything that a stranger needs beside the chain to judge it: `explain --export` writes it,
 * `explain --verify` trusts none of it. Canonical JSON (RFC 8785) and a line feed; bytes are base64, hashes and stakes
 * hex, amounts decimal texts.
 */
export const caseFormat = 'secnode-case-1'

/** A week of a committee of 48 with the largest evidence there can be is 45 MB. */
export const maxCaseBytes = 64 * 1024 * 1024

/** A week has at most 2,016 epochs, of four blocks of 75 seconds. */
const maxEpochs = 2_016
/** Whose attestations decide a seat's outcome: its challengers, its targets' and those of one seat more; or a small network. */
export const maxDeciders = 4 * maxCommittee
/** Paths are as long as the tree of 2^32 leaves is high. */
const maxPath = 32

const Base64 = (maxBytes: number) =>
  z
    .string()
    .max(4 * Math.ceil(maxBytes / 3))
    .transform((text, context): Uint8Array => {
      try {
        const bytes = base64.decode(text)
        if (bytes.length <= maxBytes && base64.encode(bytes) === text) return bytes
      } catch {
        // Said below.
      }
      context.addIssue({ code: 'custom', message: `must be canonical base64 of at most ${maxBytes} bytes` })
      return z.NEVER
    })

const Hex = (length: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${2 * length}}$`), { error: `must be ${2 * length} hex digits` })
    .transform((text): Uint8Array => hexToBytes(text))

const AmountText = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,15})$/, { error: 'must be base units in decimal' })
  .transform((text) => BigInt(text))

const FundText = z.union([z.strictObject({ kind: z.literal('fixed'), amount: AmountText }), Fund.options[0]])

const CaseAttestation = z.strictObject({
  payload: Base64(maxAttestationBytes),
  signature: Base64(64),
  /** Of the seat itself and its challengers, unless it was not to be had. */
  evidence: Base64(maxEvidenceBytes).nullable(),
  /** Where it stands under the epoch's root in `checkpoint` (R-CP-7). */
  inclusion: z.strictObject({ index: SeatNumber, path: z.array(Hex(32)).max(maxPath) }).nullable(),
})
export type CaseAttestation = z.output<typeof CaseAttestation>

const Leaf = z.strictObject({
  payload: Base64(maxAttestationBytes),
  index: SeatNumber,
  path: z.array(Hex(32)).max(maxPath),
})

/** That nothing of a seat stands under the epoch's root in `checkpoint`: the leaves on both sides of it (R-CP-7). */
const CaseAbsence = z.strictObject({ seat: SeatNumber, before: Leaf.nullable(), after: Leaf.nullable() })
export type CaseAbsence = z.output<typeof CaseAbsence>

const CaseRow = z.strictObject({
  seat: SeatNumber,
  stake: Hex(20),
  peer: z.string().max(64),
  host: z.string().max(71),
  p2p: z.int().min(1).max(65_535),
  tls: z.int().min(1).max(65_535),
})

const Seats = z.array(SeatNumber).max(maxCommittee)

const CaseEpoch = z.strictObject({
  epoch: EpochNumber,
  beacon: Hex(32),
  /** Seats in the snapshot. */
  seats: SeatNumber,
  /** Attestations that count in the whole epoch. */
  attested: SeatNumber,
  outcome: z.string().max(64),
  /** Rows of the snapshot of all seats named here, in rising order. */
  rows: z.array(CaseRow).max(maxDeciders + maxCommittee),
  /** In ring order, the nearest first. */
  challengers: Seats,
  targets: Seats,
  /** Of all whose word has a part in the outcome, in rising order of seat. */
  attestations: z.array(CaseAttestation).max(maxDeciders),
  /** Of all others whose word would have a part, in rising order of seat; none without a checkpoint. */
  absences: z.array(CaseAbsence).max(maxDeciders),
  /** The attestation of epoch − 2 that its challengers audited, if any of them found it wanting (R-EVID-2). */
  audited: CaseAttestation.nullable(),
})
export type CaseEpoch = z.output<typeof CaseEpoch>

export const CaseFile = z.strictObject({
  format: z.literal(caseFormat),
  network: NetworkId,
  genesis: Genesis.extend({ minStake: AmountText }),
  /** Those of the week. */
  params: Params.extend({ anchorBond: AmountText, feeReserve: AmountText, fund: FundText }),
  week: Week.refine(isWeek, { error: 'must be a week that exists' }),
  seat: SeatNumber,
  /** Payload of the checkpoint that fixed the week; null while nothing did. */
  checkpoint: Base64(maxCheckpointBytes).nullable(),
  epochs: z.array(CaseEpoch).min(1).max(maxEpochs),
  /** Proofs of equivocation against seats whose attestations would else have a part. */
  proofs: z.array(Base64(maxProofBytes)).max(maxDeciders * 64),
})
export type CaseFile = z.output<typeof CaseFile>

/** Bytes as base64 but for the fields that are hex. */
const attestationJson = ({ payload, signature, evidence, inclusion }: CaseAttestation): CanonicalJson => ({
  payload: base64.encode(payload),
  signature: base64.encode(signature),
  evidence: evidence === null ? null : base64.encode(evidence),
  inclusion:
    inclusion === null
      ? null
      : { index: inclusion.index, path: inclusion.path.map((hash) => bytesToHex(hash)) },
})

const leafJson = (leaf: CaseAbsence['before']): CanonicalJson =>
  leaf === null
    ? null
    : {
        payload: base64.encode(leaf.payload),
        index: leaf.index,
        path: leaf.path.map((hash) => bytesToHex(hash)),
      }

const epochJson = (epoch: CaseEpoch): CanonicalJson => ({
  ...epoch,
  beacon: bytesToHex(epoch.beacon),
  rows: epoch.rows.map((row) => ({ ...row, stake: bytesToHex(row.stake) })),
  attestations: epoch.attestations.map(attestationJson),
  absences: epoch.absences.map(({ seat, before, after }) => ({
    seat,
    before: leafJson(before),
    after: leafJson(after),
  })),
  audited: epoch.audited === null ? null : attestationJson(epoch.audited),
})

const paramsJson = (params: Params): CanonicalJson => ({
  ...params,
  anchorBond: params.anchorBond.toString(),
  feeReserve: params.feeReserve.toString(),
  fund:
    params.fund.kind === 'fixed' ? { ...params.fund, amount: params.fund.amount.toString() } : params.fund,
})

export const formatCase = (file: CaseFile): string =>
  `${canonicalJson({
    ...file,
    genesis: { ...file.genesis, minStake: file.genesis.minStake.toString() },
    params: paramsJson(file.params),
    checkpoint: file.checkpoint === null ? null : base64.encode(file.checkpoint),
    epochs: file.epochs.map(epochJson),
    proofs: file.proofs.map((proof) => base64.encode(proof)),
  })}\n`

export type ReadCase = { is: 'ok'; file: CaseFile } | { is: 'bad'; detail: string }

/** Reads somebody's file: its shape, its bounds, and that it is written as `formatCase` writes it. */
export const readCase = (text: string): ReadCase => {
  if (text.length > maxCaseBytes) return { is: 'bad', detail: `is larger than ${maxCaseBytes} bytes` }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return { is: 'bad', detail: `is no JSON: ${messageOf(error)}` }
  }
  const parsed = CaseFile.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    const path = issue.path.map(String).join('.')
    return { is: 'bad', detail: lineOf(path === '' ? issue.message : `${path}: ${issue.message}`) }
  }
  return formatCase(parsed.data) === text
    ? { is: 'ok', file: parsed.data }
    : { is: 'bad', detail: 'is not written canonically' }
}
