import type { CID } from 'multiformats/cid'
import {
  cidOfDigest,
  epochRoot,
  indexOfSeat,
  type HeldAttestation,
  type HeldRow,
  type Seat,
} from '../../protocol/index.ts'
import type { EpochContext } from '../epochs/epoch-book.ts'

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
  /** What is held, in rising order of seat. */
  rows(): Iterable<HeldRow>
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
    *rows() {
      for (const [index, { seat }] of snapshot.entries()) {
        if (isHeld[index] === 1) yield { seat, cid: cidAt(index), heldAt: heights[index]! }
      }
    },
    underway: new Map(),
  }
}

/** R-SYNC-1: number and root of what is held of seats without a proof (R-ATT-3). */
export const rootOfHeld = (
  held: HeldEpoch,
  equivocators: ReadonlyMap<Seat, unknown>,
): { count: number; root: Uint8Array } => {
  let count = 0
  const standing = function* (): Generator<HeldRow> {
    for (const row of held.rows()) {
      if (equivocators.has(row.seat)) continue
      count++
      yield row
    }
  }
  // Row by row: 40,000 of them at once would be the largest thing in the daemon's memory.
  const root = epochRoot(standing())
  return { count, root }
}
