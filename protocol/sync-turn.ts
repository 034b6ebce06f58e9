import type { RandomStream } from './random.ts'
import { isApart, type PrefixBits } from './relay.ts'

/*
 * Whom a node asks in sync, how many at a time, and when it stops (R-SYNC-2), as step functions. Which seats were asked
 * already is a large set, kept by the shell.
 */

/** As many as gossip's mesh of a topic wants (gossipsub's D). */
export const wantedNeighbours = 8
/** Seats that a node asks at the same time while it is alone (R-SYNC-2). */
const askedWhenAlone = 3
/** Seats that are tried until one has answered. */
const maxTries = 3
/** For all of these: a seat that answers too slowly holds up its own turn only. */
export const syncTurnMs = 60_000

/** Seats to dial in a turn: gossip needs neighbours, and those that a node alone has may not serve it. */
export const neighboursToDial = (isAlone: boolean, connected: number): number =>
  isAlone ? wantedNeighbours : Math.max(0, wantedNeighbours - connected)

/** By lane, of which each asks one seat after the other until one has answered. */
export type TurnState = readonly { tries: number; is: 'asking' | 'answered' | 'over' }[]

/** What became of the seat that was asked. */
export type TurnEvent =
  /** The seat answered everything. */
  | 'answered'
  /** It did not, or not rightly. */
  | 'failed'
  /** There is no other seat, or the turn's time is up. */
  | 'over'

/** `lane` asks the next seat. */
export interface TurnEffect {
  is: 'ask'
  lane: number
}

export interface TurnStep {
  state: TurnState
  effects: readonly TurnEffect[]
}

const beginLanes = (count: number): TurnStep => {
  const lanes = Array.from({ length: count }, (_, lane) => lane)
  return {
    state: lanes.map(() => ({ tries: 1, is: 'asking' })),
    effects: lanes.map((lane) => ({ is: 'ask', lane })),
  }
}
const [one, several] = [beginLanes(1), beginLanes(askedWhenAlone)]

/** R-SYNC-2: returns the first step of a turn. While a node is alone it asks several seats at once. */
export const startTurn = (isAlone: boolean): TurnStep => (isAlone ? several : one)

/** What became of the seat that a lane asked. `seats`: how many there are. */
export const stepTurn = (state: TurnState, lane: number, event: TurnEvent, seats: number): TurnStep => {
  const { tries } = state[lane]!
  const asksNext = event === 'failed' && tries < Math.min(maxTries, seats)
  const is = asksNext ? 'asking' : event === 'answered' ? 'answered' : 'over'
  return {
    state: state.with(lane, { tries: asksNext ? tries + 1 : tries, is }),
    effects: asksNext ? [{ is: 'ask', lane }] : [],
  }
}

/** Whether any seat answered in the turn. */
export const isTurnAnswered = (state: TurnState): boolean => state.some(({ is }) => is === 'answered')

/** Draws before those that are left are looked through: cheaper until nearly all were asked. */
const maxDraws = 32

/**
 * The index of a seat of a snapshot that was not asked yet, uniform by the stream, never `own` (−1 for none). −1 if all
 * others were asked: then none of them counts as asked any more.
 */
export const drawUnasked = (
  size: number,
  own: number,
  isAsked: (index: number) => boolean,
  stream: Pick<RandomStream, 'below'>,
): number => {
  const most = size === 0 ? 0 : maxDraws
  for (let draws = 0; draws < most; draws++) {
    const index = stream.below(size)
    if (index !== own && !isAsked(index)) return index
  }
  const left: number[] = []
  for (let index = 0; index < size; index++) if (index !== own && !isAsked(index)) left.push(index)
  return left.length === 0 ? -1 : left[stream.below(left.length)]!
}

/** Looked up for one question at most: where all seats live behind few prefixes, the first one drawn is asked. */
export const maxLookedUp = 4
/** Addresses asked last, of which the next one is apart. */
const maxRecent = 8

/** Of seats that were drawn, by their place in that order, the one that is asked; and the addresses asked last. */
export interface AskingStep {
  effect: { is: 'look-up' | 'ask'; place: number }
  recent: readonly Uint8Array[]
}

/** Begins with the first of the seats that were drawn; there is one. */
export const startAsking = (recent: readonly Uint8Array[]): AskingStep => ({
  effect: { is: 'look-up', place: 0 },
  recent,
})

/** The address of the one that was looked up, 4 or 16 bytes; null if there is none. */
export const stepAsking = (
  { effect: { place }, recent }: AskingStep,
  address: Uint8Array | null,
  drawn: number,
  prefixBits: PrefixBits,
): AskingStep => {
  if (address !== null && isApart(address, recent, prefixBits)) {
    return { effect: { is: 'ask', place }, recent: [...recent, address].slice(-maxRecent) }
  }
  return {
    effect: place + 1 < drawn ? { is: 'look-up', place: place + 1 } : { is: 'ask', place: 0 },
    recent,
  }
}
