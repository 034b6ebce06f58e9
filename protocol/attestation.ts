import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { equalBytes } from './bytes.ts'
import {
  createCanonicalReader,
  isAtEnd,
  majorType,
  readAscii,
  readBytes,
  readBytesOf,
  readCid,
  readHead,
  takeNull,
} from './canonical-reader.ts'
import { cidOf, decodeCanonical, encodeCanonical, PayloadCid } from './codec.ts'
import {
  bytesOf,
  bytesUpTo,
  type Epoch,
  EpochNumber,
  isNetworkId,
  NetworkId,
  type Seat,
  SeatNumber,
} from './ids.ts'
import { isObservedAddress } from './observed-address.ts'
import { maxCommittee } from './params.ts'
import { type Signed, decodeSigned, signedBytes, type VerifyEd25519 } from './signed.ts'
import { accept, ignore, ignoreUnverified, reject, type Validation } from './validation.ts'
import { isVerdict, Verdict } from './verdict.ts'

/** What a challenger says of an epoch (R-ATT-1). */
export interface Attestation {
  networkId: NetworkId
  epoch: Epoch
  /** 32 bytes. */
  beacon: Uint8Array
  seat: Seat
  /** hash160 of the seat's stake. */
  stake: Uint8Array
  /** The seat's previous attestation (R-ATT-4). */
  previous: CID | null
  /** k_e codes, in ring order. */
  verdicts: Uint8Array
  /** Of each verdict 0, in ring order: 4 or 16 bytes. */
  addresses: readonly Uint8Array[]
  evidence: CID
}

/** A payload: 48 verdicts, 48 addresses of 17 bytes, two CIDs of 41 and the fixed fields fit. */
export const maxAttestationBytes = 1_280

const AttestationRow = z.tuple([
  z.literal('att'),
  z.literal(1),
  NetworkId,
  EpochNumber,
  bytesOf(32),
  SeatNumber,
  bytesOf(20),
  PayloadCid.nullable(),
  bytesUpTo(maxCommittee),
  z.array(bytesUpTo(16)).max(maxCommittee),
  PayloadCid,
])

/** R-ATT-1: returns the canonical payload of an attestation, without its signature. */
export const encodeAttestation = (attestation: Attestation): Uint8Array =>
  encodeCanonical([
    'att',
    1,
    attestation.networkId,
    attestation.epoch,
    attestation.beacon,
    attestation.seat,
    attestation.stake,
    attestation.previous,
    attestation.verdicts,
    attestation.addresses,
    attestation.evidence,
  ])

/**
 * Null for whatever is no canonical payload. Whether its content keeps the rules is `isWellFormed`'s to say. The
 * byte strings of the result may be views of `payload`.
 */
export const decodeAttestation = (payload: Uint8Array): Attestation | null =>
  decodeAttestationQuickly(payload) ?? decodeAttestationBySchema(payload)

/** The bulk path: null is no verdict, only a question for the schema. */
export const decodeAttestationQuickly = (payload: Uint8Array): Attestation | null => {
  if (payload.length > maxAttestationBytes) return null
  const reader = createCanonicalReader(payload)
  if (readHead(reader, majorType.array) !== 11) return null
  if (readAscii(reader, 3) !== 'att' || readHead(reader, majorType.uint) !== 1) return null
  const networkId = readAscii(reader, 32)
  if (networkId === null || !isNetworkId(networkId)) return null
  const epoch = readHead(reader, majorType.uint)
  const beacon = readBytesOf(reader, 32)
  const seat = readHead(reader, majorType.uint)
  const stake = readBytesOf(reader, 20)
  if (epoch < 0 || beacon === null || seat < 0 || stake === null) return null
  const hasPrevious = !takeNull(reader)
  const previous = hasPrevious ? readCid(reader) : null
  if (hasPrevious && previous === null) return null
  const verdicts = readBytes(reader, maxCommittee)
  const addressCount = readHead(reader, majorType.array)
  if (verdicts === null || addressCount < 0 || addressCount > maxCommittee) return null
  const addresses: Uint8Array[] = []
  for (let i = 0; i < addressCount; i++) {
    const address = readBytes(reader, 16)
    if (address === null) return null
    addresses.push(address)
  }
  const evidence = readCid(reader)
  if (evidence === null || !isAtEnd(reader)) return null
  return { networkId, epoch, beacon, seat, stake, previous, verdicts, addresses, evidence }
}

/** The reference that R-CODEC-1 describes. */
export const decodeAttestationBySchema = (payload: Uint8Array): Attestation | null => {
  const decoded = decodeCanonical(AttestationRow, payload, maxAttestationBytes)
  if (decoded.is === 'bad') return null
  const [, , networkId, epoch, beacon, seat, stake, previous, verdicts, addresses, evidence] = decoded.value
  return { networkId, epoch, beacon, seat, stake, previous, verdicts, addresses, evidence }
}

/** R-TALLY-0: known codes only, and one address of a right form for each verdict 0. */
export const isWellFormed = (attestation: Pick<Attestation, 'verdicts' | 'addresses'>): boolean => {
  let valid = 0
  for (const verdict of attestation.verdicts) {
    if (!isVerdict(verdict)) return false
    if (verdict === Verdict.valid) valid++
  }
  return attestation.addresses.length === valid && attestation.addresses.every(isObservedAddress)
}

/** What a validator knows of an epoch that it holds open. */
export interface AttestingEpoch {
  beacon: Uint8Array
  /** Of the seats in its snapshot: peer key and stake; undefined for others. */
  identityOf(seat: Seat): { peer: Uint8Array; stake: Uint8Array } | undefined
  /** k_e. */
  k: number
}

/** Why nothing of an epoch is taken: it is not open, or no honest peer can mean it (R-ATT-6). */
export type ClosedEpoch = { closed: string } | { refused: string }

/** An attestation whose own signature verified (R-ATT-4), ready to be stored. */
export interface SignedAttestation {
  attestation: Attestation
  cid: CID
  signed: Signed
}

/**
 * R-ATT-6, everything but the signature: cheap checks first. `epochOf` says what an epoch is if it is open, and
 * otherwise why not, or why no honest peer can mean it. `known` gives the CID of the attestation that is held of a seat,
 * epoch and beacon.
 *
 * [REJECT] what no honest peer sends: bytes that are not canonical, codes unknown, wrong length.
 * [IGNORE] what may be right elsewhere or was seen: another network's topic cannot be this one's, but another
 * branch's beacon can; an epoch not open here may be open there.
 */
export const readAttestation = (
  networkId: NetworkId,
  bytes: Uint8Array,
  epochOf: (epoch: Epoch) => AttestingEpoch | ClosedEpoch,
  known: (epoch: Epoch, seat: Seat) => CID | undefined,
): Validation<SignedAttestation & { publicKey: Uint8Array; isSecond: boolean }> => {
  const signed = decodeSigned(bytes, maxAttestationBytes)
  if (signed.is === 'bad') return reject(`attestation-${signed.code}`)
  const attestation = decodeAttestation(signed.value.payload)
  if (attestation === null) return reject('attestation-form')
  if (attestation.networkId !== networkId) return reject('attestation-network')
  const epoch = epochOf(attestation.epoch)
  if ('refused' in epoch) return reject(`attestation-${epoch.refused}`)
  if ('closed' in epoch) return ignoreUnverified(`attestation-${epoch.closed}`)
  if (!equalBytes(epoch.beacon, attestation.beacon)) return ignoreUnverified('attestation-beacon')
  const identity = epoch.identityOf(attestation.seat)
  if (identity === undefined) return reject('attestation-seat')
  if (!equalBytes(identity.stake, attestation.stake)) return reject('attestation-stake')
  if (attestation.verdicts.length !== epoch.k) return reject('attestation-committee')
  if (!isWellFormed(attestation)) return reject('attestation-verdicts')
  const cid = cidOf(signed.value.payload)
  const held = known(attestation.epoch, attestation.seat)
  if (held?.equals(cid) === true) return ignore('attestation-known')
  return accept({
    attestation,
    cid,
    signed: signed.value,
    publicKey: identity.peer,
    // A second payload is verified too: it is half of a proof (R-ATT-3).
    isSecond: held !== undefined,
  })
}

/** The bytes an attestation's signature is over. */
export const attestationMessage = (networkId: NetworkId, payload: Uint8Array): Uint8Array =>
  signedBytes('att', networkId, payload)

/** R-ATT-6 whole, with a synchronous verifier. Accepts, ignores or rejects, with a code. */
export const validateAttestation = (
  networkId: NetworkId,
  bytes: Uint8Array,
  epochOf: (epoch: Epoch) => AttestingEpoch | ClosedEpoch,
  known: (epoch: Epoch, seat: Seat) => CID | undefined,
  verify: VerifyEd25519,
): Validation<SignedAttestation & { isSecond: boolean }> => {
  const read = readAttestation(networkId, bytes, epochOf, known)
  if (read.is !== 'accept') return read
  const { publicKey, signed } = read.value
  return verify(publicKey, attestationMessage(networkId, signed.payload), signed.signature)
    ? read
    : reject('attestation-signature')
}
