import { encodeCanonical, hash } from './codec.ts'
import { epochStart } from './epoch.ts'
import type { Epoch, Height, Seat } from './ids.ts'
import { merkleRootInSteps } from './merkle.ts'
import type { Genesis } from './params.ts'
import { createStream, shuffledIndexes } from './random.ts'
import type { SeatRecord } from './registry.ts'
import { finish, type Steps } from './steps.ts'

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

/** What a checkpoint says of the list that it hands on (R-CP-1). */
export interface ListCommitment {
  /** Seniors in the list. */
  count: number
  /** Over their leaves, 32 bytes. */
  root: Uint8Array
}

/** Seniors in rising order of seat: those of a week, or those of an earlier one that it took over (R-CP-2). */
export interface SeniorList {
  seniors: readonly Senior[]
  root: Uint8Array
}

export const commitmentOf = ({ seniors, root }: SeniorList): ListCommitment => ({
  count: seniors.length,
  root,
})

/** R-CP-1: the leaf of a senior in its list. Whoever has the list's number and root needs the drawn leaves only. */
export const seniorLeaf = ({ seat, bls }: Senior): Uint8Array => encodeCanonical([seat, bls])

/** R-CP-1: seniors, in rising order of seat, with the root over them. */
export const seniorListOf = (seniors: readonly Senior[]): SeniorList => finish(seniorListInSteps(seniors))

export const seniorListInSteps = function* (seniors: readonly Senior[]): Steps<SeniorList> {
  return { seniors, root: yield* merkleRootInSteps(leavesOf(seniors)) }
}

const leavesOf = function* (seniors: readonly Senior[]): Generator<Uint8Array> {
  for (const senior of seniors) yield seniorLeaf(senior)
}

/** Weeks with epochs that may lie between a week and the one whose list it takes over (R-CP-2). */
const maxWeeksBetween = 1

/**
 * R-CP-2: the list that a week's certifiers are drawn from. `own` are its own seniors; `handedOn` is what the last
 * anchored checkpoint hands on, `weeksBetween` how many weeks with epochs lie between its week and this one. Null
 * without an anchored checkpoint: then, and after two pending weeks, the week's own seniors are its list.
 */
export const listOf = (
  own: SeniorList,
  handedOn: { list: SeniorList; weeksBetween: number } | null,
): SeniorList => (handedOn === null || handedOn.weeksBetween > maxWeeksBetween ? own : handedOn.list)

/** R-CP-2: the list that a week hands on: its own seniors, or, where they are too few, the list that it was certified from. */
export const handedOnBy = (own: SeniorList, list: SeniorList, minSeniors: number): SeniorList =>
  own.seniors.length >= minSeniors ? own : list

/**
 * R-CP-2: the certifiers of a view in the order of their positions: the first min(seniors, `most`) of the list
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
