import { hash } from './codec.ts'
import type { Epoch, NetworkId, Seat } from './ids.ts'

/** R-EPOCH-4: 32 bytes. `blockHash` is that of block b(e), internal order. */
export const beaconOf = (networkId: NetworkId, epoch: Epoch, blockHash: Uint8Array): Uint8Array =>
  hash('beacon', networkId, epoch, blockHash)

/** Seed of the ring of an epoch (R-COM-1). */
export const shuffleSeed = (beacon: Uint8Array): Uint8Array => hash('shuffle', beacon)

/** Seed of the samples of one challenge (R-CHAL-2). */
export const sampleSeed = (
  beacon: Uint8Array,
  targetSeat: Seat,
  challengerSeat: Seat,
  nonce: Uint8Array,
): Uint8Array => hash('sample', beacon, targetSeat, challengerSeat, nonce)

/** Seed of the choice of the verdict that a seat's challengers recompute (R-EVID-2). */
export const auditSeed = (beacon: Uint8Array, seat: Seat): Uint8Array => hash('audit', beacon, seat)
