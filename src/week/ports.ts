import type { CID } from 'multiformats/cid'
import type { Epoch, Fund, Height, Seat, VerifyEd25519, Week } from '../../protocol/index.ts'

/** SHA-256 at the speed of the machine: 32 bytes, the caller's to keep. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

/** Ed25519 under R-SIG-2 that may run beside the caller. */
export interface AsyncVerifier {
  verifyAsync(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>
}

/** What verifies data of which nothing is believed. Keys come from snapshots, so they were judged (R-SIG-2). */
export interface WeekCrypto {
  sha256: Sha256
  verify: VerifyEd25519
}

/** A leaf under root(e): whose attestation, and which. */
export interface Leaf {
  seat: Seat
  cid: CID
}

/** What checkpoints fix: payloads, pages of proofs, and the leaves under their roots. */
export interface CheckpointBlocks {
  /** A checkpoint's payload or a page of proofs. */
  get(cid: CID): Promise<Uint8Array | undefined>
  put(week: Week, blocks: readonly Uint8Array[]): Promise<void>
  /** The attestations under a root of a checkpoint, in rising order of seat; undefined if they are not known. */
  contents(checkpoint: CID, epoch: Epoch): Promise<readonly Leaf[] | undefined>
  putContents(checkpoint: CID, epoch: Epoch, leaves: readonly Leaf[]): Promise<void>
}

/** A proof of equivocation that is kept. */
export interface StoredProof {
  epoch: Epoch
  /** As `encodeProof` writes it. */
  proof: Uint8Array
  /** Confirmed height at which the first proof of this seat, epoch and beacon was stored; 0 if that was not recorded. */
  heldAt: Height
}

/** What came in for weeks (R-TALLY-6). */
export interface WeekFund {
  /** Base units of the epochs [first, last], all confirmed, or the fixed amount of a week. */
  ofWeek(fund: Fund, first: Epoch, last: Epoch, signal: AbortSignal): Promise<bigint>
}

/** Where bytes go: writes all of them and ends, or fails. */
export type ByteSink = (bytes: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<void>

/** Somebody who may have what is missing. */
export interface Provider {
  /** For the log. */
  name: string
  /** One request, one answer. Errors: those of the network. */
  ask(protocol: string, request: Uint8Array, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>
}

/** Where work of long duration says what it does. */
export type Log = Readonly<
  Record<'debug' | 'info' | 'warn', (facts: Readonly<Record<string, unknown>>, message: string) => void>
>
