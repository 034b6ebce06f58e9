import type { CID } from 'multiformats/cid'
import {
  cidOfDigest,
  indexOfSeat,
  type HeldAttestation,
  type HeldRow,
  type Height,
  type Seat,
  type Snapshot,
  type Steps,
} from '../../protocol/index.ts'
import { sha256 } from '../week-io/native.ts'
import { createRoot } from '../week/root.ts'
import type { EpochContext } from '../week/epoch-book.ts'

/**
 * Which attestations of an epoch are held, without the payloads: those lie in the store. 40 bytes a seat, so that the
 * epochs of a network of 40,000 seats that are looked at together take a few megabytes, not hundreds.
 */
export interface HeldEpoch {
  readonly context: EpochContext
  /** How many are held, those of equivocators included. */
  readonly count: number
  has(seat: Seat): boolean
  /** The CID of what is held of a seat. */
  cidOf(seat: Seat): CID | undefined
  /** The first of its seat. Seats that the snapshot has not are none of this epoch's. */
  add(held: HeldRow): void
  /** What is held now, in rising order of seat. */
  rows(): HeldRow[]
  /** R-SYNC-1: number and root of what is held now of seats without a proof (R-ATT-3). */
  standing(equivocators: ReadonlyMap<Seat, unknown>): Steps<{ count: number; root: Uint8Array }>
  /** Held, but not in the store yet. */
  readonly underway: Map<Seat, HeldAttestation>
}

export const createHeldEpoch = (context: EpochContext): HeldEpoch => {
  const { snapshot } = context
  const digests = new Uint8Array(32 * snapshot.length)
  const isHeld = new Uint8Array(snapshot.length)
  let count = 0
  const heights = new Uint32Array(snapshot.length)
  const cidAt = (index: number): CID => cidOfDigest(digests.subarray(32 * index, 32 * index + 32))
  const indexOf = (seat: Seat): number => {
    const index = indexOfSeat(snapshot, seat)
    return index !== -1 && isHeld[index] === 1 ? index : -1
  }
  return {
    context,
    get count() {
      return count
    },
    has: (seat) => indexOf(seat) !== -1,
    cidOf(seat) {
      const index = indexOf(seat)
      return index === -1 ? undefined : cidAt(index)
    },
    add({ seat, cid, heldAt }) {
      const index = indexOfSeat(snapshot, seat)
      if (index === -1) return
      if (isHeld[index] === 0) count++
      isHeld[index] = 1
      digests.set(cid.multihash.digest, 32 * index)
      heights[index] = heldAt
    },
    rows() {
      const digestsNow = digests.slice()
      return snapshot.flatMap(({ seat }, index) =>
        isHeld[index] === 1 ? [new FlatRow(seat, heights[index]!, digestsNow, 32 * index)] : [],
      )
    },
    standing: (equivocators) =>
      standingInSteps(
        snapshot,
        isHeld.map((held, index) => (held === 1 && !equivocators.has(snapshot[index]!.seat) ? 1 : 0)),
        digests.slice(),
      ),
    underway: new Map(),
  }
}

/** A row whose CID is made when it is asked for: 40,000 of them would be the largest thing in the daemon's memory. */
class FlatRow implements HeldRow {
  readonly seat: Seat
  readonly heldAt: Height
  readonly #digests: Uint8Array
  readonly #offset: number

  constructor(seat: Seat, heldAt: Height, digests: Uint8Array, offset: number) {
    this.seat = seat
    this.heldAt = heldAt
    this.#digests = digests
    this.#offset = offset
  }

  get cid(): CID {
    return cidOfDigest(this.#digests.subarray(this.#offset, this.#offset + 32))
  }
}

/** Leaves between two pauses: about a millisecond. */
const leavesPerStep = 256

const standingInSteps = function* (
  snapshot: Snapshot,
  stands: Uint8Array,
  digests: Uint8Array,
): Steps<{ count: number; root: Uint8Array }> {
  const root = createRoot(sha256)
  for (const [index, { seat }] of snapshot.entries()) {
    if (index % leavesPerStep === 0) yield
    if (stands[index] === 1) root.add(seat, digests.subarray(32 * index, 32 * index + 32))
  }
  return { count: root.count, root: root.root() }
}
