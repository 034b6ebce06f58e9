import type { Seat } from '../../ids.ts'
import type { Params } from '../../params.ts'
import type { SnapshotRow } from '../../registry.ts'
import type { Steps } from '../../steps.ts'
import type { SeatTally, TallyInput, WeekTally } from '../input.ts'
import { credited, notInSnapshot } from '../outcome.ts'

/** Rows of epochs between two pauses: some milliseconds. */
const rowsPerStep = 4_096

/** Ruleset 1, R-TALLY-5…7. Yields at least once every `rowsPerStep` rows. */
export const tallyInSteps = function* (input: TallyInput): Steps<WeekTally> {
  const bySeat = new Map<Seat, SeatTally>()
  for (const [i, { snapshot, outcomes }] of input.epochs.entries()) {
    for (const [index, row] of snapshot.entries()) {
      if (index % rowsPerStep === 0) yield
      const code = outcomes[index]!
      let tally = bySeat.get(row.seat)
      if (tally === undefined) {
        bySeat.set(row.seat, (tally = createSeatTally(row, input)))
      }
      tally.row = row
      tally.outcomes[i] = code
      tally.epochs++
      if (code === credited) tally.credits++
    }
  }
  yield
  const attested = input.epochs.map((epoch) => epoch.attested)
  const seats = [...bySeat.values()].sort((a, b) => a.row.seat - b.row.seat)
  for (const seat of seats) seat.score = seat.isEquivocator ? 0 : seat.credits
  const fund = input.fund > input.params.feeReserve ? input.fund - input.params.feeReserve : 0n
  yield
  const amounts = shareFund(seats, fund, input.params)
  for (const [i, seat] of seats.entries()) seat.amount = amounts[i]!
  const paid = amounts.reduce((sum, amount) => sum + amount, 0n)
  return { seats, attested, fund, paid, undistributed: fund - paid }
}

const createSeatTally = (row: SnapshotRow, input: TallyInput): SeatTally => ({
  row,
  outcomes: new Uint8Array(input.epochs.length).fill(notInSnapshot),
  epochs: 0,
  credits: 0,
  isEquivocator: input.equivocators.has(row.seat),
  score: 0,
  amount: 0n,
})

/** Ruleset 1, R-TALLY-5 and R-TALLY-6: what each row is paid of a fund (after `feeReserve`), in base units and in their order. */
export const shareFund = (
  rows: readonly { score: number; epochs: number }[],
  fund: bigint,
  { minAvailability }: Pick<Params, 'minAvailability'>,
): bigint[] => {
  // score / epochs of each, compared by cross-multiplication: both are far below 2^20.
  const sorted = rows.filter(({ score }) => score > 0).sort((a, b) => a.score * b.epochs - b.score * a.epochs)
  const median = sorted[Math.floor((sorted.length - 1) / 2)]
  if (median === undefined) return rows.map(() => 0n)
  const paidScores = rows.map(({ score, epochs }) =>
    100 * score * median.epochs >= minAvailability * median.score * epochs ? BigInt(score) : 0n,
  )
  const total = paidScores.reduce((sum, score) => sum + score, 0n)
  return paidScores.map((score) => (fund * score) / total)
}
