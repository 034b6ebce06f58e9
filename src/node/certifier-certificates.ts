import {
  bytesToHex,
  type Certificate,
  decodeCertificate,
  ignoreUnverified,
  judgeCertificate,
  reject,
  type Validation,
} from '../../protocol/index.ts'
import { createAllowance } from '../async/allowance.ts'
import type { Bls } from '../keys/bls.ts'
import type { CheckpointStore } from '../store/checkpoints.ts'
import type { CertifierWork } from './certifier-work.ts'
import type { NodeContext } from './context.ts'

/**
 * Certificates that one sender may have checked. Each costs a pairing, and one that does not hold is nobody's fault; but an
 * honest node passes on one of a week on each branch that it follows, and its own.
 */
const certificateAllowance = { burst: 16, everyMs: 60_000, maxNames: 4_096 }

/** The way in of certificates. */
export interface CertificateDoor {
  /** From gossip, which somebody passed on, or as the answer to a question. */
  take(bytes: Uint8Array, passedOnBy: Uint8Array | null): Promise<Validation>
  /** Stores one that is right. */
  keep(bytes: Uint8Array): Promise<void>
}

export const createCertificateDoor = (
  node: NodeContext,
  checkpoints: Pick<CheckpointStore, 'putCertificate'>,
  bls: Bls,
  certifying: () => CertifierWork | null,
  onCertificate: (work: CertifierWork, certificate: Certificate) => void,
): CertificateDoor => {
  const checks = createAllowance(certificateAllowance, node.world)

  const keep = async (bytes: Uint8Array): Promise<void> => {
    const decoded = decodeCertificate(bytes)
    if (decoded.is === 'ok') await checkpoints.putCertificate(node.networkId, decoded.value.certificate)
  }

  const take = async (bytes: Uint8Array, passedOnBy: Uint8Array | null): Promise<Validation> => {
    const work = certifying()
    const decoded = decodeCertificate(bytes)
    if (decoded.is === 'bad' || decoded.value.networkId !== node.networkId) {
      return { is: 'reject', code: 'certificate-form' }
    }
    if (work === null || decoded.value.certificate.week !== work.week) {
      return ignoreUnverified('certificate-not-awaited')
    }
    if (passedOnBy !== null && work.state.certified === null) {
      if (!checks.take(bytesToHex(passedOnBy))) return reject('certificate-flood')
    }
    const judged = judgeCertificate(work.state, decoded.value.certificate, bls)
    if (judged.is !== 'accept') return judged
    onCertificate(work, decoded.value.certificate)
    await keep(bytes)
    return { is: 'accept', value: undefined }
  }

  return { take, keep }
}
