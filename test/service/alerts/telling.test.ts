import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Finding, Severity } from '../../../src/service/alerts/finding.ts'
import { severities } from '../../../src/service/alerts/finding.ts'
import { stepTelling, type Telling, type TellingRules } from '../../../src/service/alerts/telling.ts'

const finding = (severity: Severity = 'warning'): Finding => ({
  code: 'unreachable',
  subject: 'p2p port 9734',
  severity,
  title: 'closed',
  detail: 'closed',
  remedy: 'open it',
  evidence: [],
})

const rules: TellingRules = { from: 'warning', minIntervalMs: 1_000 }

/** What is said at each look; null for looks at which the finding is not there. */
const say = (looks: readonly (readonly [number, Severity | null])[], with_ = rules): (string | null)[] => {
  let telling: Telling | null = null
  return looks.map(([nowMs, severity]) => {
    const step = stepTelling(telling, severity === null ? null : finding(severity), nowMs, with_)
    telling = step.telling
    return step.say
  })
}

describe('what is told of a finding', () => {
  test('once when it comes, once when it goes, and nothing in between', () => {
    const said = say([
      [0, null],
      [1, 'warning'],
      [2, 'warning'],
      [5_000, 'warning'],
      [5_001, null],
      [5_002, null],
    ])
    expect(said).toEqual([null, 'firing', null, null, 'recovered', null])
  })

  test('again at once when it gets worse, and not when it gets better', () => {
    expect(
      say([
        [0, 'warning'],
        [1, 'critical'],
        [2, 'warning'],
        [3, 'critical'],
        [4, null],
      ]),
    ).toEqual(['firing', 'firing', null, null, 'recovered'])
  })

  test('what is less than asked for is not told, and neither is its end', () => {
    expect(
      say([
        [0, 'info'],
        [1, null],
        [2, 'info'],
        [3, 'warning'],
        [4, null],
      ]),
    ).toEqual([null, null, null, 'firing', 'recovered'])
  })

  test('one that comes and goes is told once an interval, and as it is when the interval is over', () => {
    expect(
      say([
        [0, 'warning'],
        [10, null],
        [20, 'warning'],
        [30, null],
        [40, 'warning'],
        [999, 'warning'],
        [1_000, 'warning'],
        [1_001, null],
      ]),
    ).toEqual(['firing', 'recovered', null, null, null, null, 'firing', 'recovered'])
  })

  test('a clock that is set back silences nothing', () => {
    expect(
      say([
        [1_000_000, 'warning'],
        [1_000_001, null],
        [5, 'warning'],
      ]),
    ).toEqual(['firing', 'recovered', 'firing'])
  })

  test('whatever happens: firing and recovered alternate, no finding is told more often than once an interval at the same severity, and in the end everybody knows how it is', () => {
    const look = fc.tuple(fc.integer({ min: 1, max: 700 }), fc.option(fc.constantFrom(...severities)))
    fc.assert(
      fc.property(fc.array(look, { maxLength: 60 }), (steps) => {
        let nowMs = 1_000_000
        let telling: Telling | null = null
        let believed: Severity | null = null
        let saidAtMs = -Infinity
        let present: Finding | null = null
        const see = (afterMs: number): void => {
          nowMs += afterMs
          const step = stepTelling(telling, present, nowMs, rules)
          telling = step.telling
          if (step.say === 'firing') {
            expect(present).not.toBeNull()
            expect(severities.indexOf(present!.severity)).toBeGreaterThan(
              believed === null ? 0 : severities.indexOf(believed),
            )
            if (believed === null) expect(nowMs - saidAtMs).toBeGreaterThanOrEqual(rules.minIntervalMs)
            believed = present!.severity
            saidAtMs = nowMs
          } else if (step.say === 'recovered') {
            expect(believed).not.toBeNull()
            expect(present).toBeNull()
            believed = null
          }
        }
        for (const [afterMs, severity] of steps) {
          present = severity === null ? null : finding(severity)
          see(afterMs)
        }
        see(rules.minIntervalMs)
        if (present === null) expect(believed).toBeNull()
        else if ((present as Finding).severity !== 'info') expect(believed).not.toBeNull()
        // Nothing is remembered of what is over and was told.
        present = null
        see(rules.minIntervalMs)
        see(rules.minIntervalMs)
        expect(telling).toBeNull()
      }),
    )
  })
})
