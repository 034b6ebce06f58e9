import type { Epoch, Height } from '../../../protocol/index.ts'

/** What is judged of an epoch: of how many other seats the attestation was held by mustHold. */
export interface Heard {
  epoch: Epoch
  heard: number
  /** Other seats of snapshot(epoch). */
  others: number
}

export interface HearingState {
  /** Turns of sync that were over when the node last was at or before attests of these epochs. */
  turnsByEpoch: ReadonlyMap<Epoch, number>
  /** The last epoch that was judged, with the number of epochs in a row in which too few were heard. */
  last: (Heard & { inARow: number }) | null
  /** Epochs in which too few were heard, in rising order. */
  few: readonly Epoch[]
}

export const noHearing: HearingState = { turnsByEpoch: new Map(), last: null, few: [] }

export type HearingEvent =
  /** A confirmed height, at the tip; `turns` counts those of sync since the start (R-SYNC-2), whatever came of them. */
  | {
      is: 'height'
      height: Height
      turns: number
      epochs: readonly { epoch: Epoch; attests: Height; mustHold: Height }[]
    }
  /** The node was not at the tip, or the chain stood still: what was missed meanwhile says nothing of the others. */
  | { is: 'break' }
  /** What had been heard of an epoch that was due. */
  | ({ is: 'heard' } & Heard)
  /** These epochs have other beacons now. */
  | { is: 'reorganised'; from: Epoch }

/**
 * From attests to mustHold there are 16 + 96 blocks, 280 turns at one in 30 s. With fewer than eight the blocks came at more
 * than 35 times their pace: the node was catching up, and could not hear.
 */
const minTurns = 8
/**
 * Five of up to nine others are silent by chance in 9 epochs of 10,000 if each attests in nine of ten; in networks of up to
 * five seats so many are not there at all, and one owner may have them all.
 */
const minMissing = 5
/** As many epochs as a checkpoint lists (R-CP-1). */
const maxFew = 8_192

/** Fewer than half of the others, and not by chance. */
export const isFew = ({ heard, others }: Heard): boolean => 2 * heard < others && others - heard >= minMissing

/** Raised once, it is taken back only by an epoch in which two thirds were heard, as many as certify (R-CP-4). */
const staysFew = ({ heard, others }: Heard): boolean => 3 * heard < 2 * others

/** One step. The epochs in `due` are to be counted now: what was heard of them comes as the next event. */
export const stepHearing = (
  state: HearingState,
  event: HearingEvent,
): { state: HearingState; due: readonly Epoch[] } => {
  switch (event.is) {
    case 'break':
      return { state: { ...state, turnsByEpoch: new Map() }, due: [] }
    case 'height':
      return onHeight(state, event)
    case 'heard':
      return { state: onHeard(state, event), due: [] }
    case 'reorganised':
      return { state: forgetFrom(state, event.from), due: [] }
  }
}

const onHeight = (
  state: HearingState,
  { height, turns, epochs }: Extract<HearingEvent, { is: 'height' }>,
): { state: HearingState; due: readonly Epoch[] } => {
  const turnsByEpoch = new Map(state.turnsByEpoch)
  const due: Epoch[] = []
  for (const { epoch, attests, mustHold } of epochs) {
    if (height <= attests) turnsByEpoch.set(epoch, turns)
    if (height < mustHold) continue
    const before = turnsByEpoch.get(epoch)
    turnsByEpoch.delete(epoch)
    if (before !== undefined && turns - before >= minTurns) due.push(epoch)
  }
  return { state: { ...state, turnsByEpoch }, due }
}

const onHeard = (state: HearingState, { epoch, heard, others }: Heard): HearingState => {
  const judged = { epoch, heard, others }
  const before = state.last?.inARow ?? 0
  const stands = isFew(judged) || (before > 0 && staysFew(judged))
  const few = isFew(judged) ? [...state.few.filter((one) => one !== epoch), epoch].slice(-maxFew) : state.few
  return { ...state, last: { ...judged, inARow: stands ? before + 1 : 0 }, few }
}

const forgetFrom = (state: HearingState, from: Epoch): HearingState => ({
  turnsByEpoch: new Map([...state.turnsByEpoch].filter(([epoch]) => epoch < from)),
  last: state.last !== null && state.last.epoch >= from ? null : state.last,
  few: state.few.filter((epoch) => epoch < from),
})
