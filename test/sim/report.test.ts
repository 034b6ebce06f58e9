import { describe, expect, test } from 'vitest'
import { concentrationOf } from '../../sim/concentration.ts'
import { plotHeatMap, plotPoints } from '../../sim/plots.ts'
import { reportOf } from '../../sim/report.ts'
import { parseAxis } from '../../sim/setting.ts'
import { estimate, proportion } from '../../sim/statistics.ts'
import { runTask, summarise, tasksOf } from '../../sim/tasks.ts'

describe('statistics', () => {
  test("Student's interval of 1, 2, 3, 4 is 2.5 ± 3.182 · 1.291 / 2", () => {
    const { mean, low, high } = estimate([1, 2, 3, 4])
    expect(mean).toBe(2.5)
    expect(low).toBeCloseTo(2.5 - (3.182 * Math.sqrt(5 / 3)) / 2, 10)
    expect(high).toBeCloseTo(2.5 + (3.182 * Math.sqrt(5 / 3)) / 2, 10)
  })

  test('one value has no interval, none has no mean', () => {
    expect(estimate([7])).toEqual({ mean: 7, low: null, high: null, repeats: 1 })
    expect(() => estimate([])).toThrow(/no values/)
  })

  test("Wilson's interval stays inside [0, 1] and is not empty where nothing was seen", () => {
    const { low, high } = proportion(0, 100)
    expect(low).toBeCloseTo(0, 12)
    // z² / (n + z²)
    expect(high).toBeCloseTo((1.96 * 1.96) / (100 + 1.96 * 1.96), 12)
  })

  test('concentration: equal holders, one holder, none', () => {
    expect(concentrationOf([1, 1, 1, 1, 0])).toEqual({ hhi: 0.25, entropyBits: 2, nakamoto: 3 })
    expect(concentrationOf([9])).toEqual({ hhi: 1, entropyBits: 0, nakamoto: 1 })
    expect(concentrationOf([])).toEqual({ hhi: 0, entropyBits: 0, nakamoto: 0 })
    expect(concentrationOf([6, 2, 2]).nakamoto).toBe(1)
  })
})

describe('the report', () => {
  const plan = {
    scenario: {
      name: 'small',
      shows: 'a < b & "c"',
      weeks: 2,
      repeats: 2,
      population: [{ name: 'honest', nodes: 30, addresses: { prefixes24: 10, prefixes16: 2 } }],
      attackers: [{ name: 'bad', share: 0.1, strategies: [{ kind: 'vouch' }] }],
    },
    settings: [],
    axes: [parseAxis('protocol.committee=5,7'), parseAxis('attacker.share=0.1,0.3')],
  }
  const results = tasksOf(plan, 'small').map((task) => runTask(plan, task))
  const page = reportOf(plan, results, { key: 'k'.repeat(64), version: '1.2.3', commit: null })

  test('is one page that loads nothing and runs nothing', () => {
    expect(page).toMatch(/^<!doctype html>/)
    expect(page).not.toMatch(/https?:|<script|<link|src=|url\(|@import/)
    expect(page).toContain('a &lt; b &amp; &quot;c&quot;')
  })

  test('has a scatter, a heat map for each attacker and for wrong failures, and a timeline', () => {
    const titles = [...page.matchAll(/aria-label="([^"]*)"/g)].map(([, title]) => title)
    expect(titles).toEqual([
      'Payout share against stake share',
      'payoutShare.bad',
      'honestUp.wronglyFailed',
      'Coins by week',
    ])
  })

  test('every tag that opens closes, and no coordinate is missing', () => {
    for (const tag of ['svg', 'text', 'circle', 'table', 'tr', 'td', 'figure', 'h2']) {
      const opened = page.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0
      const closed = page.match(new RegExp(`</${tag}>`, 'g'))?.length ?? 0
      expect(opened).toBeGreaterThan(0)
      expect(closed).toBe(opened)
    }
    expect(page).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('shows the numbers of the summary', () => {
    for (const { estimates } of summarise(results)) {
      expect(page).toContain(`>${Number(estimates['payoutShare.bad']!.mean.toPrecision(5))}<`)
    }
  })

  test('plots of nothing, and of one value, are still plots', () => {
    const axes = { x: 'x', y: 'y' }
    expect(plotPoints('none', axes, [])).not.toMatch(/NaN|Infinity/)
    expect(
      plotPoints('one', axes, [{ name: 'a', points: [{ x: 0, y: 0 }] }], { diagonal: true }),
    ).not.toMatch(/NaN|Infinity/)
    expect(plotHeatMap('zero', axes, ['1'], ['1'], () => 0)).not.toMatch(/NaN|Infinity/)
  })
})
