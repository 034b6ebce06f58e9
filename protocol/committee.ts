import { shuffleSeed } from './beacon.ts'
import type { Seat } from './ids.ts'
import { createStream, shuffledIndexes } from './random.ts'

/** Fewer seats than this cannot outvote one liar: nothing is credited (R-COM-1). */
export const minCommitteeSeats = 4

/** Who challenges whom in an epoch (R-COM-1). Positions count round the ring. */
export interface Committees {
  /** Number of seats, n. */
  size: number
  /** k_e = min(committee, n − 1): challengers of each, and targets of each. 0 if n < 2. */
  k: number
  /** Index into the snapshot at each position of the ring. */
  ring: Uint32Array
  /** Position on the ring of each index of the snapshot. */
  positions: Uint32Array
}

/** R-COM-1 for a snapshot of `size` seats. */
export const createCommittees = (beacon: Uint8Array, size: number, committee: number): Committees => {
  const ring = shuffledIndexes(createStream(shuffleSeed(beacon)), size)
  const positions = new Uint32Array(size)
  for (let position = 0; position < size; position++) positions[ring[position]!] = position
  return { size, k: Math.max(0, Math.min(committee, size - 1)), ring, positions }
}

/** The indexes that the seat at `index` challenges, in ring order: the order of the verdicts in its attestation. */
export const targetsOf = (committees: Committees, index: number): number[] => {
  const position = committees.positions[index]!
  return Array.from(
    { length: committees.k },
    (_, i) => committees.ring[(position + 1 + i) % committees.size]!,
  )
}

/** The indexes that challenge the seat at `index`; the i-th has it as its i-th target. */
export const challengersOf = (committees: Committees, index: number): number[] => {
  const position = committees.positions[index]!
  return Array.from(
    { length: committees.k },
    (_, i) => committees.ring[(position + committees.size - 1 - i) % committees.size]!,
  )
}

/** Index of a seat in a list sorted by seat; −1 if it is not there. */
export const indexOfSeat = (rows: readonly { seat: Seat }[], seat: Seat): number => {
  let low = 0
  let high = rows.length - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const found = rows[middle]!.seat
    if (found === seat) return middle
    if (found < seat) low = middle + 1
    else high = middle - 1
  }
  return -1
}
