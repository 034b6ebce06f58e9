import { canonicalJson, type DigestedTally, type Seat, type TallyDocument } from '../../protocol/index.ts'

/** One member in which two documents differ, as canonical JSON. */
export interface Difference {
  member: string
  own: string
  theirs: string
}

/** Two tallies of one week, member by member. */
export interface TallyComparison {
  result: 'match' | 'mismatch'
  own: string
  theirs: string
  /** Of the document, without its seats. */
  document: Difference[]
  /** Seats that only one of them has, or of which something differs. */
  seats: ({ seat: Seat } & (
    { is: 'missing' } | { is: 'stranger' } | { is: 'differs'; differences: Difference[] }
  ))[]
}

type SeatRow = TallyDocument['seats'][number]

/** Compares somebody's tally with one's own: equal digests are equal documents. */
export const compareTallies = (own: DigestedTally, theirs: DigestedTally): TallyComparison => {
  const { seats: ownSeats, epochs: ownEpochs, ...ownRest } = own.document
  const { seats: theirSeats, epochs: theirEpochs, ...theirRest } = theirs.document
  const document = [
    ...differencesOf('', ownRest, theirRest),
    ...differencesOf('epochs', ownEpochs, theirEpochs),
  ]
  const ownBySeat = new Map(ownSeats.map((row) => [row.seat, row]))
  const theirsBySeat = new Map(theirSeats.map((row) => [row.seat, row]))
  const numbers = [...new Set([...ownBySeat.keys(), ...theirsBySeat.keys()])].sort((a, b) => a - b)
  return {
    result: own.digest === theirs.digest ? 'match' : 'mismatch',
    own: own.digest,
    theirs: theirs.digest,
    document,
    seats: numbers.flatMap((seat) => seatComparison(seat, ownBySeat.get(seat), theirsBySeat.get(seat))),
  }
}

const seatComparison = (
  seat: Seat,
  own: SeatRow | undefined,
  theirs: SeatRow | undefined,
): TallyComparison['seats'] => {
  if (theirs === undefined) return [{ seat, is: 'missing' }]
  if (own === undefined) return [{ seat, is: 'stranger' }]
  const differences = differencesOf('', own, theirs)
  return differences.length === 0 ? [] : [{ seat, is: 'differs', differences }]
}

/** The innermost members that differ; what one side has not is `absent`. */
const differencesOf = (member: string, own: unknown, theirs: unknown): Difference[] => {
  const [ownText, theirText] = [textOf(own), textOf(theirs)]
  if (ownText === theirText) return []
  if (!isBranch(own) || !isBranch(theirs)) return [{ member, own: ownText, theirs: theirText }]
  const keys = new Set([...Object.keys(own), ...Object.keys(theirs)])
  return [...keys].flatMap((key) =>
    differencesOf(
      member === '' ? key : `${member}.${key}`,
      (own as Record<string, unknown>)[key],
      (theirs as Record<string, unknown>)[key],
    ),
  )
}

const isBranch = (value: unknown): value is object => typeof value === 'object' && value !== null

const textOf = (value: unknown): string => (value === undefined ? 'absent' : canonicalJson(value as never))
