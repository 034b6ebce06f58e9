import { escapeText, plotHeatMap, plotPoints } from './plots.ts'
import { estimate } from './statistics.ts'
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
  const plots = [payoutPlot(summary), ...heatMaps(plan, summary), ...timelines(results)]
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeText(title)}</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: 1120px; margin: 2em auto; padding: 0 1em; color: #222 }
figure { display: inline-block; width: 520px; max-width: 100%; margin: 0 1em 1em 0 }
table { border-collapse: collapse } td, th { padding: 1px 12px 1px 0; text-align: left }
td.number { font-variant-numeric: tabular-nums; text-align: right }
</style>
<h1>${escapeText(title)}</h1>
<p>${escapeText(shows ?? '')}</p>
<p><b>Expected:</b> ${escapeText(expect ?? '')}</p>
<p>Secnode ${escapeText(made.version)}, source ${escapeText(made.commit ?? 'unknown')}, plan ${escapeText(made.key.slice(0, 16))}. Settings: ${escapeText(
    plan.settings.map(({ path, value }) => `${path} = ${String(value)}`).join(', ') || 'none',
  )}.</p>
${plots.map((plot) => `<figure>${plot}</figure>`).join('\n')}
${summary.map(tableOf).join('\n')}
</html>
`
}

const settingsText = ({ settings }: PointSummary): string =>
  settings.map(({ path, value }) => `${path} = ${String(value)}`).join(', ')

const actorsOf = (summary: readonly PointSummary[]): string[] => [
  ...new Set(
    summary.flatMap(({ estimates }) =>
      Object.keys(estimates)
        .filter((name) => name.startsWith('stakeShare.'))
        .map((name) => name.slice('stakeShare.'.length)),
    ),
  ),
]

/** Above the diagonal somebody gets more than his stakes' share. */
const payoutPlot = (summary: readonly PointSummary[]): string =>
  plotPoints(
    'Payout share against stake share',
    { x: 'share of the stakes', y: 'share of the payout' },
    actorsOf(summary).map((name) => ({
      name,
      points: summary.flatMap((point) => {
        const stake = point.estimates[`stakeShare.${name}`]
        const payout = point.estimates[`payoutShare.${name}`]
        if (stake === undefined || payout === undefined) return []
        return [
          { x: stake.mean, y: payout.mean, low: payout.low, high: payout.high, label: settingsText(point) },
        ]
      }),
    })),
    { diagonal: true },
  )

/** For a sweep of two axes: every attacker's payout share, and how often honest nodes are failed. */
const heatMaps = ({ axes }: Plan, summary: readonly PointSummary[]): string[] => {
  const [x, y] = axes
  if (x === undefined || y === undefined || axes.length !== 2) return []
  const attackers = actorsOf(summary).filter((name) =>
    summary.some(({ estimates }) => `detectedShare.${name}` in estimates),
  )
  return [...attackers.map((name) => `payoutShare.${name}`), 'honestUp.wronglyFailed'].map((measure) =>
    plotHeatMap(
      measure,
      { x: x.path, y: y.path },
      x.values.map(String),
      y.values.map(String),
      // Points run with the last axis changing fastest.
      (i, j) => summary.find(({ point }) => point === i * y.values.length + j)?.estimates[measure]?.mean,
    ),
  )
}

/** Of the first point: what each actor was paid week by week. */
const timelines = (results: readonly TaskResult[]): string[] => {
  const first = results.filter(({ point }) => point === results[0]?.point)
  const weeks = first[0]?.weeks ?? []
  if (weeks.length < 2) return []
  const names = Object.keys(weeks[0]!.paid)
  return [
    plotPoints(
      'Coins by week',
      { x: 'week', y: 'coins' },
      names.map((name) => ({
        name,
        points: weeks.map(({ week }, i) => {
          const { mean, low, high } = estimate(first.map((result) => result.weeks[i]?.paid[name] ?? 0))
          return { x: week, y: mean, low, high }
        }),
      })),
      { line: true },
    ),
  ]
}

const tableOf = (point: PointSummary): string => {
  const rows = Object.entries(point.estimates).map(([name, { mean, low, high, repeats }]) => {
    const cells = [mean, low, high].map(
      (value) => `<td class="number">${value === null ? '' : String(Number(value.toPrecision(5)))}</td>`,
    )
    return `<tr><td>${escapeText(name)}</td>${cells.join('')}<td class="number">${repeats}</td></tr>`
  })
  const head = '<tr><th>measure</th><th>mean</th><th>low</th><th>high</th><th>repeats</th></tr>'
  const at = settingsText(point)
  return `<h2>${at === '' ? 'Measures' : escapeText(at)}</h2>\n<table>${head}\n${rows.join('\n')}\n</table>`
}
