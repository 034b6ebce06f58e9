import {
  type Attestation,
  cidOf,
  encodeAttestation,
  encodeSigned,
  type Finding,
  hash,
  type NetworkId,
  type SignedAttestation,
  signPayload,
  validateAttestation,
  Verdict,
} from '../../protocol/index.ts'
import type { EpochContext } from './epoch-context.ts'
import { signStandIn, verifyStandIn } from './stand-ins.ts'

/**
 * The attestation that a seat makes of its findings, as bytes of the protocol, and judged by the protocol's own
 * validation (R-ATT-6). What that says of the bytes is the same for all nodes, so it is asked once; what differs from
 * node to node (whether the epoch is open there, whether it is known) is asked of each.
 */
export const makeAttestation = (
  networkId: NetworkId,
  context: EpochContext,
  index: number,
  findings: readonly Finding[],
): SignedAttestation & { bytes: number } => {
  const { seat, stake, peer } = context.snapshot[index]!
  const attestation: Attestation = {
    networkId,
    epoch: context.epoch,
    beacon: context.beacon,
    seat,
    stake,
    // Links only spare whoever rebuilds a week some verifications (R-ATT-4).
    previous: null,
    verdicts: Uint8Array.from(findings, ({ evidence }) => evidence.verdict),
    addresses: findings.flatMap(({ evidence, address }) =>
      evidence.verdict === Verdict.valid && address !== null ? [address] : [],
    ),
    // No evidence blocks are made: nobody in this engine lacks receipts.
    evidence: cidOf(hash('stand-in evidence', context.epoch, seat)),
  }
  const payload = encodeAttestation(attestation)
  const signed = signPayload('att', networkId, payload, (message) => signStandIn(peer, message))
  const bytes = encodeSigned(signed)
  const judged = validateAttestation(
    networkId,
    bytes,
    () => ({
      beacon: context.beacon,
      k: context.committees.k,
      identityOf: (named) => context.snapshot[context.indexOfSeat.get(named) ?? -1],
    }),
    () => undefined,
    verifyStandIn,
  )
  if (judged.is !== 'accept') throw new Error(`an attestation that the protocol refuses: ${judged.code}`)
  return { attestation, cid: judged.value.cid, signed, bytes: bytes.length }
}
