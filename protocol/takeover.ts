import type { Epoch, Height } from './ids.ts'
import type { EpochPhases } from './epoch.ts'

/** What a daemon saw of an epoch, and of one seat in it (R-ATT-8). */
export interface WatchedEpoch {
  epoch: Epoch
  phases: Pick<EpochPhases, 'opens' | 'mustHold'>
  /** The other seats of its snapshot, and of how many of them an attestation is held. */
  others: number
  heard: number
  /** Whether an attestation of the seat is held. */
  isSeatHeard: boolean
}

/** What the operator's word waits for, or came to. */
export type TakeoverStanding =
  /** The seat may be taken over: it was silent in this whole epoch. */
  | { is: 'due'; epoch: Epoch }
  /** The seat has attested an epoch that opened after the word: its daemon runs. */
  | { is: 'void'; epoch: Epoch; why: 'seat-heard' | 'too-old' }
  /** `epoch` is the newest one that could have told; null before the first. */
  | { is: 'waiting'; epoch: Epoch | null; why: 'not-over' | 'not-whole' | 'few-heard' | 'seat-heard' }

/** Epochs for which the operator's word holds, after the one in which it was given: a day of those of four hours. */
export const takeoverEpochs = 6

/**
 * R-ATT-8: whether a daemon may go on as the seat, now that its operator has said in epoch `saidIn` that the other one is
 * stopped. `watchedFrom` is the height since which it has followed the chain at its tip without a break; `epochs` are
 * those about which attestations may have come lately, in rising order, up to the one that runs.
 */
export const standingOfTakeover = (
  saidIn: Epoch,
  height: Height,
  watchedFrom: Height | null,
  epochs: readonly WatchedEpoch[],
): TakeoverStanding => {
  const heard = epochs.find(({ epoch, isSeatHeard }) => isSeatHeard && epoch > saidIn)
  if (heard !== undefined) return { is: 'void', epoch: heard.epoch, why: 'seat-heard' }
  const current = epochs.at(-1)?.epoch ?? null
  const last = epochs.findLast(({ phases }) => height >= phases.mustHold)
  const waiting = (why: Extract<TakeoverStanding, { is: 'waiting' }>['why']): TakeoverStanding =>
    current !== null && current > saidIn + takeoverEpochs
      ? { is: 'void', epoch: current, why: 'too-old' }
      : { is: 'waiting', epoch: last?.epoch ?? current, why }
  if (last === undefined) return waiting('not-over')
  if (watchedFrom === null || watchedFrom > last.phases.opens) return waiting('not-whole')
  // A daemon that hears few is cut off: the silence of one seat then says nothing.
  if (2 * last.heard < last.others) return waiting('few-heard')
  const isHeardSince = epochs.some(({ epoch, isSeatHeard }) => epoch >= last.epoch && isSeatHeard)
  return isHeardSince ? waiting('seat-heard') : { is: 'due', epoch: last.epoch }
}
