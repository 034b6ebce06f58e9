import type { Height } from '../../../protocol/index.ts'

/** At which confirmed heights the node worked and was in touch with others, as far as it remembers (R-CP-3). */
export interface TouchState {
  /** Nothing is known of lower heights. */
  knownFrom: Height
  /** The last height at which it was in touch. */
  last: Height
  /** The last height of all. */
  height: Height
  /** Breaks that ended, in rising order: the last height before, and the first after. */
  breaks: readonly { from: Height; to: Height }[]
}

/** Each is two numbers; older ones are forgotten, and with them what was before. */
const maxBreaks = 256

/**
 * One confirmed height. `isInTouch`: at the tip, and a gossip neighbour or a seat that answered since the height before. More
 * than `maxBreakBlocks` blocks without are a break; so are as many blocks that come at once. The first height, from which the
 * tip was followed, begins what is known.
 */
export const stepTouch = (
  state: TouchState | null,
  { height, isInTouch }: { height: Height; isInTouch: boolean },
  maxBreakBlocks: number,
): TouchState => {
  if (state === null) return { knownFrom: height, last: height, height, breaks: [] }
  if (!isInTouch) return { ...state, height }
  // After a reorganisation heights come again.
  const last = Math.max(state.last, height)
  if (height - state.last <= maxBreakBlocks) return { ...state, last, height }
  const all = [...state.breaks, { from: state.last, to: height }]
  const breaks = all.slice(-maxBreaks)
  const knownFrom = all.length > maxBreaks ? all[all.length - maxBreaks - 1]!.to : state.knownFrom
  return { knownFrom, last, height, breaks }
}

/** Whether it is in a break now. Before the first height nothing is known to be wrong. */
export const isOutOfTouch = (state: TouchState | null, maxBreakBlocks: number): boolean =>
  state !== null && state.height - state.last > maxBreakBlocks

/** Whether no break falls between two heights. */
export const wasInTouch = (
  state: TouchState | null,
  from: Height,
  to: Height,
  maxBreakBlocks: number,
): boolean =>
  state !== null &&
  from >= state.knownFrom &&
  !(isOutOfTouch(state, maxBreakBlocks) && to > state.last) &&
  state.breaks.every((gap) => gap.to <= from || gap.from >= to)
