import { hash } from './codec.ts'
import { epochStart } from './epoch.ts'
import type { Epoch, Height, Seat } from './ids.ts'
import type { Genesis } from './params.ts'
import { createStream, shuffledIndexes } from './random.ts'
import type { SeatRecord } from './registry.ts'

/** A seat that may certify a week, with the key that its votes are checked with (R-CP-2). */
export interface Senior {
  seat: Seat
  /** BLS12-381, 48 bytes. */
  bls: Uint8Array
}

/**
 * R-CP-2: the height after which a senior has been active with one key. `previousFirst` is the first epoch of the
 * last earlier week that has epochs, or null if there is none; `fullFrom` is the first epoch whose snapshot has
 * `minSeniors` seats, or null. Null if no such snapshot is of this week or earlier: nobody is senior then.
 */
export const seniorityStart = (
  genesis: Pick<Genesis, 'activationHeight' | 'epochBlocks'>,
  week: { first: Epoch; last: Epoch },
  previousFirst: Epoch | null,
  fullFrom: Epoch | null,
): Height | null => {
  if (fullFrom === null || fullFrom > week.last) return null
  // A snapshot shows the registry after b(e − 1), and the first two are empty (R-EPOCH-5).
  return Math.max(epochStart(genesis, previousFirst ?? week.first), epochStart(genesis, fullFrom - 1))
}

/**
 * R-CP-2: the seats active with the same BLS key after every block from `from` on, in rising order. `seats` is the
 * registry as it stands after the week's last block, b(last + 1) − 1.
 */
export const takeSeniors = (seats: Iterable<SeatRecord>, from: Height): Senior[] => {
  const seniors: Senior[] = []
  for (const { seat, bls, activeSince, blsSince } of seats) {
    if (activeSince !== null && activeSince <= from && blsSince <= from) seniors.push({ seat, bls })
  }
  return seniors
}

/**
 * R-CP-2: the certifiers of a view in the order of their positions: the first min(seniors, `most`) of the seniors
 * (in rising order of seat), shuffled as in R-COM-1. `beacon` is that of the epoch that begins with block F.
 */
export const certifiersOf = (
  seniors: readonly Senior[],
  beacon: Uint8Array,
  view: number,
  most: number,
): Senior[] => {
  const order = shuffledIndexes(createStream(hash('certifiers', beacon, view)), seniors.length)
  return Array.from(order.subarray(0, Math.min(seniors.length, most)), (index) => seniors[index]!)
}
