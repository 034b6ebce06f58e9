import {
  challengersOf,
  equalBytes,
  indexOfSeat,
  keyOfPeerId,
  type Seat,
  targetsOf,
} from '../../../protocol/index.ts'
import type { CaseEpoch } from './case-file.ts'
import { seatList } from './checks.ts'
import type { EpochCheck } from './epoch-check.ts'
import type { CaseSetting } from './verified-case.ts'
import { verifyAbsences, verifyInclusions, verifySignatures } from './verify-attestations.ts'
import { verifyOutcome } from './verify-outcome.ts'
import { verifyAudited, verifyWords } from './verify-words.ts'

/** Checks one epoch of a case file. */
export const verifyCaseEpoch = async (setting: CaseSetting, claimed: CaseEpoch): Promise<void> => {
  const { facts, file } = setting
  const context = await facts.epochs.get(claimed.epoch)
  if (context === undefined) {
    setting.line('missing', 'chain', 'has not come to this epoch in the data at hand', claimed.epoch)
    return
  }
  const { rows, isFixed } = await facts.held(context)
  const epoch: EpochCheck = {
    setting,
    context,
    claimed,
    index: indexOfSeat(context.snapshot, file.seat),
    own: rows,
    isFixed,
    shownBySeat: new Map(),
    knownSeats: new Set(),
    line: (is, subject, detail) => setting.line(is, subject, detail, claimed.epoch),
  }
  verifyFrame(epoch)
  if (epoch.index === -1) {
    epoch.line('fails', 'seat', `seat ${file.seat} is not in the snapshot`)
    return
  }
  verifyCommittee(epoch)
  verifySignatures(epoch)
  verifyRows(epoch)
  verifyInclusions(epoch)
  verifyAbsences(epoch)
  await verifyWords(epoch)
  await verifyAudited(epoch)
  verifyOutcome(epoch)
}

/** R-EPOCH-2, R-EPOCH-4, R-EPOCH-5: week, beacon and snapshot. */
const verifyFrame = ({ setting, context, claimed, line }: EpochCheck): void => {
  const { week } = setting.file
  if (context.week === week) line('holds', 'week', week)
  else line('fails', 'week', `the epoch belongs to ${context.week}`)
  if (equalBytes(context.beacon, claimed.beacon)) line('holds', 'beacon', 'is that of the chain')
  else line('fails', 'beacon', 'is not that of the chain')

  const size = context.snapshot.length
  if (size === claimed.seats) line('holds', 'snapshot', `of ${size} seats`)
  else line('fails', 'snapshot', `has ${size} seats, not ${claimed.seats}`)
  const badRows = claimed.rows.filter((row) => {
    const actual = context.rowOf(row.seat)
    const peer = keyOfPeerId(row.peer)
    return !(
      actual !== undefined &&
      peer !== null &&
      equalBytes(actual.stake, row.stake) &&
      equalBytes(actual.peer, peer) &&
      actual.host === row.host &&
      actual.p2p === row.p2p &&
      actual.tls === row.tls
    )
  })
  if (badRows.length === 0) line('holds', 'rows', `${claimed.rows.length} are those of the snapshot`)
  else line('fails', 'rows', `the snapshot has others for ${seatList(badRows.map(({ seat }) => seat))}`)
}

/** R-COM-1. */
const verifyCommittee = ({ context, claimed, index, line }: EpochCheck): void => {
  const { committees, snapshot } = context
  const compare = (subject: string, indexes: readonly number[], seats: readonly Seat[]): void => {
    const isSame =
      indexes.length === seats.length && indexes.every((at, i) => snapshot[at]!.seat === seats[i])
    if (isSame) line('holds', subject, 'are those that the beacon assigns')
    else line('fails', subject, 'are not those that the beacon assigns')
  }
  compare('challengers', challengersOf(committees, index), claimed.challengers)
  compare('targets', targetsOf(committees, index), claimed.targets)
}

/** Rows are shown of all seats that are named, each once. */
const verifyRows = ({ context, claimed, index, shownBySeat, line }: EpochCheck): void => {
  const own = context.snapshot[index]!.seat
  const named = new Set([own, ...claimed.challengers, ...claimed.targets, ...shownBySeat.keys()])
  const shown = new Set(claimed.rows.map(({ seat }) => seat))
  const unshown = [...named].filter((seat) => !shown.has(seat))
  if (unshown.length > 0) line('fails', 'rows', `none is shown of ${seatList(unshown)}`)
  const isRising = claimed.rows.every(({ seat }, i) => i === 0 || seat > claimed.rows[i - 1]!.seat)
  if (!isRising) line('fails', 'rows', 'are not in rising order of seat')
}
