import type { Height } from './ids.ts'

/**
 * Own attestations on their way out, as a step function (R-ATT-5). They are on disk from the moment they are signed, and
 * held, which is to say shown to others, from the moment they are sent: a node that got one by sync earlier would not
 * pass it on when gossip brings it.
 *
 * All nodes come to the end of the window at the same block: 40,000 attestations at once would be dropped as a flood.
 * Each waits for a random part of the spread, but not beyond its epoch: from there half an epoch is left for it to come
 * everywhere (R-CP-3).
 */
export interface SendingState {
  /** Without a spread everything is sent at once. */
  hasSpread: boolean
  /** In the order in which they were signed. */
  waiting: readonly WaitingAttestation[]
  isStopped: boolean
}

export interface WaitingAttestation {
  /** A number of its own, given by the driver. */
  id: number
  /** b(e + 1): it waits no longer than this. */
  over: Height
  /** From here on gossip does not take it (R-ATT-6). */
  closes: Height
  /** It waits to the end of its epoch, since another daemon's may come first (R-ATT-7). */
  isLast: boolean
  /** `astray`: its moment came while the chain was on another branch. */
  stage: 'waiting' | 'sending' | 'astray'
}

/** What becomes of the own attestations. */
export type SendingEvent =
  /** Signed and on disk, at this confirmed height. */
  | { is: 'signed'; own: Omit<WaitingAttestation, 'stage'>; height: Height }
  /** Its random moment has come. */
  | { is: 'moment'; id: number }
  | { is: 'height'; height: Height }
  /** It was handed over, or another one of its seat, epoch and beacon is held. */
  | { is: 'sent'; id: number }
  /** Its beacon is not on the present branch, where it neither counts nor accuses (R-CHAIN-2). */
  | { is: 'astray'; id: number }
  /** Nobody knows when the next start is. */
  | { is: 'stop' }

/** What is to be done with an own attestation. */
export type SendingEffect =
  /** Draw a random part of the spread; `moment` follows after it. */
  | { is: 'wait'; id: number }
  /** Hold and publish it if its beacon is on the present branch; `sent` or `astray` follows. */
  | { is: 'send'; id: number }
  /** Its epoch has closed: it stays on disk and is never sent. */
  | { is: 'forget'; id: number }

export interface SendingStep {
  state: SendingState
  effects: readonly SendingEffect[]
}

/** Returns the state before anything was signed. `hasSpread`: attestations go out at random moments. */
export const startSending = (hasSpread: boolean): SendingState => ({
  hasSpread,
  waiting: [],
  isStopped: false,
})

/** R-ATT-5: returns the next state and what to do. */
export const stepSending = (state: SendingState, event: SendingEvent): SendingStep => {
  switch (event.is) {
    case 'signed':
      return onSigned(state, event.own, event.height)
    case 'moment':
      return send(state, ({ id, stage }) => id === event.id && stage === 'waiting')
    case 'height':
      return onHeight(state, event.height)
    case 'sent':
      return { state: without(state, ({ id }) => id === event.id), effects: [] }
    case 'astray':
      return { state: goAstray(state, event.id), effects: [] }
    case 'stop':
      // What waits for another daemon's is left to the next start.
      return send({ ...state, isStopped: true }, ({ stage, isLast }) => stage !== 'sending' && !isLast)
  }
}

type IsWanted = (own: WaitingAttestation) => boolean

const send = (state: SendingState, isDue: IsWanted): SendingStep => {
  const due = state.waiting.filter(isDue)
  if (due.length === 0) return { state, effects: [] }
  const waiting = state.waiting.map((own): WaitingAttestation =>
    isDue(own) ? { ...own, stage: 'sending' } : own,
  )
  return { state: { ...state, waiting }, effects: due.map(({ id }) => ({ is: 'send', id })) }
}

const without = (state: SendingState, isGone: IsWanted): SendingState => ({
  ...state,
  waiting: state.waiting.filter((own) => !isGone(own)),
})

const onSigned = (
  before: SendingState,
  own: Omit<WaitingAttestation, 'stage'>,
  height: Height,
): SendingStep => {
  const state: SendingState = { ...before, waiting: [...before.waiting, { ...own, stage: 'waiting' }] }
  const isDue = height >= own.over || (!own.isLast && (state.isStopped || !state.hasSpread))
  if (isDue) return send(state, ({ id }) => id === own.id)
  return { state, effects: own.isLast ? [] : [{ is: 'wait', id: own.id }] }
}

const onHeight = (before: SendingState, height: Height): SendingStep => {
  const isClosed: IsWanted = ({ stage, closes }) => stage !== 'sending' && height >= closes
  const forgotten = before.waiting.filter(isClosed)
  const state = forgotten.length === 0 ? before : without(before, isClosed)
  const step = send(state, ({ stage, over }) => stage === 'astray' || (stage === 'waiting' && height >= over))
  return {
    state: step.state,
    effects: [...forgotten.map(({ id }): SendingEffect => ({ is: 'forget', id })), ...step.effects],
  }
}

/** The branch may come back; after a stop the next start looks. */
const goAstray = (state: SendingState, astray: number): SendingState =>
  state.isStopped
    ? without(state, ({ id }) => id === astray)
    : {
        ...state,
        waiting: state.waiting.map((own) => (own.id === astray ? { ...own, stage: 'astray' } : own)),
      }

/**
 * R-ATT-5: what a start does with an attestation that was signed before it: its moment was lost with the process.
 * Publish the same bytes, if gossip still takes its epoch; only hold it, so that sync has it; or nothing.
 */
export const againOf = (own: { isOpen: boolean; isHeld: boolean }): 'publish' | 'hold' | 'nothing' => {
  if (own.isOpen) return 'publish'
  return own.isHeld ? 'nothing' : 'hold'
}
