import { type Finding, isAtLeast, type Severity } from './finding.ts'

/** What was told of a finding, and what is so: kept over restarts, so that nothing is told twice or not at all. */
export interface Telling {
  finding: Finding
  /** Whether it stands now, and since when. */
  isFiring: boolean
  sinceMs: number
  /** What those who are told believe: that it stands, with this severity, or null that it does not. */
  told: Severity | null
  /** Of the last message that said it stands; null if there was none. */
  toldAtMs: number | null
}

export interface TellingRules {
  /** Findings below this are told nobody. */
  from: Severity
  /** Least time between two messages that the same finding stands, unless it got worse. */
  minIntervalMs: number
}

export interface TellingStep {
  /** Null once there is nothing to remember. */
  telling: Telling | null
  say: 'firing' | 'recovered' | null
}

/**
 * One look at one finding, `present` being what was found now. It is told when it comes and when it gets worse, and that
 * it went if it was told that it came; one that comes and goes is told once an interval, and then as it is.
 */
export const stepTelling = (
  before: Telling | null,
  present: Finding | null,
  nowMs: number,
  { from, minIntervalMs }: TellingRules,
): TellingStep => {
  // A clock that was set back must not silence anything: only the distance counts.
  const rests = (toldAtMs: number | null): boolean =>
    toldAtMs !== null && Math.abs(nowMs - toldAtMs) < minIntervalMs
  if (present === null) {
    if (before === null) return { telling: null, say: null }
    if (before.told !== null) return { telling: { ...before, isFiring: false, told: null }, say: 'recovered' }
    return { telling: rests(before.toldAtMs) ? { ...before, isFiring: false } : null, say: null }
  }
  const telling: Telling = {
    finding: present,
    isFiring: true,
    sinceMs: before?.isFiring === true ? before.sinceMs : nowMs,
    told: before?.told ?? null,
    toldAtMs: before?.toldAtMs ?? null,
  }
  const isNews =
    telling.told === null
      ? isAtLeast(present.severity, from) && !rests(telling.toldAtMs)
      : present.severity !== telling.told && isAtLeast(present.severity, telling.told)
  return isNews
    ? { telling: { ...telling, told: present.severity, toldAtMs: nowMs }, say: 'firing' }
    : { telling, say: null }
}
