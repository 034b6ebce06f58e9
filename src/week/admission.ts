import {
  attestationMessage,
  type Epoch,
  type HeldAttestation,
  type Height,
  type NetworkId,
  readAttestation,
  type Validation,
} from '../../protocol/index.ts'
import type { EpochContext } from './epoch-book.ts'
import type { AsyncVerifier } from './ports.ts'

/** Takes an attestation that stands under an anchored root into a store: in place of what else is held of its seat. */
export type Admit = (context: EpochContext, bytes: Uint8Array) => Promise<Validation<unknown>>

/** Where attestations are kept. */
export interface AttestationRows {
  put(epoch: Epoch, beacon: Uint8Array, held: readonly HeldAttestation[]): Promise<void>
}

/** For a store that no daemon has open; R-ATT-4: a payload comes in with its own valid signature only. */
export const createAdmission =
  (
    networkId: NetworkId,
    attestations: AttestationRows,
    verifier: AsyncVerifier,
    heldAt: () => Height,
  ): Admit =>
  async ({ epoch, beacon, committees, rowOf }, bytes) => {
    const read = readAttestation(
      networkId,
      bytes,
      (of) => (of === epoch ? { beacon, k: committees.k, identityOf: rowOf } : { closed: 'other' }),
      () => undefined,
    )
    if (read.is !== 'accept') return read
    const { attestation, cid, publicKey, signed } = read.value
    const message = attestationMessage(networkId, signed.payload)
    if (!(await verifier.verifyAsync(publicKey, message, signed.signature))) {
      return { is: 'reject', code: 'attestation-signature' }
    }
    await attestations.put(epoch, beacon, [{ seat: attestation.seat, cid, signed, heldAt: heldAt() }])
    return { is: 'accept', value: undefined }
  }
