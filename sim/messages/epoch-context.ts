import {
  type Committees,
  type Epoch,
  type EpochPhases,
  type FlatEpoch,
  type Seat,
  type Snapshot,
} from '../../protocol/index.ts'
import type { DrawnBeacon } from '../statistical/beacons.ts'
import type { Ring } from '../statistical/ring.ts'

/** What holds for one epoch, for everybody. */
export interface EpochContext {
  epoch: Epoch
  /** Counted from 1; 0 before the first whole week. */
  week: number
  beacon: Uint8Array
  committees: Committees
  drawn: DrawnBeacon
  snapshot: Snapshot
  seats: Uint32Array
  nodeOfIndex: Uint32Array
  /** −1 for a node that has no seat in the snapshot, or has left it. */
  indexOfNode: Int32Array
  indexOfSeat: ReadonlyMap<Seat, number>
  phases: EpochPhases
  /** By node: 1 if it is up during this epoch. */
  isUp: Uint8Array
  /** For the account; its verdicts are written as nodes attest. */
  ring: Ring
  flat: FlatEpoch
  /** First id of its messages: the seat at index i has the one at i. */
  firstMessage: number
}
