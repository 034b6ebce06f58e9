import {
  challengersOf,
  lastInvalidVerdict,
  type Seat,
  type Verdict,
  verdictNames,
} from '../../protocol/index.ts'
import type { EpochContext } from './epoch-book.ts'

/** No verdict's code (R-VERD-1): a challenger of which no attestation counts. */
export const silent = 254

/** What one challenger of a seat attested of it. */
export interface SeatWord {
  challenger: Seat
  /** Of the challenger in the snapshot. */
  at: number
  /** A code of R-VERD-1, or `silent`. */
  verdict: number
}

/**
 * What the challengers of the seat at `index` of the snapshot say of it, in ring order. `verdictOf` gives the `i`-th
 * verdict of the attestation of the challenger at index `at`; undefined if none of it counts.
 */
export const wordsOfChallengers = (
  { committees, snapshot }: Pick<EpochContext, 'committees' | 'snapshot'>,
  index: number,
  verdictOf: (at: number, i: number) => number | undefined,
): SeatWord[] =>
  challengersOf(committees, index).map((at, i) => ({
    challenger: snapshot[at]!.seat,
    at,
    verdict: verdictOf(at, i) ?? silent,
  }))

/** The word of R-VERD-1 of a code, or `silent`. */
export const wordOfVerdict = (verdict: number): string =>
  verdict === silent ? 'silent' : (verdictNames[verdict as Verdict] ?? `code ${verdict}`)

/** How often each word was said. */
export const countWords = (words: readonly Pick<SeatWord, 'verdict'>[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { verdict } of words) {
    const word = wordOfVerdict(verdict)
    counts[word] = (counts[word] ?? 0) + 1
  }
  return counts
}

/** Whether a word says that the seat was down or wrong: codes 1 to 9 of R-VERD-1. */
export const isInvalid = (verdict: number): boolean => verdict !== 0 && verdict <= lastInvalidVerdict
