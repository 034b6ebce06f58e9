import {
  type AttestedVerdicts,
  challengersOf,
  type Committees,
  createEpochJudging,
  type HeldAttestation,
  indexOfSeat,
  type JudgedVerdicts,
  type Outcome,
  type Seat,
  targetsOf,
} from '../../../protocol/index.ts'
import type { EpochContext } from '../epoch-book.ts'
import { attestedOf } from '../gather.ts'
import { outcomeAt } from '../judged-epoch.ts'
import { type SeatWord, wordsOfChallengers } from '../seat-words.ts'
import { maxDeciders } from './case-file.ts'
import type { FoundEvidence } from './checks.ts'

/** What decides an epoch of a seat. */
export interface SeatVerdicts {
  context: EpochContext
  /** Of the seat in the snapshot. */
  index: number
  judged: JudgedVerdicts
  /** At each index of the snapshot; only of those in `held`. */
  attestations: readonly (AttestedVerdicts | undefined)[]
  outcome: Outcome
  isOpen: boolean
  /** All who have a part in the outcome, whether they attested or not, in rising order: see `decidersOf`. */
  deciders: readonly Seat[]
  /** Their attestations. */
  held: ReadonlyMap<Seat, HeldAttestation>
  /** Other valid seats at the same address (R-TALLY-3). */
  sharing: readonly Seat[]
}

/** What the challengers of the seat say of it. */
export const wordsOfSeat = ({ context, index, judged }: SeatVerdicts): SeatWord[] =>
  wordsOfChallengers(context, index, (at, i) => judged.verdictOf(at, i))

/** What decides an epoch of a seat, with the evidence behind it. */
export interface SeatEpoch extends SeatVerdicts {
  /** Of its challengers and itself, as far as they attested. */
  evidence: ReadonlyMap<Seat, FoundEvidence>
  /** What its challengers audited in this epoch (R-EVID-2); null if none of them found it wanting. */
  audited: AuditedEpoch | null
}

export interface AuditedEpoch {
  context: EpochContext
  held: HeldAttestation
  evidence: FoundEvidence
}

/**
 * Judges an epoch and keeps of it what concerns one seat of its snapshot: all attestations of an epoch of the largest
 * network are tens of megabytes. `equivocators` stand under no root of the week (R-ATT-3).
 */
export const readSeatVerdicts = async (
  context: EpochContext,
  seat: Seat,
  standing: (context: EpochContext) => AsyncIterable<HeldAttestation>,
  equivocators: ReadonlySet<Seat>,
  isOpen: boolean,
): Promise<SeatVerdicts> => {
  const { snapshot, committees, params } = context
  const judging = createEpochJudging(committees, params)
  const all = new Map<number, HeldAttestation>()
  for await (const one of standing(context)) {
    const at = indexOfSeat(snapshot, one.seat)
    if (at === -1 || equivocators.has(one.seat)) continue
    judging.add(at, attestedOf(one))
    all.set(at, one)
  }
  const judged = judging.judge()
  const index = indexOfSeat(snapshot, seat)
  const sharing = judged.sharingWith(index)
  const deciders = [...decidersOf(committees, judged, index, sharing)].sort((a, b) => a - b)
  const attestations = snapshot.map((): AttestedVerdicts | undefined => undefined)
  const held = new Map<Seat, HeldAttestation>()
  for (const at of deciders) {
    const one = all.get(at)
    if (one === undefined) continue
    attestations[at] = attestedOf(one)
    held.set(one.seat, one)
  }
  return {
    context,
    index,
    judged,
    attestations,
    outcome: outcomeAt(judged, index)!,
    isOpen,
    deciders: deciders.map((at) => snapshot[at]!.seat),
    held,
    sharing: sharing.map((at) => snapshot[at]!.seat),
  }
}

/**
 * Indexes of the seats whose attestations decide what an epoch gives the seat at `index`: its challengers, itself, the
 * challengers of its targets (R-TALLY-2), and those of the seat that keeps an address it shares (R-TALLY-3). That no other
 * seat has its address or fills its prefix takes everybody's: in a network of few they are all taken.
 */
const decidersOf = (
  committees: Committees,
  judged: JudgedVerdicts,
  index: number,
  sharing: readonly number[],
): Set<number> => {
  if (judged.namedByOf(index) !== 0 && committees.size <= maxDeciders) {
    return new Set(Array.from({ length: committees.size }, (_, at) => at))
  }
  const deciders = new Set([index, ...challengersOf(committees, index)])
  const add = (seats: readonly number[]): void => {
    for (const at of seats) deciders.add(at)
  }
  for (const target of targetsOf(committees, index)) add(challengersOf(committees, target))
  const [keeper] = [...sharing].sort((a, b) => judged.namedByOf(b) - judged.namedByOf(a) || a - b)
  if (keeper !== undefined) add(challengersOf(committees, keeper))
  return deciders
}
