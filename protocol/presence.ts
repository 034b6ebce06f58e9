import type { EpochPhases } from './epoch.ts'
import type { Height } from './ids.ts'

/** Since when a node has worked without a break, in confirmed heights (R-CP-3). Never changed in place. */
export interface Presence {
  /** The first height at the tip since the last break; null from a break to the next height. */
  since: Height | null
  /** The last height at the tip. */
  last: Height | null
}

/** Of a node that has just started. */
export const absent: Presence = { since: null, last: null }

/** A confirmed height at the tip. Blocks that come together after a pause of more than `attestBlocks` are a break. */
export const presentAt = ({ since, last }: Presence, height: Height, attestBlocks: number): Presence => {
  const isAfterPause = last !== null && height - last > attestBlocks
  return { since: since === null || isAfterPause ? height : since, last: height }
}

/** The node fell behind, reached no other seat (R-FAULT-1), or had confirmed blocks replaced (R-CHAIN-2). */
export const interrupted = (presence: Presence): Presence => ({ ...presence, since: null })

/** Whether the node was there from the opening of an epoch to its close. */
export const hasRunThrough = (
  { since, last }: Presence,
  { opens, closes }: Pick<EpochPhases, 'opens' | 'closes'>,
): boolean => since !== null && last !== null && since <= opens && last >= closes
