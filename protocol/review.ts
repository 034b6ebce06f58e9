import type { CID } from 'multiformats/cid'
import type { Checkpoint, EpochContents, ListedEpoch } from './checkpoint.ts'
import { maxWants, type Wants } from './checkpoint-messages.ts'
import type { Comparison } from './contents.ts'
import type { Epoch, Seat, Week } from './ids.ts'

/**
 * One proposal as one certifier examines it (R-CP-3), epoch after epoch: a week of the largest network has 1.7
 * million attestations, so the sets themselves stay outside of the state.
 */
export interface ReviewState {
  cid: CID
  checkpoint: Checkpoint
  /** Equivocators that the proposal lists, by week; null until its pages were read. */
  equivocators: ReadonlyMap<Week, ReadonlySet<Seat>> | null
  /** Index of the epoch under comparison, in the order of `epochsOf`. */
  at: number
  /** Questions asked about that epoch: bits, leaves, and attestations twice at most. */
  asked: number
  wants: Wants
  outcome: ReviewOutcome | null
}

export type ReviewOutcome = { is: 'agrees' } | { is: 'wants' } | { is: 'refused'; code: string }

/** What a certifier hears while it reviews a proposal. */
export type ReviewEvent =
  /** All pages were read and every proof was checked (`readProofPages`). */
  | { is: 'pages'; equivocators: ReadonlyMap<Week, ReadonlySet<Seat>> }
  | { is: 'pages-failed'; code: string }
  | { is: 'compared'; epoch: Epoch; comparison: Comparison }
  /** What was asked of the proposer has come and is at hand for the next comparison. */
  | { is: 'got'; epoch: Epoch }
  | { is: 'not-got'; epoch: Epoch; code: string }

/** What a review is to do, in the order given. */
export type ReviewEffect =
  | { is: 'read-pages'; weeks: readonly { week: Week; pages: readonly CID[] }[] }
  | {
      is: 'compare'
      epoch: Epoch
      /** Whether the epoch's week is listed again: then it is compared with `listedAgain` of what is held. */
      isAgain: boolean
      equivocators: ReadonlySet<Seat>
      contents: EpochContents
    }
  | { is: 'ask'; epoch: Epoch; for: 'bits' | 'leaves' }
  | { is: 'fetch'; epoch: Epoch; seats: readonly Seat[] }

export interface ReviewStep {
  state: ReviewState
  effects: readonly ReviewEffect[]
}

/** The proofs of equivocation that a certifier holds: of each seat and week one, which is of some epoch. */
export interface HeldProofs {
  epochOf(week: Week, seat: Seat): Epoch | undefined
  /** Those that it held when the week froze: a proposal must list them (R-CP-3). */
  required(week: Week): Iterable<{ seat: Seat; epoch: Epoch }>
}

const maxAsked = 4

export const startReview = (cid: CID, checkpoint: Checkpoint, proofs: HeldProofs): ReviewStep => {
  const state: ReviewState = {
    cid,
    checkpoint,
    equivocators: null,
    at: 0,
    asked: 0,
    wants: { missing: [], late: [], proofs: [] },
    outcome: null,
  }
  const weeks = checkpoint.weeks
    .filter(({ proofPages }) => proofPages.length > 0)
    .map(({ week, proofPages }) => ({ week, pages: proofPages }))
  return weeks.length === 0
    ? compareContentsOf(state, new Map(), proofs)
    : { state, effects: [{ is: 'read-pages', weeks }] }
}

export const stepReview = (state: ReviewState, event: ReviewEvent, proofs: HeldProofs): ReviewStep => {
  if (state.outcome !== null) return { state, effects: [] }
  switch (event.is) {
    case 'pages':
      return state.equivocators === null
        ? compareContentsOf(state, event.equivocators, proofs)
        : { state, effects: [] }
    case 'pages-failed':
      return refuse(state, event.code)
    case 'compared':
      return isUnderComparison(state, event.epoch)
        ? onCompared(state, event.comparison, proofs)
        : { state, effects: [] }
    case 'got':
      return isUnderComparison(state, event.epoch)
        ? { state, effects: [compareEffect(state)] }
        : { state, effects: [] }
    case 'not-got':
      return isUnderComparison(state, event.epoch) ? refuse(state, event.code) : { state, effects: [] }
  }
}

const epochsOf = (checkpoint: Checkpoint): { week: Week; listed: ListedEpoch }[] =>
  checkpoint.weeks.flatMap(({ week, epochs }) => epochs.map((listed) => ({ week, listed })))

const underComparison = (state: ReviewState) => epochsOf(state.checkpoint)[state.at]!

const isUnderComparison = (state: ReviewState, epoch: Epoch): boolean =>
  state.equivocators !== null && underComparison(state).listed.epoch === epoch

const refuse = (state: ReviewState, code: string): ReviewStep => ({
  state: { ...state, outcome: { is: 'refused', code } },
  effects: [],
})

const compareEffect = (state: ReviewState): ReviewEffect => {
  const { week, listed } = underComparison(state)
  return {
    is: 'compare',
    epoch: listed.epoch,
    isAgain: week !== state.checkpoint.week,
    equivocators: state.equivocators!.get(week) ?? new Set(),
    contents: { count: listed.count, root: listed.root },
  }
}

/** The listed equivocators are known: what is left is whether all are listed, and the contents. */
const compareContentsOf = (
  state: ReviewState,
  equivocators: ReadonlyMap<Week, ReadonlySet<Seat>>,
  proofs: HeldProofs,
): ReviewStep => {
  const unlisted = state.checkpoint.weeks.flatMap(({ week }) =>
    [...proofs.required(week)].filter(({ seat }) => equivocators.get(week)?.has(seat) !== true),
  )
  const wants = cutWants({ ...state.wants, proofs: unlisted.map(({ seat, epoch }) => ({ epoch, seat })) })
  return compareNext({ ...state, equivocators, wants })
}

/** Goes on with the epoch at `state.at`, or closes the review behind the last one. */
const compareNext = (state: ReviewState): ReviewStep => {
  const isOver = state.at === epochsOf(state.checkpoint).length
  const isFull = Object.values(state.wants).some((rows) => rows.length >= maxWants)
  if (!isOver && !isFull) return { state: { ...state, asked: 0 }, effects: [compareEffect(state)] }
  const agrees = Object.values(state.wants).every((rows) => rows.length === 0)
  return { state: { ...state, outcome: agrees ? { is: 'agrees' } : { is: 'wants' } }, effects: [] }
}

const onCompared = (state: ReviewState, comparison: Comparison, proofs: HeldProofs): ReviewStep => {
  const { week, listed } = underComparison(state)
  const { epoch } = listed
  switch (comparison.is) {
    case 'agrees':
      return compareNext({ ...state, at: state.at + 1 })
    case 'bad':
      return refuse(state, comparison.code)
    case 'ask':
      return state.asked >= maxAsked
        ? refuse(state, 'contents-unavailable')
        : {
            state: { ...state, asked: state.asked + 1 },
            effects: [{ is: 'ask', epoch, for: comparison.for }],
          }
    case 'fetch': {
      // A seat whose other payload is held stays unknown however often it is fetched: its proof is what is missing.
      const proved = comparison.seats.filter((seat) => proofs.epochOf(week, seat) !== undefined)
      if (proved.length > 0) {
        const wants = addWants(state.wants, epoch, [], proved, (seat) => proofs.epochOf(week, seat))
        return compareNext({ ...state, at: state.at + 1, wants })
      }
      return state.asked >= maxAsked
        ? refuse(state, 'contents-unavailable')
        : {
            state: { ...state, asked: state.asked + 1 },
            effects: [{ is: 'fetch', epoch, seats: comparison.seats }],
          }
    }
    case 'differs': {
      const { missing, late } = comparison
      const wants = addWants(state.wants, epoch, missing, late, (seat) => proofs.epochOf(week, seat))
      return compareNext({ ...state, at: state.at + 1, wants })
    }
  }
}

/** Of a seat with a proof only the proof is wanted: with it, its attestations count as contained. */
const addWants = (
  wants: Wants,
  epoch: Epoch,
  missing: readonly { seat: Seat; cid: CID }[],
  late: readonly Seat[],
  proofOf: (seat: Seat) => Epoch | undefined,
): Wants => {
  const proved = new Map<Seat, Epoch>()
  const isProved = (seat: Seat): boolean => {
    const proofEpoch = proofOf(seat)
    if (proofEpoch !== undefined) proved.set(seat, proofEpoch)
    return proofEpoch !== undefined
  }
  const wantedMissing = missing.filter(({ seat }) => !isProved(seat))
  const wantedLate = late.filter((seat) => !isProved(seat))
  return cutWants({
    missing: [
      ...wants.missing,
      ...wantedMissing.map(({ seat, cid }) => ({ epoch, seat, digest: cid.multihash.digest })),
    ],
    late: [...wants.late, ...wantedLate.map((seat) => ({ epoch, seat }))],
    proofs: addProofs(
      wants.proofs,
      [...proved].map(([seat, proofEpoch]) => ({ epoch: proofEpoch, seat })),
    ),
  })
}

export const addProofs = (
  known: Wants['proofs'],
  more: readonly { epoch: Epoch; seat: Seat }[],
): Wants['proofs'] => {
  const isKnown = (row: { epoch: Epoch; seat: Seat }): boolean =>
    known.some(({ epoch, seat }) => epoch === row.epoch && seat === row.seat)
  return [...known, ...more.filter((row) => !isKnown(row))]
}

export const cutWants = ({ missing, late, proofs }: Wants): Wants => ({
  missing: missing.slice(0, maxWants),
  late: late.slice(0, maxWants),
  proofs: proofs.slice(0, maxWants),
})
