import {
  cidOf,
  encodeAttestation,
  encodeEvidence,
  equalBytes,
  type Finding,
  type Signed,
  signPayload,
  type SnapshotRow,
  Verdict,
} from '../../protocol/index.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { NodeContext } from './context.ts'

/** An attestation that was signed, on disk with its evidence. */
export interface SignedAttestationOf {
  signed: Signed
  verdicts: Uint8Array
}

/**
 * Signs the attestation of an epoch (R-ATT-1) and writes it down with its evidence before it resolves. Null if something
 * was signed under this beacon already (R-ATT-5), or if a reorganisation took the beacon away (R-CHAIN-2).
 */
export const signAttestation = async (
  node: NodeContext,
  context: EpochContext,
  own: SnapshotRow,
  findings: readonly Finding[],
): Promise<SignedAttestationOf | null> => {
  const { networkId } = node
  const { epoch, beacon } = context
  // Never two signatures for one epoch and beacon, whatever brought us here (R-ATT-5).
  if ((await node.attestations.ownSigned(epoch, beacon)) !== undefined) return null
  const said = await node.conduct.attested(context, findings)
  // What was found under a beacon that is gone accuses nobody (R-CHAIN-2).
  if (!node.epochs.isCanonical(context)) return null
  const entries = said.map((finding) => finding.evidence)
  const evidence = encodeEvidence({ networkId, epoch, beacon, seat: own.seat, entries })
  const previous = await node.attestations.lastOwnBefore(epoch, async (of, under) => {
    const canonical = await node.epochs.beaconOf(of)
    return canonical !== undefined && equalBytes(canonical, under)
  })
  const verdicts = Uint8Array.from(entries, ({ verdict }) => verdict)
  const payload = encodeAttestation({
    networkId,
    epoch,
    beacon,
    seat: own.seat,
    stake: own.stake,
    previous: previous === undefined ? null : cidOf(previous.signed.payload),
    verdicts,
    addresses: said.flatMap(({ evidence: entry, address }) =>
      entry.verdict === Verdict.valid && address !== null ? [address] : [],
    ),
    evidence: cidOf(evidence),
  })
  const signed = signPayload('att', networkId, payload, node.keys.sign)
  const operations = node.evidence.putOperations(epoch, evidence)
  const isFirst = await node.attestations.putOwnSigned(epoch, beacon, signed, operations)
  return isFirst ? { signed, verdicts } : null
}
