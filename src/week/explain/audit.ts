import {
  auditEvidence,
  type HeldAttestation,
  indexOfSeat,
  type NetworkId,
  targetsOf,
  type VerifyEd25519,
} from '../../../protocol/index.ts'
import type { EpochContext } from '../epoch-book.ts'
import { type Check, checkAttestation, checkDigest, type FoundEvidence, type Recompute } from './checks.ts'

/** An attestation with the evidence behind it, and the epoch that it is of. */
export interface Audited {
  context: EpochContext
  held: Pick<HeldAttestation, 'signed'>
  evidence: FoundEvidence
}

/** R-EVID-2: does over again what the challengers of the epoch `context` had to audit of a seat. */
export const checkAudit = async (
  networkId: NetworkId,
  context: EpochContext,
  audited: Audited,
  verify: VerifyEd25519,
  recompute: Recompute | null,
): Promise<Check> => {
  const { attestation, check } = checkAttestation(networkId, audited.context, audited.held.signed, verify)
  if (attestation === null) return { ...check, about: 'audit' }
  const { snapshot, committees } = audited.context
  const targets = targetsOf(committees, indexOfSeat(snapshot, attestation.seat)).map(
    (index) => snapshot[index]!,
  )
  const { evidence } = audited
  if (evidence.is === 'missing') {
    return { about: 'audit', is: 'missing', detail: `its evidence is not to be had: ${evidence.why}` }
  }
  const audit = auditEvidence(attestation, targets, evidence.block, context.beacon, verify)
  if (audit.is === 'bad') return { about: 'audit', is: 'fails', detail: audit.code }
  for (const digest of audit.checks) {
    const result = await checkDigest(audited.context, digest, recompute)
    if (result.is === 'holds') continue
    const subject = `its verdict ${digest.mustMatch ? 0 : 4} of seat ${digest.terms.targetSeat}`
    return { about: 'audit', is: result.is, detail: `${subject}: ${result.detail}` }
  }
  return { about: 'audit', is: 'holds', detail: 'every receipt is there, and the drawn digest is right' }
}
