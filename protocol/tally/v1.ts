import { createCommittees, minCommitteeSeats } from '../committee.ts'
import type { Params } from '../params.ts'
import type { SnapshotRow } from '../registry.ts'
import type { Seat } from '../ids.ts'
import { Verdict } from '../verdict.ts'
import { addressFaults } from './addresses.ts'
import { classify, undecided } from './classes.ts'
import { finish, type Steps } from '../steps.ts'
import type { JudgedEpoch, TallyEpoch, TallyInput } from './input.ts'
import { invalidOutcomes, type Outcome } from './outcome.ts'

/** A seat's week. */
export interface SeatTally {
  /** As in the last snapshot of the week that has it. */
  row: SnapshotRow
  /** Of each epoch of the week; null where the seat was in no snapshot. */
  outcomes: (Outcome | null)[]
  /** Epochs in whose snapshot it was. */
  epochs: number
  /** Credits, before R-ATT-3 takes them. */
  credits: number
  isEquivocator: boolean
  /** R-TALLY-5: credits, 0 for equivocators. */
  score: number
  /** Base units. */
  amount: bigint
}

export interface WeekTally {
  /** In rising order of seat. */
  seats: SeatTally[]
  /** Attestations that count, by epoch. */
  attested: number[]
  /** After `feeReserve`. */
  fund: bigint
  paid: bigint
  undistributed: bigint
}

/**
 * R-TALLY-0…4 for one epoch: an outcome for each index of the snapshot, and how many attested. Who has only some of
 * the epoch's attestations says how many there are; outcomes then hold for the seats whose challengers, targets and
 * targets' challengers he has.
 */
export const judgeEpoch = (
  epoch: Pick<TallyEpoch, 'beacon' | 'attestations'>,
  params: Pick<Params, 'committee' | 'maxPerPrefix'>,
  attestedInAll?: number,
): { outcomes: Outcome[]; attested: number } => {
  const committees = createCommittees(epoch.beacon, epoch.attestations.length, params.committee)
  const { size, k } = committees
  const judged = classify(epoch, committees)
  const faults = addressFaults(judged, params.maxPerPrefix)
  const attested = attestedInAll ?? judged.attestedCount
  const validityIsEnough = 2 * attested < size

  const outcomeOf = (index: number): Outcome => {
    const decided = judged.classes[index]!
    if (decided === undecided) return 'undecided'
    if (decided !== Verdict.valid) return invalidOutcomes[decided]!
    const fault = faults.get(index)
    if (fault === 'no address') return 'undecided: no address'
    if (fault !== undefined) return `invalid: ${fault}`
    if (size < minCommitteeSeats) return 'valid: too few seats'
    if (validityIsEnough) return 'credited'
    if (judged.attested[index] === undefined) return 'valid: not attested'
    if (2 * judged.abstentions[index]! > k) return 'valid: abstained'
    return judged.agrees[index] === 1 ? 'credited' : 'valid: disagrees'
  }
  return {
    outcomes: Array.from({ length: size }, (_, index) => outcomeOf(index)),
    attested,
  }
}

/** The tally of a week under ruleset 1: R-TALLY-0…7. */
export const tallyWeek = (input: TallyInput): WeekTally =>
  tallyJudged({ ...input, epochs: input.epochs.map((epoch) => judgeStanding(epoch, input)) })

const judgeStanding = (epoch: TallyEpoch, input: TallyInput): JudgedEpoch => {
  const { beacon, snapshot } = epoch
  // R-ATT-3: an equivocator stands under no root of the week.
  const attestations = epoch.attestations.map((attestation, index) =>
    input.equivocators.has(snapshot[index]!.seat) ? undefined : attestation,
  )
  return { epoch: epoch.epoch, beacon, snapshot, ...judgeEpoch({ ...epoch, attestations }, input.params) }
}

/** R-TALLY-5…7 for epochs that `judgeEpoch` has judged. */
export const tallyJudged = (input: TallyInput<JudgedEpoch>): WeekTally => finish(tallyJudgedInSteps(input))

/** Rows of epochs between two pauses: some milliseconds. */
const rowsPerStep = 4_096

export const tallyJudgedInSteps = function* (input: TallyInput<JudgedEpoch>): Steps<WeekTally> {
  const bySeat = new Map<Seat, SeatTally>()
  for (const [i, { snapshot, outcomes }] of input.epochs.entries()) {
    for (const [index, row] of snapshot.entries()) {
      if (index % rowsPerStep === 0) yield
      const outcome = outcomes[index]!
      let tally = bySeat.get(row.seat)
      if (tally === undefined) {
        bySeat.set(row.seat, (tally = createSeatTally(row, input)))
      }
      tally.row = row
      tally.outcomes[i] = outcome
      tally.epochs++
      if (outcome === 'credited') tally.credits++
    }
  }
  yield
  const attested = input.epochs.map((epoch) => epoch.attested)
  const seats = [...bySeat.values()].sort((a, b) => a.row.seat - b.row.seat)
  for (const seat of seats) seat.score = seat.isEquivocator ? 0 : seat.credits
  const fund = input.fund > input.params.feeReserve ? input.fund - input.params.feeReserve : 0n
  yield
  const amounts = shareFund(seats, fund, input.params.minAvailability)
  for (const [i, seat] of seats.entries()) seat.amount = amounts[i]!
  const paid = amounts.reduce((sum, amount) => sum + amount, 0n)
  return { seats, attested, fund, paid, undistributed: fund - paid }
}

const createSeatTally = (row: SnapshotRow, input: TallyInput<JudgedEpoch>): SeatTally => ({
  row,
  outcomes: Array.from({ length: input.epochs.length }, () => null),
  epochs: 0,
  credits: 0,
  isEquivocator: input.equivocators.has(row.seat),
  score: 0,
  amount: 0n,
})

/** R-TALLY-5, R-TALLY-6: what each row is paid of a fund (after `feeReserve`), in base units and in their order. */
export const shareFund = (
  rows: readonly { score: number; epochs: number }[],
  fund: bigint,
  minAvailability: number,
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
