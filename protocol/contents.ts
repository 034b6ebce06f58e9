import type { CID } from 'multiformats/cid'
import type { EpochContents } from './checkpoint.ts'
import { hasBit } from './bitfield.ts'
import { equalBytes } from './bytes.ts'
import type { Height, Seat } from './ids.ts'
import { epochRootInSteps } from './merkle.ts'
import { finish, type Steps } from './steps.ts'

/** What a certifier holds of an epoch and what it has to see in a checkpoint (R-CP-3). */
export interface EpochHolding {
  /** All that is held under the canonical beacon, in rising order of seat, equivocators included. */
  rows: readonly HeldRow[]
  /**
   * The bounds of R-EPOCH-3 if the node ran through the epoch; null if it did not, and then anything goes. `closes` is
   * null where nothing comes too late: see `listedAgain`.
   */
  bounds: { mustHold: Height; closes: Height | null } | null
}

/**
 * R-CP-3 c of a week that is listed again, since its own window brought no anchor: the two sides of a partition each
 * hold what the other had too late, and both must list their own. Only with the second bound gone can they agree.
 */
export const listedAgain = ({ rows, bounds }: EpochHolding): EpochHolding => ({
  rows,
  bounds: bounds && { ...bounds, closes: null },
})

/** An attestation that a node holds. */
export interface HeldRow {
  seat: Seat
  cid: CID
  /** Confirmed height when it came. */
  heldAt: Height
}

/** How a certifier takes an attestation of its own store: it must be listed, it may be, or it came too late. */
export type Stance = 'must' | 'may' | 'late'

const stanceOf = (row: HeldRow, bounds: EpochHolding['bounds']): Stance => {
  if (bounds === null) return 'may'
  if (row.heldAt < bounds.mustHold) return 'must'
  return bounds.closes === null || row.heldAt < bounds.closes ? 'may' : 'late'
}

/** How the attestations of some seats are held; without those that are not held. */
export const stancesOf = ({ rows, bounds }: EpochHolding, seats: ReadonlySet<Seat>): Map<Seat, Stance> =>
  new Map(rows.filter(({ seat }) => seats.has(seat)).map((row) => [row.seat, stanceOf(row, bounds)]))

/** The attestations of an epoch that a proposer lists. */
export interface ChosenContents extends EpochContents {
  rows: readonly HeldRow[]
  /** Whether the proposer's own holding agrees: otherwise it proposes what it does not vote for. */
  isOwn: boolean
}

/**
 * R-CP-3, the proposer: everything that it held by mustHold, and of the rest what `isListed` says, or where that says
 * nothing, what it held in time.
 */
export const chooseContents = (...parts: Parameters<typeof chooseContentsInSteps>): ChosenContents =>
  finish(chooseContentsInSteps(...parts))

/**
 * R-CP-3: returns what a proposer puts into an epoch, in steps. `isListed`: for a seat that need not be in it, whether it is;
 * undefined leaves that to when its attestation was held.
 */
export const chooseContentsInSteps = function* (
  holding: EpochHolding,
  equivocators: ReadonlySet<Seat>,
  isListed: (seat: Seat) => boolean | undefined,
): Steps<ChosenContents> {
  let isOwn = true
  const rows = holding.rows.filter((row) => {
    if (equivocators.has(row.seat)) return false
    const stance = stanceOf(row, holding.bounds)
    if (stance === 'must') return true
    const isIn = isListed(row.seat) ?? stance === 'may'
    if (isIn && stance === 'late') isOwn = false
    return isIn
  })
  return { rows, count: rows.length, root: yield* epochRootInSteps(rows), isOwn }
}

/** The set behind a proposed root, as the proposer tells it when it is asked. */
export type ProposedSet =
  /** A bit for each seat of the snapshot, which is `seats`. */
  | { is: 'bits'; seats: readonly Seat[]; bits: Uint8Array }
  /** All of it, in rising order of seat. */
  | { is: 'leaves'; rows: readonly { seat: Seat; cid: CID }[] }

/** How the contents of an epoch in a proposal compare with what a certifier holds. */
export type Comparison =
  | { is: 'agrees' }
  /** The root is none of the expected ones: the set is needed. */
  | { is: 'ask'; for: 'bits' | 'leaves' }
  /** Nothing can be said before the attestations of these seats are held. */
  | { is: 'fetch'; seats: readonly Seat[] }
  | { is: 'differs'; missing: readonly { seat: Seat; cid: CID }[]; late: readonly Seat[] }
  /** What no honest proposer sends. */
  | { is: 'bad'; code: string }

/**
 * R-CP-3, the certifier: compares an epoch of a proposal with what it holds. `equivocators` are those that the
 * proposal lists for the week: their attestations count as contained and stand under no root.
 */
export const compareContents = (...parts: Parameters<typeof compareContentsInSteps>): Comparison =>
  finish(compareContentsInSteps(...parts))

/**
 * R-CP-3: compares the proposed contents of an epoch with what is held, in steps. `set`: the proposed seats and CIDs,
 * or null before they are known.
 */
export const compareContentsInSteps = function* (
  holding: EpochHolding,
  equivocators: ReadonlySet<Seat>,
  proposed: EpochContents,
  set: ProposedSet | null,
): Steps<Comparison> {
  const own = holding.rows.filter(({ seat }) => !equivocators.has(seat))
  if (set === null) {
    // Nearly always the proposer held the same in time, or leaves out what came between the two bounds.
    for (const limit of [['must', 'may'], ['must']] as const) {
      const stances: readonly Stance[] = limit
      const rows = own.filter((row) => stances.includes(stanceOf(row, holding.bounds)))
      if (yield* isRootOf(proposed, rows)) return { is: 'agrees' }
    }
    return { is: 'ask', for: 'bits' }
  }
  const ownBySeat = new Map(own.map((row) => [row.seat, row]))
  const named = namedBy(set, ownBySeat)
  if (named === null) return { is: 'bad', code: 'contents-form' }
  if (named.some(({ seat }) => equivocators.has(seat))) return { is: 'bad', code: 'contents-equivocator' }
  if (named.length !== proposed.count) return { is: 'bad', code: 'contents-count' }
  if (set.is === 'leaves' && !(yield* isRootOf(proposed, set.rows)))
    return { is: 'bad', code: 'contents-root' }

  const unknown = named.filter(
    ({ seat, cid }) => cid === null || ownBySeat.get(seat)?.cid.equals(cid) !== true,
  )
  if (unknown.length > 0 && (holding.bounds === null || holding.bounds.closes === null)) {
    return { is: 'fetch', seats: unknown.map(({ seat }) => seat) }
  }
  if (set.is === 'bits' && unknown.length === 0) {
    // Same seats, another root: some seat has two payloads, and only the leaves tell which.
    const rows = named.map(({ seat }) => ownBySeat.get(seat)!)
    if (!(yield* isRootOf(proposed, rows))) return { is: 'ask', for: 'leaves' }
  }
  const unknownSeats = new Set(unknown.map(({ seat }) => seat))
  const listed = new Set(named.map(({ seat }) => seat))
  const late = named
    .filter(({ seat }) => unknownSeats.has(seat) || stanceOf(ownBySeat.get(seat)!, holding.bounds) === 'late')
    .map(({ seat }) => seat)
  const missing = own
    .filter(
      (row) =>
        stanceOf(row, holding.bounds) === 'must' && (!listed.has(row.seat) || unknownSeats.has(row.seat)),
    )
    .map(({ seat, cid }) => ({ seat, cid }))
  return missing.length === 0 && late.length === 0 ? { is: 'agrees' } : { is: 'differs', missing, late }
}

/** The seats of a set with the ids that are known of them; null for what is no set. */
const namedBy = (
  set: ProposedSet,
  ownBySeat: ReadonlyMap<Seat, HeldRow>,
): { seat: Seat; cid: CID | null }[] | null => {
  if (set.is === 'leaves') {
    const isRising = set.rows.every((row, i) => i === 0 || set.rows[i - 1]!.seat < row.seat)
    return isRising ? [...set.rows] : null
  }
  const { seats, bits } = set
  if (bits.length !== Math.ceil(seats.length / 8)) return null
  for (let spare = seats.length; spare < 8 * bits.length; spare++) if (hasBit(bits, spare)) return null
  return seats
    .filter((_, index) => hasBit(bits, index))
    .map((seat) => ({ seat, cid: ownBySeat.get(seat)?.cid ?? null }))
}

const isRootOf = function* (
  contents: EpochContents,
  rows: readonly { seat: Seat; cid: CID }[],
): Steps<boolean> {
  return contents.count === rows.length && equalBytes(contents.root, yield* epochRootInSteps(rows))
}
