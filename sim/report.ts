import { escapeText, maxSeries, plotHeatMap, plotPoints, type PlotSeries, plotStyle } from './plots.ts'
import { settingsText } from './setting.ts'
import { estimate, type Estimate } from './statistics.ts'
import { type Plan, type PointSummary, summarise, type TaskResult } from './tasks.ts'

/** A page that opens offline: what was run, plots, and every number with its interval. */
export const reportOf = (
  plan: Plan,
  results: readonly TaskResult[],
  made: { key: string; version: string; commit: string | null },
): string => {
  const summary = summarise(results)
  const { name, shows, expect } = plan.scenario as { name?: string; shows?: string; expect?: string }
  const title = `Simulation ${name ?? ''}`.trim()
  const plots = [
    ...payoutPlots(summary),
    ...sweepLines(plan, summary),
    ...heatMaps(plan, summary),
    ...propagationPlots(results),
    ...timelines(results),
  ]
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeText(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1120px; margin: 1.5em auto; padding: 0 1em; color: var(--ink); overflow-wrap: anywhere }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 28px 32px; margin: 24px 0 }
.table { overflow-x: auto } table { border-collapse: collapse; overflow-wrap: normal }
td, th { padding: 1px 14px 1px 0; text-align: left; white-space: nowrap } tr + tr td { border-top: 1px solid var(--grid) }
td.number, th.number { font-variant-numeric: tabular-nums; text-align: right }
summary { cursor: pointer; margin: 8px 0 } pre { overflow-x: auto; font-size: 12px; white-space: pre-wrap }
${plotStyle.trim()}
</style>
<h1>${escapeText(title)}</h1>
<p>${escapeText(shows ?? '')}</p>
${expect === undefined || expect === '' ? '' : `<p><b>Expected:</b> ${escapeText(expect)}</p>`}
<p>${runsText(plan, results)} Means with 95 % intervals (Student's t over repeats, cut at what is possible).</p>
<div class="plots">
${plots.join('\n')}
</div>
${summary.map((point) => tableOf(point, summary.length === 1)).join('\n')}
<details><summary>How to get these numbers again</summary>
<p>Secnode ${escapeText(made.version)}, source ${escapeText(made.commit ?? 'unknown')}, plan ${escapeText(made.key)}.</p>
<pre>${escapeText(JSON.stringify(plan, null, 2))}</pre>
</details>
</html>
`
}

const runsText = ({ settings, axes }: Plan, results: readonly TaskResult[]): string => {
  const points = new Set(results.map(({ point }) => point)).size
  const set = settingsText(settings)
  const varied = axes.map(({ path }) => path).join(' and ')
  return escapeText(
    `${results.length} ${results.length === 1 ? 'run' : 'runs'}` +
      `${varied === '' ? '' : ` at ${points} points, over ${varied}`}${set === '' ? '' : `, with ${set}`}.`,
  )
}

/** Actors that have this measure. */
const actorsWith = (summary: readonly PointSummary[], measure: string): string[] => [
  ...new Set(
    summary.flatMap(({ estimates }) =>
      Object.keys(estimates)
        .filter((name) => name.startsWith(`${measure}.`))
        .map((name) => name.slice(measure.length + 1))
        .filter((name) => !name.includes('.')),
    ),
  ),
]

const attackersOf = (summary: readonly PointSummary[]): string[] => actorsWith(summary, 'detectedShare')

const barOf = ({ mean, low, high }: Estimate): { y: number; low: number | null; high: number | null } => ({
  y: mean,
  low,
  high,
})

/** Above the diagonal somebody gets more than his stakes' share. */
const payoutPlots = (summary: readonly PointSummary[]): string[] => {
  const actors = actorsWith(summary, 'stakeShare').slice(0, maxSeries)
  if (actors.length === 0) return []
  return [
    plotPoints(
      'Payout share against stake share',
      { x: 'share of the stakes', y: 'share of the payout', isShareY: true },
      actors.map((name) => ({
        name,
        points: summary.flatMap((point) => {
          const stake = point.estimates[`stakeShare.${name}`]
          const payout = point.estimates[`payoutShare.${name}`]
          if (stake === undefined || payout === undefined) return []
          return [{ x: stake.mean, ...barOf(payout), label: settingsText(point.settings) }]
        }),
      })),
      { diagonal: true },
    ),
  ]
}

interface SweptMeasure {
  measure: string
  title: string
  /** Of its axis. */
  unit: string
  isShare: boolean
}

/** What a sweep is looked at for, where it was measured; a closed form is drawn beside it. */
const sweptMeasures = (summary: readonly PointSummary[]): SweptMeasure[] => {
  const share = (measure: string, title: string, whole: string): SweptMeasure => ({
    measure,
    title,
    unit: `share of ${whole}`,
    isShare: true,
  })
  const attackers = attackersOf(summary)
  return [
    ...attackers.flatMap((name) => [
      share(`payoutShare.${name}`, `Payout of ${name}`, 'the payout'),
      { measure: `usdPerCoin.${name}`, title: `What a coin costs ${name}`, unit: 'USD', isShare: false },
    ]),
    share('honestUp.wronglyFailed', 'Honest nodes wrongly failed', 'their epochs'),
    share('committee.captured', 'Honest seats whose committee is captured', 'honest seats'),
    share('certificate.stalled', 'Views that attackers can keep from a certificate', 'views'),
    ...attackers.flatMap((name) => [
      share(`relay.bothEnds.${name}`, `Circuits with ${name} at both ends`, 'circuits'),
      share(`relay.linkedUsers.${name}`, `Users whom ${name} links at least once`, 'users'),
    ]),
  ].filter(({ measure }) => summary.some(({ estimates }) => (estimates[measure]?.mean ?? 0) > 0))
}

/** `relay.bothEnds.closedForm.watcher` stands beside `relay.bothEnds.watcher`. */
const closedFormOf = (measure: string, attackers: readonly string[]): string => {
  const actor = attackers.find((name) => measure.endsWith(`.${name}`))
  return actor === undefined
    ? `${measure}.closedForm`
    : `${measure.slice(0, -actor.length)}closedForm.${actor}`
}

/** For a sweep of one axis of numbers. */
const sweepLines = ({ axes }: Plan, summary: readonly PointSummary[]): string[] => {
  const [axis] = axes
  if (axis === undefined || axes.length !== 1 || !axis.values.every((value) => typeof value === 'number'))
    return []
  const valueOf = ({ point }: PointSummary): number => Number(axis.values[point])
  const attackers = attackersOf(summary)
  return sweptMeasures(summary).map(({ measure, title, unit, isShare }) => {
    const seriesOf = (found: string, name: string): PlotSeries => ({
      name,
      points: summary
        .flatMap((point) => {
          const value = point.estimates[found]
          return value === undefined ? [] : [{ x: valueOf(point), ...barOf(value) }]
        })
        .toSorted((a, b) => a.x - b.x),
    })
    const closed = seriesOf(closedFormOf(measure, attackers), 'closed form')
    const simulated = seriesOf(measure, 'simulated')
    return plotPoints(
      title,
      { x: axis.path, y: unit, isShareY: isShare },
      closed.points.length === 0 ? [simulated] : [simulated, { ...closed, isExpected: true }],
      { line: true },
    )
  })
}

/** For a sweep of two axes. */
const heatMaps = ({ axes }: Plan, summary: readonly PointSummary[]): string[] => {
  const [x, y] = axes
  if (x === undefined || y === undefined || axes.length !== 2) return []
  return sweptMeasures(summary).map(({ measure, title, unit }) =>
    plotHeatMap(
      `${title}, ${unit}`,
      { x: x.path, y: y.path },
      x.values.map(String),
      y.values.map(String),
      // Points run with the last axis changing fastest.
      (i, j) => summary.find(({ point }) => point === i * y.values.length + j)?.estimates[measure]?.mean,
    ),
  )
}

/** Where the curves of all repeats of a point are read: as finely as a plot shows, and finer where the tail is. */
const shares = [...Array.from({ length: 99 }, (_, i) => (i + 1) / 100), 0.995, 0.999, 0.9999, 1]

/** The first points of a sweep: mean times over the repeats in which that share was reached in all. */
const propagationPlots = (results: readonly TaskResult[]): string[] => {
  const byPoint = [...Map.groupBy(results, ({ point }) => point).values()]
    .map((runs) => runs.filter(({ propagation }) => (propagation?.ms.length ?? 0) > 1))
    .filter((runs) => runs.length > 0)
  if (byPoint.length === 0) return []
  const isCut = byPoint.length > maxSeries
  return [
    plotPoints(
      `How attestations spread${isCut ? ` at the first ${maxSeries} points` : ''}`,
      {
        x: 'milliseconds after they left',
        y: 'share of the nodes reached',
        isLogX: true,
        isShareY: true,
      },
      byPoint.slice(0, maxSeries).map((runs) => ({
        name: settingsText(runs[0]!.settings) || 'mean over repeats',
        points: shares.flatMap((share) => {
          const times = runs.map(({ propagation }) => {
            const at = propagation!.share.findIndex((reached) => reached >= share)
            return at === -1 ? null : propagation!.ms[at]!
          })
          if (times.some((time) => time === null)) return []
          return [{ x: times.reduce<number>((sum, time) => sum + time!, 0) / times.length, y: share }]
        }),
      })),
      { line: true, marks: false },
    ),
  ]
}

/** Of the first point: what each actor was paid, and how often its nodes were credited, week by week. */
const timelines = (results: readonly TaskResult[]): string[] => {
  const first = results.filter(({ point }) => point === results[0]?.point)
  const weeks = first[0]?.weeks ?? []
  if (weeks.length < 2) return []
  const names = Object.keys(weeks[0]!.paid).slice(0, maxSeries)
  const at = settingsText(first[0]!.settings)
  const timeline = (title: string, y: string, field: 'paid' | 'creditRate'): string => {
    const range = { least: 0, most: field === 'creditRate' ? 1 : Infinity }
    return plotPoints(
      at === '' ? title : `${title}, ${at}`,
      { x: 'week', y, isWholeX: true, isShareY: field === 'creditRate' },
      names.map((name) => ({
        name,
        points: weeks.flatMap(({ week }, i) => {
          const values = first.flatMap((result) => result.weeks[i]?.[field][name] ?? [])
          return values.length === 0 ? [] : [{ x: week, ...barOf(estimate(values, range)) }]
        }),
      })),
      { line: true },
    )
  }
  return [
    timeline('Payout by week', 'coins', 'paid'),
    timeline('Credits by week', 'share of epochs credited', 'creditRate'),
  ]
}

const tableOf = (point: PointSummary, isOpen: boolean): string => {
  const rows = Object.entries(point.estimates).map(([name, { mean, low, high, repeats }]) => {
    const cells = [mean, low, high].map(
      (value) => `<td class="number">${value === null ? '' : String(Number(value.toPrecision(5)))}</td>`,
    )
    return `<tr><td>${escapeText(name)}</td>${cells.join('')}<td class="number">${repeats}</td></tr>`
  })
  const head = `<tr><th>measure</th>${['mean', 'low', 'high', 'repeats'].map((text) => `<th class="number">${text}</th>`).join('')}</tr>`
  const at = settingsText(point.settings)
  const title = at === '' ? 'All measures' : `All measures at ${at}`
  return `<details${isOpen ? ' open' : ''}><summary>${escapeText(title)}</summary><div class="table"><table>${head}\n${rows.join('\n')}\n</table></div></details>`
}
