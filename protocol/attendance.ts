import type { EpochPhases } from './epoch.ts'
import type { Epoch, Height } from './ids.ts'
import { firstRemembered } from './twins.ts'

/**
 * A daemon's start as a step function (R-ATT-5). Before it signs anything it asks three other seats for its own
 * attestations; then it sends again what it signed before. The fence keeps it from attesting what it may have attested
 * already: nothing at all while others have not answered, and afterwards nothing of the epoch of the start unless its
 * record is known to be whole.
 */
export interface AttendanceState {
  /** The epoch of the start; null before the first height at the tip of the chain. */
  start: Epoch | null
  /** Whether others have been asked: not yet, they are being asked, or enough is known. */
  asking: 'due' | 'asking' | 'done'
  /** Whether the epoch of the start may be attested; unknown while `pending`. */
  fence: 'pending' | 'open' | 'closed'
  isSentAgain: boolean
}

/** What a starting daemon hears. */
export type AttendanceEvent =
  /** A height at the tip of the chain. `isSeated`: the own seat is in the snapshot of the running epoch. */
  | { is: 'height'; epoch: Epoch; isSeated: boolean }
  /** A round of questions is over. */
  | { is: 'asked'; answers: OwnAnswers }
  /** A round of questions ended without a result: there is no seat to ask for, or no room to ask. */
  | { is: 'not-asked' }

/** What other seats know of the own attestations. */
export interface OwnAnswers {
  /** Epochs that were running when the questions began and ended. */
  began: Epoch
  ended: Epoch
  /** Seats that answered. */
  answered: number
  /** Three answered, or all that there are. */
  isEnough: boolean
  /** Attestations that the own record lacked; they are recorded now. */
  learned: number
  /** The newest epoch that the own key attested, as far as the record knows now. */
  lastOwn: Epoch | null
}

/** What a starting daemon is to do, in the order given. */
export type AttendanceEffect =
  /** Ask other seats, one after the other, until three have answered; after a pause if `isAgain`. */
  | { is: 'ask'; isAgain: boolean }
  /** R-ATT-7: from this epoch on the record holds everything that this machine signed. */
  | { is: 'remember'; from: Epoch }
  /** Send again what was signed before the start (`againOf`). */
  | { is: 'send-again' }
  /** Work may begin now. */
  | { is: 'go-on' }

export interface AttendanceStep {
  state: AttendanceState
  effects: readonly AttendanceEffect[]
}

/** The state of a daemon that has just started: nothing may be signed yet. */
export const startAttendance: AttendanceState = {
  start: null,
  asking: 'due',
  fence: 'pending',
  isSentAgain: false,
}

/** R-ATT-5: returns the next state and what to do. Pure; any order of events is allowed. */
export const stepAttendance = (state: AttendanceState, event: AttendanceEvent): AttendanceStep => {
  switch (event.is) {
    case 'height':
      return onHeight({ ...state, start: state.start ?? event.epoch }, event.isSeated)
    case 'asked':
      return state.asking === 'asking' ? onAsked(state, event.answers) : same(state)
    case 'not-asked':
      return same(state.asking === 'asking' ? { ...state, asking: 'due' } : state)
  }
}

const same = (state: AttendanceState): AttendanceStep => ({ state, effects: [] })

const onHeight = (state: AttendanceState, isSeated: boolean): AttendanceStep => {
  // A block after the questions went out, with or without answers.
  if (state.asking === 'asking') return sendAgain(state)
  if (state.asking === 'done' || !isSeated) return same(state)
  return { state: { ...state, asking: 'asking' }, effects: [{ is: 'ask', isAgain: false }] }
}

const sendAgain = (state: AttendanceState): AttendanceStep =>
  state.isSentAgain
    ? same(state)
    : { state: { ...state, isSentAgain: true }, effects: [{ is: 'send-again' }] }

const onAsked = (state: AttendanceState, answers: OwnAnswers): AttendanceStep => {
  const { began, ended, answered, isEnough, learned, lastOwn } = answers
  const askAgain: AttendanceEffect = { is: 'ask', isAgain: true }
  // Nobody answers at all: this node is cut off and cannot know what it did before, up to this very epoch.
  if (answered === 0 && learned === 0 && !isEnough) {
    return { state: { ...state, start: began }, effects: [askAgain] }
  }
  const sent = sendAgain(state)
  const isOver = isEnough || learned > 0 || (state.start !== null && began > state.start)
  if (!isOver) return { state: sent.state, effects: [...sent.effects, askAgain] }
  return {
    state: { ...sent.state, asking: 'done', fence: isEnough && learned === 0 ? 'open' : 'closed' },
    effects: [{ is: 'remember', from: firstRemembered(ended, lastOwn) }, ...sent.effects, { is: 'go-on' }],
  }
}

/** While others have not answered, the own chain may be an old copy too, and name epochs that are long gone. */
const isFenced = ({ start, fence }: AttendanceState, epoch: Epoch): boolean =>
  fence === 'pending' || (start !== null && epoch <= start)

/** What the own store says of the work of an epoch under its beacon. */
export interface OwnRecord {
  /** An attestation was signed. */
  isSigned: boolean
  /** There is a record of work that was begun. */
  isRecorded: boolean
}

/**
 * R-ATT-5: how the work of an epoch begins: anew, from its record, or not at all. A record is taken up whatever the fence
 * says, since it goes on with the same nonces.
 */
export const nextWork = (
  state: AttendanceState,
  epoch: Epoch,
  phases: Pick<EpochPhases, 'attests'>,
  height: Height,
  { isSigned, isRecorded }: OwnRecord,
): 'begin' | 'resume' | 'none' => {
  if (isSigned) return 'none'
  if (isRecorded) return 'resume'
  // Begun in the middle without a record: somebody may have worked here before.
  return isFenced(state, epoch) || height >= phases.attests ? 'none' : 'begin'
}

/** R-ATT-5: whether the end of an epoch's window waits for the others' answers; a later height ends it just as well. */
export const isHeldBack = (
  state: AttendanceState,
  phases: Pick<EpochPhases, 'attests'>,
  height: Height,
): boolean => state.fence === 'pending' && height >= phases.attests

/** R-ATT-5: whether an epoch may be attested that nothing was signed of. */
export const mayAttest = (state: AttendanceState, epoch: Epoch): boolean =>
  !isFenced(state, epoch) || state.fence === 'open'
