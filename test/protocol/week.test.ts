import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isWeek,
  medianTimePast,
  startOfWeek,
  type Week,
  weekAfter,
  weekBefore,
  weekOfTime,
} from '../../protocol/index.ts'

const secondsOf = (iso: string): number => Date.parse(`${iso}T00:00:00Z`) / 1_000

/** The same by the calendar of the engine: the Thursday's year, and its day of the year in weeks. */
const weekByCalendar = (seconds: number): string => {
  const date = new Date(seconds * 1_000)
  const weekday = (date.getUTCDay() + 6) % 7
  const thursday = new Date(
    Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() - weekday + 3),
  )
  const dayOfYear = (thursday.getTime() - Date.UTC(thursday.getUTCFullYear(), 0, 1)) / 86_400_000
  return `${thursday.getUTCFullYear()}-W${String(Math.floor(dayOfYear / 7) + 1).padStart(2, '0')}`
}

const anySeconds = fc.integer({ min: 0, max: 0xffff_ffff })

describe('R-EPOCH-2 weeks', () => {
  // The table of ISO 8601's week dates, as the standard's own examples and almanacs have them.
  test.each([
    ['1977-01-01', '1976-W53'],
    ['1977-01-02', '1976-W53'],
    ['1977-12-31', '1977-W52'],
    ['1978-01-01', '1977-W52'],
    ['1978-01-02', '1978-W01'],
    ['1978-12-31', '1978-W52'],
    ['1979-01-01', '1979-W01'],
    ['1979-12-30', '1979-W52'],
    ['1979-12-31', '1980-W01'],
    ['1980-12-28', '1980-W52'],
    ['1980-12-29', '1981-W01'],
    ['1981-12-31', '1981-W53'],
    ['1982-01-03', '1981-W53'],
    ['2005-01-01', '2004-W53'],
    ['2008-12-29', '2009-W01'],
    ['2010-01-03', '2009-W53'],
    ['1970-01-01', '1970-W01'],
    ['2000-02-29', '2000-W09'],
    ['2026-11-22', '2026-W47'],
    ['2026-11-23', '2026-W48'],
    ['2026-12-31', '2026-W53'],
    ['2027-01-03', '2026-W53'],
    ['2027-01-04', '2027-W01'],
  ])('R-EPOCH-2 %s lies in %s', (date, week) => {
    expect(weekOfTime(secondsOf(date))).toBe(week)
    expect(weekOfTime(secondsOf(date) + 86_399)).toBe(week)
  })

  test('R-EPOCH-2 agrees with the calendar for every time that a header can have', () => {
    fc.assert(
      fc.property(anySeconds, (seconds) => {
        expect(weekOfTime(seconds)).toBe(weekByCalendar(seconds))
      }),
      { numRuns: 2_000 },
    )
  })

  test('R-EPOCH-2 a week begins on Monday, lasts seven days, and follows the one before', () => {
    fc.assert(
      fc.property(anySeconds, (seconds) => {
        const week = weekOfTime(seconds)
        const start = startOfWeek(week)
        expect(start <= seconds && seconds < start + 604_800).toBe(true)
        expect(new Date(start * 1_000).getUTCDay()).toBe(1)
        expect(weekOfTime(start)).toBe(week)
        expect(weekOfTime(start + 604_799)).toBe(week)
        expect(weekOfTime(start + 604_800)).toBe(weekAfter(week))
        expect(weekBefore(weekAfter(week))).toBe(week)
        // Names sort as the weeks do: the schedule of parameters relies on it.
        expect(week < weekAfter(week)).toBe(true)
        expect(isWeek(week)).toBe(true)
      }),
    )
  })

  test.each([
    '2025-W53',
    '2026-W00',
    '2026-W54',
    '2026-w47',
    '2026W47',
    '',
    '9999-W53',
    '0000-W53',
    '2026-W47\n',
  ])('R-EPOCH-2 %j is no week, and asking does not throw', (text) => {
    expect(isWeek(text)).toBe(false)
  })

  test('R-EPOCH-2 the 53rd week exists in the years that have it', () => {
    const long = Array.from({ length: 30 }, (_, i) => 2000 + i).filter((year) => isWeek(`${year}-W53`))
    expect(long).toEqual([2004, 2009, 2015, 2020, 2026])
    expect(isWeek('0000-W01')).toBe(true)
    expect(startOfWeek('1970-W01' as Week)).toBe(-3 * 86_400)
  })
})

describe('R-CHAIN-3 median time past', () => {
  test('R-CHAIN-3 is the sixth of eleven, and the upper middle of an even number', () => {
    expect(medianTimePast([11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6])).toBe(6)
    expect(medianTimePast([7])).toBe(7)
    expect(medianTimePast([3, 1])).toBe(3)
    expect(medianTimePast([4, 1, 2, 3])).toBe(3)
  })

  test('R-EPOCH-2 it never goes back where each block is later than the median before it', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 7_200 }), { minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(gaps, (gaps) => {
        const times: number[] = [1_000]
        const medianAt = (height: number) => medianTimePast(times.slice(Math.max(0, height - 10), height + 1))
        for (const gap of gaps) times.push(medianAt(times.length - 1) + gap)
        for (let h = 1; h < times.length; h++) expect(medianAt(h)).toBeGreaterThanOrEqual(medianAt(h - 1))
      }),
    )
  })
})
