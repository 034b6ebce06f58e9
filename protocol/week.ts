import { Week } from './ids.ts'

const secondsPerDay = 86_400

/** Days from 1970-01-01 to the first of January of `year`, by the Gregorian leap rule. */
const daysToYear = (year: number): number => {
  const past = year - 1
  return (
    365 * (year - 1970) +
    (Math.floor(past / 4) - 492) -
    (Math.floor(past / 100) - 19) +
    (Math.floor(past / 400) - 4)
  )
}

const yearOfDay = (day: number): number => {
  // 146,097 days are 400 years: the estimate is off by at most one.
  let year = 1970 + Math.floor((day * 400) / 146_097)
  while (daysToYear(year) > day) year--
  while (daysToYear(year + 1) <= day) year++
  return year
}

/** A week's name; of years that four digits cannot tell, no `Week`. */
const nameOfTime = (seconds: number): string => {
  const day = Math.floor(seconds / secondsPerDay)
  const weekday = (((day + 3) % 7) + 7) % 7 // 1970-01-01 was a Thursday; Monday is 0
  const thursday = day - weekday + 3
  const year = yearOfDay(thursday)
  const number = Math.floor((thursday - daysToYear(year)) / 7) + 1
  return `${String(year).padStart(4, '0')}-W${String(number).padStart(2, '0')}`
}

/**
 * The ISO 8601 week (UTC) of a time in seconds since 1970 (R-EPOCH-2): the year is that of the week's Thursday. Every
 * time of a block header (32 bits) has one.
 */
export const weekOfTime = (seconds: number): Week => Week.parse(nameOfTime(seconds))

/** Seconds since 1970 at which the week begins: its Monday, 00:00 UTC. */
export const startOfWeek = (week: Week): number => {
  const year = Number(week.slice(0, 4))
  const number = Number(week.slice(6))
  const fourth = daysToYear(year) + 3 // the 4th of January is always in week 1
  const monday = fourth - ((((fourth + 3) % 7) + 7) % 7)
  return (monday + 7 * (number - 1)) * secondsPerDay
}

/** Returns the ISO week after this one. */
export const weekAfter = (week: Week): Week => weekOfTime(startOfWeek(week) + 7 * secondsPerDay)
/** Returns the ISO week before this one. */
export const weekBefore = (week: Week): Week => weekOfTime(startOfWeek(week) - 7 * secondsPerDay)

/** True for names of weeks that exist: `2026-W53` does, `2025-W53` does not. */
export const isWeek = (text: string): text is Week =>
  Week.safeParse(text).success && nameOfTime(startOfWeek(text as Week)) === text

/**
 * Median time past (R-CHAIN-3): the median of the times of a block and of up to ten before it. `times` in any order,
 * 1 to 11 of them; with an even number the upper median, as the chain's own rule has it.
 */
export const medianTimePast = (times: readonly number[]): number => {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
