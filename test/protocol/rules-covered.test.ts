import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const specification = readFileSync(new URL('../../protocol/SPEC.md', import.meta.url), 'utf8')
const rules = [...specification.matchAll(/^\*\*(R-[A-Z]+-\d+)\*\*/gm)].map(([, rule]) => rule!)

/** Rule numbers in a text; `R-TALLY-0…6` names seven. */
const rulesIn = (text: string): string[] =>
  [...text.matchAll(/\b(R-[A-Z]+)-(\d+)(?:(?:…|\.\.\.| to )(\d+))?/g)].flatMap(([, area, first, last]) =>
    Array.from(
      { length: Number(last ?? first) - Number(first) + 1 },
      (_, i) => `${area}-${Number(first) + i}`,
    ),
  )

/** First arguments of test, it and describe, and of what `.each(…)` returns. */
const titlesOf = (code: string): string[] =>
  [
    ...code.matchAll(
      /(?:\b(?:test|it|describe)(?:\.\w+)?\(|\)\()\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g,
    ),
  ].map(([, single, double, template]) => (single ?? double ?? template)!)

const tests = new URL('../', import.meta.url)
const covered = new Set(
  readdirSync(tests, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts') && !path.endsWith('rules-covered.test.ts'))
    .flatMap((path) => titlesOf(readFileSync(new URL(path, tests), 'utf8')))
    .flatMap(rulesIn),
)

describe('SPEC.md', () => {
  test('defines each rule once, and numbers each area without a gap', () => {
    expect(new Set(rules).size).toBe(rules.length)
    const numbersByArea = Map.groupBy(rules, (rule) => rule.slice(0, rule.lastIndexOf('-')))
    for (const [area, ofArea] of numbersByArea) {
      const first = area === 'R-TALLY' ? 0 : 1
      expect(ofArea).toEqual(ofArea.map((_, i) => `${area}-${first + i}`))
    }
    expect(rules.length).toBeGreaterThan(50)
  })

  test('has no line of more than 120 characters', () => {
    expect(specification.split('\n').filter((line) => line.length > 120)).toEqual([])
  })

  test('every rule that it cites is defined', () => {
    expect([...new Set(rulesIn(specification))].filter((rule) => !rules.includes(rule))).toEqual([])
  })

  test('every rule that the code cites is defined', () => {
    const folders = ['../../protocol/', '../../src/', '../../sim/'].map(
      (folder) => new URL(folder, import.meta.url),
    )
    const cited = folders.flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.ts'))
        .flatMap((path) =>
          rulesIn(readFileSync(new URL(path, folder), 'utf8')).map((rule) => `${rule} in ${path}`),
        ),
    )
    expect(cited.filter((citation) => !rules.includes(citation.split(' ')[0]!))).toEqual([])
  })

  test('every rule stands in the title of a test', () => {
    expect(rules.filter((rule) => !covered.has(rule))).toEqual([])
  })
})
