import { hasBit } from './bitfield.ts'
import { hash } from './codec.ts'
import type { Epoch } from './ids.ts'
import { maxSyncAttestations, maxSyncEpochs, maxSyncProofs } from './messages.ts'
import { createStream, drawSome } from './random.ts'

/**
 * One exchange with one seat as a step function (R-SYNC-1, R-SYNC-2): proofs, then roots of all epochs that are compared,
 * then what the other one holds of each that differs. There is always one effect: a question, or a look at what this node
 * holds. The shell carries it out and tells what came of it.
 */
export interface ExchangeState {
  /** 32 random bytes: all the chance there is. */
  secret: Uint8Array
  /** The epochs that are compared now, [from, from + count), and the first after all. */
  from: Epoch
  count: number
  end: Epoch
  asksProofs: boolean
  outcome: SyncOutcome
  stage: ExchangeStage
}

type ExchangeStage =
  /** The first span is asked for. */
  | { is: 'proofs'; spans: readonly EpochSpan[] }
  | { is: 'roots' }
  | { is: 'comparing' }
  /** Of the first of `differing`. */
  | { is: 'bits' | 'comparing-again'; differing: readonly Epoch[] }
  /** `left`: indexes that are asked for after those under way. */
  | { is: 'fetching'; differing: readonly Epoch[]; left: readonly number[] }
  | { is: 'over' }

interface EpochSpan {
  from: Epoch
  count: number
}

/** What an exchange with one peer brought. */
export interface SyncOutcome {
  /** Epochs in which the peer holds what this node does, after the exchange. */
  agreed: number
  differing: number
  fetched: number
}

/** What an exchange with one peer hears. */
export type ExchangeEvent =
  /** An answer to `ask-proofs`: how many came. All were taken in, and none was wrong. */
  | { is: 'proofs'; count: number }
  /** An answer to `ask-roots`: the epochs in the order in which they came. */
  | { is: 'roots'; epochs: readonly Epoch[] }
  /** How the roots of epochs compare. Epochs that are unknown here, closed or of another branch are in neither. */
  | { is: 'compared'; agreed: number; differing: readonly Epoch[] }
  /**
   * An answer to `ask-bits`; `theirs` is null if the peer is on another branch. `size`: how many rows the snapshot has. `own`
   * has a bit for each attestation that stands here, `proved` one for each seat with a proof. `isSame`: the root here is by
   * now what the peer told; `hasMoved`: the peer's bits are of another set than the root that it told.
   */
  | {
      is: 'bits'
      theirs: Uint8Array | null
      own: Uint8Array
      proved: Uint8Array
      size: number
      isSame: boolean
      hasMoved: boolean
    }
  /** An answer to `fetch`: how many were new here; `isWhole`: none of those that were asked for is missing. */
  | { is: 'fetched'; fresh: number; isWhole: boolean }

/** What an exchange asks for next, or that it is over. */
export type ExchangeEffect =
  | { is: 'ask-proofs'; from: Epoch; count: number }
  | { is: 'ask-roots'; from: Epoch; count: number }
  | { is: 'compare'; epochs: readonly Epoch[] }
  | { is: 'ask-bits'; epoch: Epoch }
  /** Attestations at these indexes of the snapshot, as many as one question may name. */
  | { is: 'fetch'; epoch: Epoch; indexes: readonly number[] }
  /** The peer answered something else than it was asked, or does not give what it says it holds. */
  | { is: 'refuse'; code: 'other-answer' | 'withheld' }
  | { is: 'end'; outcome: SyncOutcome }

/** The next state of an exchange, and what to do. */
export interface ExchangeStep {
  state: ExchangeState
  effect: ExchangeEffect
}

/** Seats whose attestations are compared one by one where roots differ for no other reason. */
const comparedSeats = 4 * maxSyncAttestations

const noOutcome: SyncOutcome = { agreed: 0, differing: 0, fetched: 0 }

/** Compares the epochs [from, to]. `asksProofs` is false only where nobody can have signed twice. */
export const startExchange = (from: Epoch, to: Epoch, secret: Uint8Array, asksProofs = true): ExchangeStep =>
  begin({ secret, from, count: 0, end: to + 1, asksProofs, outcome: noOutcome, stage: { is: 'over' } })

/** One step. An event that does not answer the last effect is an error of the caller. */
export const stepExchange = (state: ExchangeState, event: ExchangeEvent): ExchangeStep => {
  const { stage } = state
  switch (event.is) {
    case 'proofs':
      if (stage.is === 'proofs') return onProofs(state, stage.spans, event.count)
      break
    case 'roots':
      if (stage.is === 'roots') return onRoots(state, event.epochs)
      break
    case 'compared':
      if (stage.is === 'comparing') return onCompared(state, event.agreed, event.differing)
      if (stage.is === 'comparing-again') return onComparedAgain(state, stage.differing, event)
      break
    case 'bits':
      if (stage.is === 'bits') return onBits(state, stage.differing, event)
      break
    case 'fetched':
      if (stage.is === 'fetching') return onFetched(state, stage.differing, stage.left, event)
  }
  throw new Error(`an exchange is at ${stage.is}, not at ${event.is}`)
}

/** The next epochs, as many as one question may name. */
const begin = (state: ExchangeState): ExchangeStep => {
  const from = state.from + state.count
  if (from >= state.end) {
    return { state: { ...state, stage: { is: 'over' } }, effect: { is: 'end', outcome: state.outcome } }
  }
  const begun = { ...state, from, count: Math.min(maxSyncEpochs, state.end - from) }
  return state.asksProofs ? askProofs(begun, [begun]) : askRoots(begun)
}

const askProofs = (state: ExchangeState, spans: readonly EpochSpan[]): ExchangeStep => {
  const [span] = spans
  if (span === undefined) return askRoots(state)
  const { from, count } = span
  return { state: { ...state, stage: { is: 'proofs', spans } }, effect: { is: 'ask-proofs', from, count } }
}

const onProofs = (
  state: ExchangeState,
  [span, ...spans]: readonly EpochSpan[],
  came: number,
): ExchangeStep => {
  const { from, count } = span!
  if (came < maxSyncProofs || count === 1) return askProofs(state, spans)
  // A full answer may leave others out.
  const half = Math.floor(count / 2)
  return askProofs(state, [{ from, count: half }, { from: from + half, count: count - half }, ...spans])
}

const askRoots = (state: ExchangeState): ExchangeStep => ({
  state: { ...state, stage: { is: 'roots' } },
  effect: { is: 'ask-roots', from: state.from, count: state.count },
})

const refuse = (state: ExchangeState, code: 'other-answer' | 'withheld'): ExchangeStep => ({
  state: { ...state, stage: { is: 'over' } },
  effect: { is: 'refuse', code },
})

const onRoots = (state: ExchangeState, epochs: readonly Epoch[]): ExchangeStep => {
  let next = state.from
  for (const epoch of epochs) {
    if (epoch < next || epoch >= state.from + state.count) return refuse(state, 'other-answer')
    next = epoch + 1
  }
  return { state: { ...state, stage: { is: 'comparing' } }, effect: { is: 'compare', epochs } }
}

const addTo = (state: ExchangeState, part: Partial<SyncOutcome>): ExchangeState => ({
  ...state,
  outcome: {
    agreed: state.outcome.agreed + (part.agreed ?? 0),
    differing: state.outcome.differing + (part.differing ?? 0),
    fetched: state.outcome.fetched + (part.fetched ?? 0),
  },
})

const onCompared = (state: ExchangeState, agreed: number, differing: readonly Epoch[]): ExchangeStep =>
  reconcile(agreed === 0 ? state : addTo(state, { agreed }), differing)

/** Makes one epoch after the other alike, as far as the peer holds more. */
const reconcile = (state: ExchangeState, differing: readonly Epoch[]): ExchangeStep => {
  const [epoch] = differing
  if (epoch === undefined) return begin(state)
  return { state: { ...state, stage: { is: 'bits', differing } }, effect: { is: 'ask-bits', epoch } }
}

const onBits = (
  state: ExchangeState,
  differing: readonly Epoch[],
  { theirs, own, proved, size, isSame, hasMoved }: Extract<ExchangeEvent, { is: 'bits' }>,
): ExchangeStep => {
  if (theirs === null) return compareAgain(state, differing)
  if (theirs.length !== Math.ceil(size / 8)) return refuse(state, 'other-answer')
  const missing: number[] = []
  const common: number[] = []
  let hasAll = true
  for (let i = 0; i < size; i++) {
    if (hasBit(own, i)) {
      common.push(i)
      if (!hasBit(theirs, i)) hasAll = false
    } else if (hasBit(theirs, i) && !hasBit(proved, i)) missing.push(i)
  }
  if (missing.length > 0) return fetchSome(state, differing, missing)
  // What came to one of the two since the roots were told makes no difference that is looked for.
  if (!hasAll || isSame || hasMoved) return compareAgain(state, differing)
  // The same seats under other roots: somebody signed twice, and each side holds one of the two (R-ATT-3).
  const seed = hash('sync-common', state.secret, differing[0]!)
  return fetchSome(state, differing, drawSome(common, comparedSeats, createStream(seed)))
}

const fetchSome = (
  state: ExchangeState,
  differing: readonly Epoch[],
  indexes: readonly number[],
): ExchangeStep => {
  if (indexes.length === 0) return compareAgain(state, differing)
  const left = indexes.slice(maxSyncAttestations)
  return {
    state: { ...state, stage: { is: 'fetching', differing, left } },
    effect: { is: 'fetch', epoch: differing[0]!, indexes: indexes.slice(0, maxSyncAttestations) },
  }
}

const onFetched = (
  state: ExchangeState,
  differing: readonly Epoch[],
  left: readonly number[],
  { fresh, isWhole }: Extract<ExchangeEvent, { is: 'fetched' }>,
): ExchangeStep =>
  isWhole ? fetchSome(addTo(state, { fetched: fresh }), differing, left) : refuse(state, 'withheld')

const compareAgain = (state: ExchangeState, differing: readonly Epoch[]): ExchangeStep => ({
  state: { ...state, stage: { is: 'comparing-again', differing } },
  effect: { is: 'compare', epochs: differing.slice(0, 1) },
})

const onComparedAgain = (
  state: ExchangeState,
  differing: readonly Epoch[],
  again: Extract<ExchangeEvent, { is: 'compared' }>,
): ExchangeStep =>
  reconcile(addTo(state, { agreed: again.agreed, differing: again.differing.length }), differing.slice(1))
