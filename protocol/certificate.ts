import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { BlsVerifier } from './bls.ts'
import { type Decoded, decodeCanonical, encodeCanonical, PayloadCid } from './codec.ts'
import { bitfieldOf, hasBit } from './bitfield.ts'
import { bytesOf, bytesUpTo, NetworkId, Week } from './ids.ts'
import type { Senior } from './seniors.ts'
import { signedBytes } from './signed.ts'
import { accept, reject, type Validation } from './validation.ts'
import { isWeek } from './week.ts'

/** What a certifier votes for (R-CP-3). */
export interface Vote {
  week: Week
  view: number
  checkpoint: CID
  /** Hash of block F, internal order: a vote of another branch counts for nothing. */
  freezeHash: Uint8Array
}

/** R-CP-3: the bytes that a certifier's BLS key signs. */
export const voteMessage = (networkId: NetworkId, vote: Vote): Uint8Array =>
  signedBytes(
    'vote',
    networkId,
    encodeCanonical(['vote', 1, networkId, vote.week, vote.view, vote.checkpoint, vote.freezeHash]),
  )

/** R-CP-4. */
export interface Certificate {
  week: Week
  view: number
  checkpoint: CID
  /** Bit i is the certifier at position i, least significant first. */
  signers: Uint8Array
  /** The sum of their votes, 96 bytes. */
  signature: Uint8Array
}

/** Views have numbers below this, so that an anchor's memo stays short. */
export const maxView = 0xffff
/** Bytes of a bitmap of the most certifiers that parameters allow, 1,024. */
export const maxSignersBytes = 128
/** A certificate as it travels in gossip. */
export const maxCertificateBytes = 384

const CertificateRow = z.tuple([
  z.literal('certificate'),
  z.literal(1),
  NetworkId,
  Week.refine(isWeek),
  z.int().min(0).max(maxView),
  PayloadCid,
  bytesUpTo(maxSignersBytes),
  bytesOf(96),
])

/** R-CP-4: returns the canonical bytes of a certificate. */
export const encodeCertificate = (networkId: NetworkId, certificate: Certificate): Uint8Array =>
  encodeCanonical([
    'certificate',
    1,
    networkId,
    certificate.week,
    certificate.view,
    certificate.checkpoint,
    certificate.signers,
    certificate.signature,
  ])

/** Whether the signature holds is `checkCertificate`'s to say. Returns `bad` with a code for other bytes. */
export const decodeCertificate = (
  bytes: Uint8Array,
): Decoded<{ networkId: NetworkId; certificate: Certificate }> => {
  const decoded = decodeCanonical(CertificateRow, bytes, maxCertificateBytes)
  if (decoded.is === 'bad') return decoded
  const [, , networkId, week, view, checkpoint, signers, signature] = decoded.value
  return { is: 'ok', value: { networkId, certificate: { week, view, checkpoint, signers, signature } } }
}

/** R-CP-4: more than two thirds of all certifiers of the view. */
export const isEnough = (votes: number, certifiers: number): boolean => 3 * votes > 2 * certifiers

/** The bitmap of these positions among `certifiers` of them. */
export const signersOf = (positions: ReadonlySet<number>, certifiers: number): Uint8Array =>
  bitfieldOf(certifiers, (position) => positions.has(position))

/**
 * R-CP-4: checks a certificate against the certifiers of its view. Whether the view and the height are right is
 * R-CP-5's matter. The signature comes last: it costs a pairing.
 */
export const checkCertificate = (
  networkId: NetworkId,
  certificate: Certificate,
  certifiers: readonly Senior[],
  freezeHash: Uint8Array,
  bls: Pick<BlsVerifier, 'verifyAggregate'>,
): Validation => {
  const { signers } = certificate
  if (signers.length !== Math.ceil(certifiers.length / 8)) return reject('certificate-bitmap-length')
  for (let spare = certifiers.length; spare < 8 * signers.length; spare++) {
    if (hasBit(signers, spare)) return reject('certificate-spare-bits')
  }
  const voters = certifiers.filter((_, position) => hasBit(signers, position))
  if (!isEnough(voters.length, certifiers.length)) return reject('certificate-too-few')
  const message = voteMessage(networkId, { ...certificate, freezeHash })
  const keys = voters.map((voter) => voter.bls)
  return bls.verifyAggregate(keys, message, certificate.signature)
    ? accept(undefined)
    : reject('certificate-signature')
}
