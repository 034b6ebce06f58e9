import {
  accept,
  attestationMessage,
  type Epoch,
  type HeldAttestation,
  type Height,
  type NetworkId,
  readAttestation,
  reject,
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

/** R-ATT-4, R-ATT-6: reads what stands under an anchored root of this epoch; its own signature must be valid. */
export const readUnderRoot = async (
  networkId: NetworkId,
  verifier: AsyncVerifier,
  { epoch, beacon, committees, rowOf }: EpochContext,
  bytes: Uint8Array,
): Promise<Validation<Omit<HeldAttestation, 'heldAt'>>> => {
  const read = readAttestation(
    networkId,
    bytes,
    (of) => (of === epoch ? { beacon, k: committees.k, identityOf: rowOf } : { closed: 'other' }),
    () => undefined,
  )
  if (read.is !== 'accept') return read
  const { attestation, cid, publicKey, signed } = read.value
  const message = attestationMessage(networkId, signed.payload)
  return (await verifier.verifyAsync(publicKey, message, signed.signature))
    ? accept({ seat: attestation.seat, cid, signed })
    : reject('attestation-signature')
}

/** For a store that no daemon has open. */
export const createAdmission =
  (
    networkId: NetworkId,
    attestations: AttestationRows,
    verifier: AsyncVerifier,
    heldAt: () => Height,
  ): Admit =>
  async (context, bytes) => {
    const read = await readUnderRoot(networkId, verifier, context, bytes)
    if (read.is !== 'accept') return read
    await attestations.put(context.epoch, context.beacon, [{ ...read.value, heldAt: heldAt() }])
    return accept(undefined)
  }
