import { z } from 'zod'
import {
  canonicalJson,
  type DigestedTally,
  type Seat,
  TallyDocument,
  tallyDigest,
} from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'

/** Somebody's document with its real digest, and the one that he wrote into it. */
export interface ClaimedTally extends DigestedTally {
  claimed: string | null
}

/** Reads what somebody claims: the shape is checked; a digest that is not the document's is part of the comparison. */
export const readClaimedTally = (
  text: string,
): { is: 'ok'; claimed: ClaimedTally } | { is: 'bad'; detail: string } => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return { is: 'bad', detail: `no JSON: ${messageOf(error)}` }
  }
  const parsed = TallyDocument.extend({ digest: z.string().optional() }).safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    return { is: 'bad', detail: `${issue.path.join('.')}: ${issue.message}` }
  }
  const { digest, ...document } = parsed.data
  return { is: 'ok', claimed: { document, digest: tallyDigest(document), claimed: digest ?? null } }
}

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
  /** What they say that their digest is. */
  claimed: string | null
  /** Of the document, without its seats. */
  document: Difference[]
  /** Seats that only one of them has, or of which something differs. */
  seats: ({ seat: Seat } & (
    { is: 'missing' } | { is: 'stranger' } | { is: 'differs'; differences: Difference[] }
  ))[]
}

type SeatRow = TallyDocument['seats'][number]

/** Compares somebody's tally with one's own: equal digests are equal documents, and a false one is a mismatch. */
export const compareTallies = (own: DigestedTally, theirs: ClaimedTally): TallyComparison => {
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
    result: own.digest === theirs.digest && own.digest === theirs.claimed ? 'match' : 'mismatch',
    own: own.digest,
    theirs: theirs.digest,
    claimed: theirs.claimed,
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
