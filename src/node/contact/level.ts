/**
 * How long a bad state has outweighed a good one: it fills while the state is bad and empties as fast while it is good. So
 * a peer that mends it for a moment now and then changes little, and one bad moment says nothing.
 */
export interface Level {
  /** From 0 to `fullMs`. */
  ms: number
  /** Raised when the level is full, taken back when it is empty, as it was in between. */
  isRaised: boolean
  /** What was seen last, and when; null before the first look. */
  seen: { isBad: boolean; atMs: number } | null
}

export const emptyLevel: Level = { ms: 0, isRaised: false, seen: null }

/** A machine that slept, or was busy, has seen nothing meanwhile: two looks of the self-diagnosis. */
const maxStepMs = 30_000

/** One look. What was seen before held until now; `isBad` is null where nothing can be said, which empties the level at once. */
export const stepLevel = (level: Level, isBad: boolean | null, nowMs: number, fullMs: number): Level => {
  if (isBad === null) return emptyLevel
  const { seen } = level
  const stepMs = seen === null ? 0 : Math.min(maxStepMs, Math.max(0, nowMs - seen.atMs))
  const ms = Math.min(fullMs, Math.max(0, level.ms + (seen?.isBad === true ? stepMs : -stepMs)))
  const isRaised = ms === fullMs || (level.isRaised && ms > 0)
  return { ms, isRaised, seen: { isBad, atMs: nowMs } }
}
