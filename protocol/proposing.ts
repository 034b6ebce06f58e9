import type { CID } from 'multiformats/cid'
import { maxWants, type Wants } from './checkpoint-messages.ts'
import type { Epoch, Height, Seat } from './ids.ts'
import { type Known, type Listing, type Opinion, rowKey, type Said } from './listing.ts'

/**
 * One certifier's attempt to have a view certified (R-CP-3): it builds a payload, asks all certifiers at once, gathers
 * what it lacks, lists as `chooseListing` says, and asks again.
 */
export interface ProposingState {
  view: number
  /** Payloads built so far. */
  revision: number
  stage: 'building' | 'asking' | 'gathering' | 'resting' | 'aggregating' | 'done'
  payload: { cid: CID; bytes: Uint8Array; listing: Listing } | null
  /** Certifiers whose answer to this round is awaited. */
  awaited: ReadonlySet<Seat>
  /** For the present payload. */
  votes: ReadonlyMap<Seat, Uint8Array>
  /** Rounds in which the present payload was sent. */
  rounds: number
  /** Answers to the present payload; those who gave them would answer the same again. */
  wants: ReadonlyMap<Seat, Wants>
  /** Whose wants are of this round. */
  wanting: ReadonlySet<Seat>
  /** What was ever said of an attestation, by `rowKey`. */
  opinions: ReadonlyMap<string, Opinion>
  /** What this proposer did not hold when it was first missed, by `rowKey`. */
  lacked: ReadonlySet<string>
  /** Answers with wants, by certifier. */
  answers: ReadonlyMap<Seat, number>
  /** Rounds without any answer since the last one with an answer, by certifier. */
  unanswered: ReadonlyMap<Seat, number>
  /** Certifiers that gave one payload neither a vote nor a reason in two rounds, and nothing since. */
  idle: ReadonlySet<Seat>
  /** Confirmed height at which the last round began; below all heights before the first. */
  askedAt: Height
  /** No round begins before this confirmed height. */
  restsUntil: Height
}

export type ProposingEvent =
  | { is: 'built'; cid: CID; bytes: Uint8Array; listing: Listing }
  | { is: 'vote'; from: Seat; signature: Uint8Array }
  | { is: 'wants'; from: Seat; wants: Wants }
  /** Asked again in the next round: later, or refused. */
  | { is: 'nothing'; from: Seat }
  /** No answer before the deadline. */
  | { is: 'silence'; from: Seat }
  /** `lacked`: of the attestations that were wanted, those that were not held before. */
  | { is: 'gathered'; lacked: readonly { epoch: Epoch; seat: Seat }[] }
  | { is: 'height'; height: Height }

/** What a proposer is to do, in the order given. */
export type ProposingEffect =
  /** Contents are those of `chooseListing`, to which all but the view goes. */
  | { is: 'build'; view: number; known: Known; certifiers: number; isLast: boolean }
  | { is: 'propose'; view: number; cid: CID; bytes: Uint8Array; to: readonly Seat[] }
  /**
   * Fetch, verify and store what is not held of what others hold; also what contradicts an own attestation, which makes a
   * proof. Wants are those of all answers to the present payload: what could not be fetched is tried again.
   */
  | { is: 'gather'; wants: readonly { from: Seat; wants: Wants }[] }

export interface ProposingStep {
  state: ProposingState
  effects: readonly ProposingEffect[]
}

/** Payloads that one proposer builds in a view: more would be a quarrel that no mending ends. */
export const maxRevisions = 16
/** Answers with wants in which a certifier may speak against what a proposer lists by itself. */
const earlyAnswers = 2
/** Rounds without an answer after which a certifier is silent. */
const silentRounds = 2
/** Rounds after which no more votes are expected for the same payload from those that gave no reason. */
const patientRounds = 2

/** `others`: all certifiers of the view but this one. `height`: the last confirmed one. */
export const startProposing = (view: number, others: readonly Seat[], height: Height): ProposingStep =>
  build(
    {
      view,
      revision: 0,
      stage: 'building',
      payload: null,
      awaited: new Set(),
      votes: new Map(),
      rounds: 0,
      wants: new Map(),
      wanting: new Set(),
      opinions: new Map(),
      lacked: new Set(),
      answers: new Map(),
      unanswered: new Map(),
      idle: new Set(),
      askedAt: -1,
      restsUntil: height,
    },
    others,
  )

export const stepProposing = (
  state: ProposingState,
  event: ProposingEvent,
  others: readonly Seat[],
  height: Height,
): ProposingStep => {
  switch (event.is) {
    case 'built':
      return state.stage === 'building' ? onBuilt(state, event, others, height) : same(state)
    case 'vote': {
      const votes = new Map(state.votes).set(event.from, event.signature)
      const idle = without(state.idle, event.from)
      return endOfRound(answered({ ...state, votes, idle }, event.from), height)
    }
    case 'wants': {
      if (!state.awaited.has(event.from)) return same(state)
      const wants = new Map(state.wants).set(event.from, event.wants)
      const wanting = new Set([...state.wanting, event.from])
      const idle = hasReason(event.wants) ? without(state.idle, event.from) : state.idle
      return endOfRound(answered({ ...state, wants, wanting, idle }, event.from), height)
    }
    case 'nothing':
      return endOfRound(answered(state, event.from), height)
    case 'silence': {
      const unanswered = new Map(state.unanswered)
      if (state.awaited.has(event.from)) unanswered.set(event.from, (unanswered.get(event.from) ?? 0) + 1)
      return endOfRound({ ...state, unanswered, awaited: without(state.awaited, event.from) }, height)
    }
    case 'gathered': {
      if (state.stage !== 'gathering') return same(state)
      const lacked = new Set([...state.lacked, ...event.lacked.map(({ epoch, seat }) => rowKey(epoch, seat))])
      return build({ ...state, lacked }, others)
    }
    case 'height':
      return state.stage === 'resting' && event.height >= state.restsUntil
        ? build(state, others)
        : same(state)
  }
}

const same = (state: ProposingState): ProposingStep => ({ state, effects: [] })

const answered = (state: ProposingState, from: Seat): ProposingState => {
  const unanswered = new Map(state.unanswered)
  unanswered.delete(from)
  return { ...state, unanswered, awaited: without(state.awaited, from) }
}

const build = (before: ProposingState, others: readonly Seat[]): ProposingStep => {
  const state: ProposingState = { ...before, stage: 'building', idle: idleOf(before, others) }
  const { view, opinions, lacked, unanswered, idle, revision } = state
  const silent = [...unanswered].filter(([, rounds]) => rounds >= silentRounds).map(([seat]) => seat)
  const known = { opinions, lacked, lost: new Set([...idle, ...silent]) }
  const isLast = revision >= maxRevisions - 1
  return { state, effects: [{ is: 'build', view, known, certifiers: others.length + 1, isLast }] }
}

const idleOf = (state: ProposingState, others: readonly Seat[]): ReadonlySet<Seat> => {
  if (state.rounds < patientRounds) return state.idle
  const isIdle = (seat: Seat): boolean => {
    const wants = state.wants.get(seat)
    return !state.votes.has(seat) && (wants === undefined || !hasReason(wants))
  }
  return new Set([...state.idle, ...others.filter(isIdle)])
}

const hasReason = ({ missing, late }: Wants): boolean => missing.length + late.length > 0

const without = (seats: ReadonlySet<Seat>, seat: Seat): ReadonlySet<Seat> =>
  seats.has(seat) ? new Set([...seats].filter((other) => other !== seat)) : seats

const onBuilt = (
  state: ProposingState,
  { cid, bytes, listing }: Extract<ProposingEvent, { is: 'built' }>,
  others: readonly Seat[],
  height: Height,
): ProposingStep => {
  const isNew = state.payload?.cid.equals(cid) !== true
  if (isNew && state.revision === maxRevisions) return same({ ...state, stage: 'done' })
  // Once for each block: whatever was wanted, to the same payload the same would be answered.
  if (!isNew && height <= state.askedAt) return same(rest(state, height))
  const votes: ReadonlyMap<Seat, Uint8Array> = isNew ? new Map() : state.votes
  const wants: ReadonlyMap<Seat, Wants> = isNew ? new Map() : state.wants
  const to = others.filter((seat) => !votes.has(seat) && !wants.has(seat))
  const asking: ProposingState = {
    ...state,
    stage: 'asking',
    payload: { cid, bytes, listing },
    revision: isNew ? state.revision + 1 : state.revision,
    votes,
    wants,
    wanting: new Set(),
    rounds: isNew ? 1 : state.rounds + 1,
    awaited: new Set(to),
    askedAt: height,
  }
  // With nobody left to ask, the round is over at once.
  if (to.length === 0) return endOfRound(asking, height)
  return { state: asking, effects: [{ is: 'propose', view: state.view, cid, bytes, to }] }
}

const rest = (state: ProposingState, height: Height): ProposingState => ({
  ...state,
  stage: 'resting',
  restsUntil: height + 1,
})

/** All have answered, and whoever drives this has seen that the votes are too few. */
const endOfRound = (state: ProposingState, height: Height): ProposingStep => {
  if (state.stage !== 'asking' || state.awaited.size > 0) return same(state)
  if (state.wants.size === 0) return same(rest(state, height))
  const answers = new Map(state.answers)
  for (const from of state.wanting) answers.set(from, (answers.get(from) ?? 0) + 1)
  const heard = [...state.wants].filter(([from]) => state.wanting.has(from))
  const isEarly = (from: Seat): boolean => answers.get(from)! <= earlyAnswers
  const opinions = addOpinions(state.opinions, heard, state.payload!.listing, isEarly)
  return {
    state: { ...state, stage: 'gathering', opinions, answers },
    effects: [{ is: 'gather', wants: [...state.wants].map(([from, wants]) => ({ from, wants })) }],
  }
}

const addOpinions = (
  before: ReadonlyMap<string, Opinion>,
  heard: readonly (readonly [Seat, Wants])[],
  listing: Listing,
  isEarly: (from: Seat) => boolean,
): ReadonlyMap<string, Opinion> => {
  const added = new Map<string, Opinion & Record<'missing' | 'late', Map<Seat, Said>>>()
  const add = (side: 'missing' | 'late', from: Seat, epoch: Epoch, seat: Seat): void => {
    const key = rowKey(epoch, seat)
    let opinion = added.get(key)
    if (opinion === undefined) {
      const known = before.get(key)
      opinion = { epoch, seat, missing: new Map(known?.missing), late: new Map(known?.late) }
      added.set(key, opinion)
    }
    if (opinion[side].has(from)) return
    opinion[side].set(from, { isEarly: isEarly(from), wasListed: listing.get(key) ?? null })
  }
  for (const [from, { missing, late }] of heard) {
    for (const { epoch, seat } of missing.slice(0, maxWants)) add('missing', from, epoch, seat)
    for (const { epoch, seat } of late.slice(0, maxWants)) add('late', from, epoch, seat)
  }
  return new Map([...before, ...added])
}
