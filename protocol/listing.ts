import { isEnough } from './certificate.ts'
import type { Stance } from './contents.ts'
import type { Epoch, Seat } from './ids.ts'

/** What certifiers answered about one attestation (R-CP-3): who misses it, and who calls it late. */
export interface Opinion {
  epoch: Epoch
  seat: Seat
  missing: ReadonlyMap<Seat, Said>
  late: ReadonlyMap<Seat, Said>
}

/** One certifier's word on an attestation. */
export interface Said {
  /** In one of its first two answers with wants. */
  isEarly: boolean
  /** Whether the attestation stood in the payload that was answered; null if nobody had spoken of it: then as in the base. */
  wasListed: boolean | null
}

/** What a proposer knows when it chooses what to list. */
export interface Known {
  /** By `rowKey`. */
  opinions: ReadonlyMap<string, Opinion>
  /** Attestations that the proposer did not hold when a certifier missed them, by `rowKey`. */
  lacked: ReadonlySet<string>
  /** Certifiers whose votes are not expected, whatever is listed. */
  lost: ReadonlySet<Seat>
}

/** How the proposer holds an attestation; null if it does not. Of a seat with a listed proof nothing is listed. */
export type HoldingOf = (epoch: Epoch, seat: Seat) => Stance | 'proved' | null

/** What a proposer lists of the attestations that others spoke of, by `rowKey`; of all others, what it held in time. */
export type Listing = ReadonlyMap<string, boolean>

/** Returns a key for the attestation of a seat in an epoch. */
export const rowKey = (epoch: Epoch, seat: Seat): string => `${epoch}:${seat}`

/** The attestations that certifiers spoke of, by epoch: of these `chooseListing` asks how they are held. */
export const spokenOf = ({ opinions }: Known): ReadonlyMap<Epoch, ReadonlySet<Seat>> => {
  const seatsByEpoch = new Map<Epoch, Set<Seat>>()
  for (const { epoch, seat } of opinions.values()) {
    const seats = seatsByEpoch.get(epoch)
    if (seats === undefined) seatsByEpoch.set(epoch, new Set([seat]))
    else seats.add(seat)
  }
  return seatsByEpoch
}

/** An attestation that the proposer may list or leave out. */
interface Row extends Opinion {
  key: string
  isOwnLate: boolean
  /** Whether it is listed as long as nobody speaks against that. */
  base: boolean
  /** What a third of the certifiers insist on, since without them nothing is certified. */
  fixed: boolean | null
}

/**
 * R-CP-3, the proposer: its base if enough certifiers could vote for it and nothing in it is doubtful, else the payload
 * without disputed attestations if enough could vote for that, and else the base with as few changes as enough votes
 * need, of those not at odds with others. `certifiers`: how many the view has, itself included. `isLast`: this is the
 * last payload that may be built.
 */
export const chooseListing = (
  known: Known,
  certifiers: number,
  isLast: boolean,
  holdingOf: HoldingOf,
): Listing => {
  const { rows, setAside } = readOpinions(known, certifiers, holdingOf)
  const couldPass = (objections: Objections): boolean => isEnough(certifiers - objections.count(), certifiers)
  const base = new Map(rows.map((row) => [row.key, row.fixed ?? row.base]))
  const objections = countObjections(rows, base, setAside)
  const isDoubtful = rows.some(
    (row) => row.base && (row.fixed === false || 6 * countOthers(row.late, setAside) >= certifiers),
  )
  if (!isLast && !isDoubtful && couldPass(objections)) return base
  const bare = new Map(base)
  for (const row of rows) if (isDisputed(row, setAside) && row.fixed !== true) bare.set(row.key, false)
  if (isLast || couldPass(countObjections(rows, bare, setAside))) return bare
  const unheard = withThoseAtOdds(rows, setAside)
  const left = countObjections(rows, base, unheard)
  for (const row of changesOf(rows, unheard)) {
    if (couldPass(left)) break
    base.set(row.key, !row.base)
    left.move(row)
  }
  return base
}

const readOpinions = (
  { opinions, lacked, lost }: Known,
  certifiers: number,
  holdingOf: HoldingOf,
): { rows: readonly Row[]; setAside: ReadonlySet<Seat> } => {
  const isThird = (said: ReadonlyMap<Seat, Said>): boolean => !isEnough(certifiers - said.size, certifiers)
  const setAside = new Set(lost)
  const rows: Row[] = []
  for (const [key, opinion] of opinions) {
    const { missing, late } = opinion
    const stance = holdingOf(opinion.epoch, opinion.seat)
    if (stance === 'proved') continue
    const base = stance === 'must' || (stance === 'may' && !lacked.has(key))
    for (const [seat, { wasListed }] of missing) if (wasListed ?? base) setAside.add(seat)
    for (const [seat, { wasListed }] of late) if (!(wasListed ?? base)) setAside.add(seat)
    // No payload of this proposer has what it does not hold, and each has what it must hold.
    if (stance === null) for (const seat of missing.keys()) setAside.add(seat)
    if (stance === 'must') for (const seat of late.keys()) setAside.add(seat)
    if (stance === null || stance === 'must') continue
    const [areMissing, areLate] = [isThird(missing), isThird(late)]
    const fixed = areMissing === areLate ? null : areMissing
    rows.push({ ...opinion, key, isOwnLate: stance === 'late', base, fixed })
    if (fixed !== null) for (const seat of (fixed ? late : missing).keys()) setAside.add(seat)
    // An honest certifier says at once, or in two parts, what it has against a base that never changes.
    if (fixed !== !base) {
      for (const [seat, { isEarly }] of base ? late : missing) if (!isEarly) setAside.add(seat)
    }
  }
  return { rows, setAside }
}

interface Objections {
  count(): number
  /** The row changes sides. */
  move(row: Row): void
}

/** How many would not vote for what is listed: those set aside, those who said so, and the proposer itself. */
const countObjections = (rows: readonly Row[], listed: Listing, setAside: ReadonlySet<Seat>): Objections => {
  const byCertifier = new Map<Seat, number>()
  let own = 0
  const add = (row: Row, isListed: boolean, change: 1 | -1): void => {
    if (isListed && row.isOwnLate) own += change
    for (const seat of (isListed ? row.late : row.missing).keys()) {
      if (setAside.has(seat)) continue
      const left = (byCertifier.get(seat) ?? 0) + change
      if (left === 0) byCertifier.delete(seat)
      else byCertifier.set(seat, left)
    }
  }
  for (const row of rows) add(row, listed.get(row.key)!, 1)
  return {
    count: () => setAside.size + byCertifier.size + (own > 0 ? 1 : 0),
    move(row) {
      add(row, row.base, -1)
      add(row, !row.base, 1)
    },
  }
}

/**
 * Those set aside, and as long as certifiers are at odds (one misses what the other calls late) the one that is at odds
 * with most: honest ones never are, since the bounds of R-EPOCH-3 are far apart.
 */
const withThoseAtOdds = (rows: readonly Row[], setAside: ReadonlySet<Seat>): ReadonlySet<Seat> => {
  const othersBySeat = new Map<Seat, Set<Seat>>()
  const add = (one: Seat, other: Seat): void => {
    const known = othersBySeat.get(one)
    if (known === undefined) othersBySeat.set(one, new Set([other]))
    else known.add(other)
  }
  for (const { fixed, missing, late } of rows) {
    if (fixed !== null) continue
    const [missed, calledLate] = [missing, late].map((said) =>
      [...said.keys()].filter((seat) => !setAside.has(seat)),
    ) as [Seat[], Seat[]]
    for (const one of missed) {
      for (const other of calledLate) {
        add(one, other)
        add(other, one)
      }
    }
  }
  const all = new Set(setAside)
  for (;;) {
    const [most] = [...othersBySeat]
      .filter(([, others]) => others.size > 0)
      .sort(([a, some], [b, others]) => others.size - some.size || a - b)
    if (most === undefined) return all
    const [seat, others] = most
    for (const other of others) othersBySeat.get(other)!.delete(seat)
    othersBySeat.delete(seat)
    all.add(seat)
  }
}

const countOthers = (said: ReadonlyMap<Seat, Said>, setAside: ReadonlySet<Seat>): number =>
  [...said.keys()].filter((seat) => !setAside.has(seat)).length

/** Held too late, fetched, or called late. */
const isDisputed = (row: Row, setAside: ReadonlySet<Seat>): boolean =>
  !row.base || countOthers(row.late, setAside) > 0

/** Rows of which more speak against the base than for it, the most wanted change first. */
const changesOf = (rows: readonly Row[], setAside: ReadonlySet<Seat>): readonly Row[] =>
  rows
    .filter(({ fixed }) => fixed === null)
    .map((row) => {
      const difference = countOthers(row.missing, setAside) - countOthers(row.late, setAside)
      return { row, gain: row.base ? -difference : difference }
    })
    .filter(({ gain }) => gain > 0)
    .sort((a, b) => b.gain - a.gain || a.row.epoch - b.row.epoch || a.row.seat - b.row.seat)
    .map(({ row }) => row)
