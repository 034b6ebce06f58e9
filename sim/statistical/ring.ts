import type { Committees, FlatEpoch } from '../../protocol/index.ts'
import type { Actor } from '../population.ts'

/** One epoch as the engine sees it. Arrays run over positions of the ring. */
export interface Ring {
  epoch: number
  beacon: Uint8Array
  committees: Committees
  /** What is attested; the engine fills it in. */
  flat: FlatEpoch
  /** Who stands at a position. */
  nodeAt: Uint32Array
  actorAt: Uint8Array
  /** 1 if it answers on the network. */
  isUp: Uint8Array
  /** 1 if it attests: up, or an attacker whose key signs elsewhere. */
  signs: Uint8Array
  /** Side of a partition, or null. */
  sideAt: Uint8Array | null
  actors: readonly Actor[]
}

/** The i-th challenger of the seat at a position, which has it as its i-th target. */
export const challengerAt = ({ committees: { size } }: Ring, position: number, i: number): number =>
  (position + size - 1 - i) % size

/** Where its verdict stands. */
export const cellOf = (ring: Ring, position: number, i: number): number =>
  challengerAt(ring, position, i) * ring.committees.k + i

/** At each position, how many of its challengers satisfy a mark (0 or 1): a sum that slides round the ring. */
export const countChallengers = ({ size, k }: Committees, marks: Uint8Array): Uint8Array => {
  const counts = new Uint8Array(size)
  let sum = 0
  for (let i = 1; i <= k; i++) sum += marks[(size - i) % size]!
  for (let position = 0; position < size; position++) {
    counts[position] = sum
    sum += marks[position]! - marks[(position + size - k) % size]!
  }
  return counts
}
