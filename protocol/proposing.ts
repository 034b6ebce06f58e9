import type { CID } from 'multiformats/cid'
import { maxWants, type Wants } from './checkpoint-messages.ts'
import type { Opinion } from './contents.ts'
import type { Epoch, Height, Seat } from './ids.ts'

/**
 * One certifier's attempt to have a view certified (R-CP-3): it builds a payload, asks all certifiers at once, mends
 * what more of them miss than refuse, and asks again.
 */
export interface ProposingState {
  view: number
  /** Payloads built so far. */
  revision: number
  stage: 'building' | 'asking' | 'gathering' | 'resting' | 'aggregating' | 'done'
  payload: { cid: CID; bytes: Uint8Array } | null
  /** Certifiers whose answer to this round is awaited. */
  awaited: ReadonlySet<Seat>
  /** For the present payload. */
  votes: ReadonlyMap<Seat, Uint8Array>
  /** Wants of this round. */
  wants: ReadonlyMap<Seat, Wants>
  /** What was ever said of an attestation, by `<epoch>:<seat>`. */
  opinions: ReadonlyMap<string, HeldOpinion>
  /** Confirmed height at which the last round began; below all heights before the first. */
  askedAt: Height
  /** No round begins before this confirmed height. */
  restsUntil: Height
}

interface HeldOpinion {
  demands: ReadonlySet<Seat>
  refusals: ReadonlySet<Seat>
}

export type ProposingEvent =
  | { is: 'built'; cid: CID; bytes: Uint8Array }
  | { is: 'vote'; from: Seat; signature: Uint8Array }
  | { is: 'wants'; from: Seat; wants: Wants }
  /** Asked again in the next round: silent, busy, or refusing. */
  | { is: 'nothing'; from: Seat }
  | { is: 'gathered' }
  | { is: 'height'; height: Height }

export type ProposingEffect =
  | { is: 'build'; view: number }
  | { is: 'propose'; view: number; cid: CID; bytes: Uint8Array; to: readonly Seat[] }
  /** Fetch, verify and store what others hold; also what contradicts an own attestation, which makes a proof. */
  | { is: 'gather'; wants: readonly { from: Seat; wants: Wants }[] }

export interface ProposingStep {
  state: ProposingState
  effects: readonly ProposingEffect[]
}

/** Payloads that one proposer builds in a view: more would be a quarrel that no mending ends. */
export const maxRevisions = 16

export const startProposing = (view: number, height: Height): ProposingStep => ({
  state: {
    view,
    revision: 0,
    stage: 'building',
    payload: null,
    awaited: new Set(),
    votes: new Map(),
    wants: new Map(),
    opinions: new Map(),
    askedAt: -1,
    restsUntil: height,
  },
  effects: [{ is: 'build', view }],
})

/** `others`: all certifiers of the view but this one. `height`: the last confirmed one. */
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
      return endOfRound({ ...state, votes, awaited: without(state.awaited, event.from) }, height)
    }
    case 'wants': {
      if (!state.awaited.has(event.from)) return same(state)
      const wants = new Map(state.wants).set(event.from, event.wants)
      return endOfRound({ ...state, wants, awaited: without(state.awaited, event.from) }, height)
    }
    case 'nothing':
      return endOfRound({ ...state, awaited: without(state.awaited, event.from) }, height)
    case 'gathered':
      return state.stage === 'gathering' ? build(state) : same(state)
    case 'height':
      return state.stage === 'resting' && event.height >= state.restsUntil ? build(state) : same(state)
  }
}

/** What others say of an attestation, for `chooseContents`. */
export const opinionOf = (state: ProposingState, epoch: Epoch, seat: Seat): Opinion | undefined => {
  const opinion = state.opinions.get(`${epoch}:${seat}`)
  return opinion && { demands: opinion.demands.size, refusals: opinion.refusals.size }
}

const same = (state: ProposingState): ProposingStep => ({ state, effects: [] })

const build = (state: ProposingState): ProposingStep => ({
  state: { ...state, stage: 'building' },
  effects: [{ is: 'build', view: state.view }],
})

const without = (seats: ReadonlySet<Seat>, seat: Seat): ReadonlySet<Seat> =>
  seats.has(seat) ? new Set([...seats].filter((other) => other !== seat)) : seats

const onBuilt = (
  state: ProposingState,
  { cid, bytes }: { cid: CID; bytes: Uint8Array },
  others: readonly Seat[],
  height: Height,
): ProposingStep => {
  const isNew = state.payload?.cid.equals(cid) !== true
  if (isNew && state.revision === maxRevisions) return same({ ...state, stage: 'done' })
  // Once for each block: whatever was wanted, to the same payload the same would be answered.
  if (!isNew && height <= state.askedAt) return same(rest(state, height))
  const votes: ReadonlyMap<Seat, Uint8Array> = isNew ? new Map() : state.votes
  const to = others.filter((seat) => !votes.has(seat))
  const asking: ProposingState = {
    ...state,
    stage: 'asking',
    payload: { cid, bytes },
    revision: isNew ? state.revision + 1 : state.revision,
    votes,
    awaited: new Set(to),
    wants: new Map(),
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
  const opinions = new Map(state.opinions)
  const add = (key: string, from: Seat, side: 'demands' | 'refusals'): void => {
    const known = opinions.get(key) ?? { demands: new Set(), refusals: new Set() }
    if (known[side].has(from)) return
    opinions.set(key, { ...known, [side]: new Set([...known[side], from]) })
  }
  for (const [from, { missing, late }] of state.wants) {
    for (const { epoch, seat } of missing.slice(0, maxWants)) add(`${epoch}:${seat}`, from, 'demands')
    for (const { epoch, seat } of late.slice(0, maxWants)) add(`${epoch}:${seat}`, from, 'refusals')
  }
  return {
    state: { ...state, stage: 'gathering', opinions },
    effects: [{ is: 'gather', wants: [...state.wants].map(([from, wants]) => ({ from, wants })) }],
  }
}
