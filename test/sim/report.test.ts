import { describe, expect, test } from 'vitest'
import { concentrationOf } from '../../sim/concentration.ts'
import { estimateOf } from '../../sim/measures.ts'
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

  test('an interval is cut at what is possible, and means stay inside', () => {
    const runs = [0, 0, 1].map((value) => ({ 'payoutShare.bad': value, 'weeks.pending': 5 * value }))
    // 1/3 ± 4.303 · 0.577 / √3 is from −1.1 to 1.8, of counts from −5.5 to 8.8.
    expect(estimateOf('payoutShare.bad', runs)).toEqual({ mean: 1 / 3, low: 0, high: 1, repeats: 3 })
    expect(estimateOf('weeks.pending', runs)!.low).toBe(0)
    expect(estimateOf('weeks.pending', runs)!.high).toBeCloseTo((5 / 3) * (1 + 4.303), 9)
    expect(estimateOf('nothing', runs)).toBeNull()
  })

  test('where none of n was wrongly failed the rate is below 3/n, not nought', () => {
    const runs = [1_000, 2_000].map((epochs) => ({
      'honestUp.epochs': epochs,
      'honestUp.wronglyFailed': 0,
      'honestUp.uncredited': epochs === 1_000 ? 0 : 0.5,
    }))
    const { mean, low, high } = estimateOf('honestUp.wronglyFailed', runs)!
    expect({ mean, low }).toEqual({ mean: 0, low: 0 })
    // Exactly: none of 3,000 trials with this chance has a chance of 5 %.
    expect((1 - high!) ** 3_000).toBeCloseTo(0.05, 12)
    expect(high).toBeCloseTo(3 / 3_000, 5)
    expect(estimateOf('honestUp.uncredited', runs)!.mean).toBe(0.25)
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

  const titlesOf = (text: string): (string | undefined)[] =>
    [...text.matchAll(/aria-label="([^"]*)"/g)].map(([, title]) => title)
  const made = { key: 'k'.repeat(64), version: '1.2.3', commit: null }

  test('has a scatter, heat maps of what the sweep is for, and timelines', () => {
    expect(titlesOf(page)).toEqual([
      'Payout share against stake share',
      'Payout of bad, share of the payout',
      'What a coin costs bad, USD',
      'Honest seats whose committee is captured, share of honest seats',
      'Payout by week, protocol.committee = 5, attacker.share = 0.1',
      'Credits by week, protocol.committee = 5, attacker.share = 0.1',
    ])
  })

  test('a sweep of one axis has lines with the closed form beside them', () => {
    const one = { ...plan, axes: [parseAxis('attacker.share=0.3,0.4')] }
    const swept = reportOf(
      one,
      tasksOf(one, 'small').map((task) => runTask(one, task)),
      made,
    )
    expect(titlesOf(swept)).toContain('Honest seats whose committee is captured')
    expect(swept).toMatch(/class="expected s1" d="M[^"]*L/)
    expect(swept).toContain('closed form')
  })

  test('shows how messages spread, up to the share that all repeats reached', () => {
    const spreads = results.map((result, i) => ({
      ...result,
      propagation: { ms: [0, 10, 100, 1_000 * (1 + (i % 2))], share: [0, 0.5, 0.9, i % 2 === 0 ? 1 : 0.98] },
    }))
    const shown = reportOf(plan, spreads, made)
    expect(titlesOf(shown)).toContain('How attestations spread')
    const curve = /aria-label="How attestations spread".*?<path class="line s0" d="([^"]*)"/s.exec(shown)![1]!
    // 0.01 to 0.98, which both repeats reached.
    expect(curve.match(/[ML]/g)).toHaveLength(98)
    const heights = [...curve.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y))
    expect(heights).toHaveLength(98)
    expect(heights).toEqual(heights.toSorted((a, b) => b - a))
  })

  test('says how to get the numbers again', () => {
    expect(page).toContain('8 runs at 4 points, over protocol.committee and attacker.share.')
    expect(page).toContain('&quot;committee&quot;'.replace('committee', 'axes'))
    expect(page).toContain(made.key)
  })

  test('no interval of a share is drawn above 1, and weeks are whole numbers', () => {
    const bars = plotPoints('share', { x: 'x', y: 'y', isShareY: true }, [
      { name: 'a', points: [{ x: 1, y: 0.6, low: -0.9, high: 2.1 }] },
    ])
    expect(bars).toContain('>1<')
    expect(bars).not.toContain('>1.2<')
    expect(bars).not.toContain('>2<')
    const weeks = plotPoints('weeks', { x: 'x', y: 'y', isWholeX: true }, [
      { name: 'a', points: [1, 2].map((x) => ({ x, y: 5_000 })) },
    ])
    expect(weeks).not.toContain('>1.5<')
  })

  test('every tag that opens closes, and no coordinate is missing', () => {
    for (const tag of ['svg', 'text', 'circle', 'table', 'tr', 'td', 'figure', 'details', 'ul', 'li']) {
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
    expect(plotPoints('log', { ...axes, isLogX: true }, [])).not.toMatch(/NaN|Infinity/)
    expect(plotPoints('whole', { ...axes, isWholeX: true }, [])).not.toMatch(/NaN|Infinity/)
    expect(plotHeatMap('zero', axes, ['1'], ['1'], () => 0)).not.toMatch(/NaN|Infinity/)
  })
})
