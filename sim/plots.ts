/** Plots as SVG text: no scripts, no fonts, nothing to load. Colours come from `plotStyle`, by day and by night. */

export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const width = 520
const height = 320
const margin = { left: 66, right: 28, top: 12, bottom: 46 }
const plotWidth = width - margin.left - margin.right
const plotHeight = height - margin.top - margin.bottom
/** Room that a number below or beside the axis needs, on a phone too, and one inside a cell of a heat map. */
const labelWidth = 60
const labelHeight = 20
const cellLabelWidth = 34
const cellLabelHeight = 14
/** From here on the colour of a cell is nearer to its strongest than to the page's: ink changes sides for contrast. */
const highShare = 0.65

/** Told apart by people who do not see all colours (Okabe and Ito 2008); black and blue are lighter by night. */
const seriesColours: readonly (readonly [day: string, night: string])[] = [
  ['#0072b2', '#56a8e0'],
  ['#d55e00', '#f08a3c'],
  ['#009e73', '#2fc79a'],
  ['#cc79a7', '#e29cc4'],
  ['#b8860b', '#e6b422'],
  ['#56b4e9', '#9ad4f5'],
  ['#333333', '#dddddd'],
]

/** Series beyond the colours would be taken for others: a plot shows so many at most. */
export const maxSeries = seriesColours.length

/** For the page's style element. */
export const plotStyle = `
figure { margin: 0; min-width: 0 }
figcaption { font-weight: 600; margin: 0 0 4px }
svg { display: block; width: 100%; height: auto; overflow: visible; font-size: 12px }
svg text { fill: var(--ink) } svg .axis { stroke: var(--ink); fill: none } svg .grid { stroke: var(--grid); fill: none }
svg .diagonal { stroke: var(--faint); fill: none; stroke-dasharray: 4 4 }
svg .line { fill: none; stroke-width: 1.6 } svg .expected { fill: none; stroke-dasharray: 5 3 }
svg .cell { fill: var(--heat); stroke: var(--grid) } svg .low { fill: var(--ink); font-size: 11px } svg .high { fill: var(--on-heat); font-size: 11px }
.legend { list-style: none; margin: 2px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 13px }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 5px; margin-right: 5px }
.legend i.dashes { width: 16px; height: 2px; border-radius: 0; vertical-align: middle }
.legend i.ramp { width: 90px; border-radius: 0; border: 1px solid var(--grid); background: linear-gradient(to right, transparent, var(--heat)) }
@media (max-width: 560px) { svg { font-size: 16px } svg .low, svg .high { font-size: 13px } }
:root { --ink: #222; --grid: #ddd; --faint: #888; --heat: #08519c; --on-heat: #fff }
${seriesColours.map(([day], i) => seriesRule(i, day)).join('\n')}
@media (prefers-color-scheme: dark) {
:root { --ink: #ddd; --grid: #3a3a3a; --faint: #888; --heat: #7db8f0; --on-heat: #111 }
${seriesColours.map(([, night], i) => seriesRule(i, night)).join('\n')}
}`

function seriesRule(i: number, colour: string): string {
  return `.s${i} { stroke: ${colour} } circle.s${i} { fill: ${colour} } i.s${i} { background: ${colour} }`
}

export interface Axes {
  x: string
  y: string
  /** Decades instead of equal steps, for values above 0. */
  isLogX?: boolean
  /** Whole numbers, from the least on. */
  isWholeX?: boolean
  /** No share is above 1, so no interval is drawn there. */
  isShareY?: boolean
}

export interface PlotPoint {
  x: number
  y: number
  /** 95 % interval of y. */
  low?: number | null
  high?: number | null
  label?: string
}

export interface PlotSeries {
  name: string
  points: readonly PlotPoint[]
  /** A closed form: dashes without marks. */
  isExpected?: boolean
}

interface Scale {
  from: number
  to: number
  ticks: readonly number[]
  isLog?: boolean
}

/** Three digits, with spaces between thousands. */
const digits = (value: number): string => {
  const rounded = Number(value.toPrecision(3))
  const size = Math.abs(rounded)
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return rounded.toExponential()
  return size >= 10_000 ? String(rounded).replaceAll(/\B(?=(\d{3})+$)/g, '\u202f') : String(rounded)
}

/** From 0 (or below) to a round number, in four to seven steps of 1, 2 or 5 times a power of ten. */
const linearScale = (values: readonly number[]): Scale => {
  const least = Math.min(0, ...values)
  const most = Math.max(0, ...values)
  const span = most === least ? 1 : most - least
  const power = 10 ** Math.floor(Math.log10(span / 5))
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => span / size <= 6)!
  const first = Math.floor(least / step + 1e-9)
  const last = Math.max(first + 1, Math.ceil(most / step - 1e-9))
  const ticks = Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  )
  return { from: ticks[0]!, to: ticks.at(-1)!, ticks }
}

/** Whole numbers from the least to the most, so many that their labels fit. */
const wholeScale = (values: readonly number[]): Scale => {
  const from = Math.min(...values)
  const to = Math.max(...values, from + 1)
  const step = Math.max(1, Math.ceil(((to - from) * labelWidth) / plotWidth))
  const ticks = Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step)
  return { from, to, ticks }
}

/** Whole decades round the values above 0. */
const logScale = (values: readonly number[]): Scale => {
  const positive = values.filter((value) => value > 0)
  const first = Math.floor(Math.log10(Math.min(...positive, 1e9)) + 1e-9)
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...positive, 1)) - 1e-9))
  if (positive.length === 0) return { from: 1, to: 10, ticks: [1, 10], isLog: true }
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(`1e${first + i}`))
  return { from: ticks[0]!, to: ticks.at(-1)!, ticks, isLog: true }
}

const place =
  ({ from, to, isLog }: Scale, low: number, high: number) =>
  (value: number): number => {
    const part =
      isLog === true
        ? Math.log(Math.max(value, from) / from) / Math.log(to / from)
        : (value - from) / (to - from)
    return Number((low + part * (high - low)).toFixed(2))
  }

const placeX = (scale: Scale): ((value: number) => number) =>
  place(scale, margin.left, margin.left + plotWidth)
const placeY = (scale: Scale): ((value: number) => number) =>
  place(scale, margin.top + plotHeight, margin.top)

const axisNames = (axes: Axes): string =>
  `<text x="${margin.left + plotWidth / 2}" y="${height - 8}" text-anchor="middle">${escapeText(axes.x)}</text>` +
  `<text transform="translate(14 ${margin.top + plotHeight / 2}) rotate(-90)" text-anchor="middle">${escapeText(axes.y)}</text>`

const belowAxis = (x: number, text: string): string =>
  `<text x="${x}" y="${margin.top + plotHeight + 17}" text-anchor="middle">${escapeText(text)}</text>`

const besideAxis = (y: number, text: string): string =>
  `<text x="${margin.left - 7}" y="${(y + 4).toFixed(2)}" text-anchor="end">${escapeText(text)}</text>`

const frame = (axes: Axes, xScale: Scale, yScale: Scale): string => {
  const x = placeX(xScale)
  const y = placeY(yScale)
  const bottom = margin.top + plotHeight
  return [
    ...yScale.ticks.map(
      (tick) =>
        `<path class="grid" d="M${margin.left} ${y(tick)}h${plotWidth}"/>${besideAxis(y(tick), digits(tick))}`,
    ),
    ...xScale.ticks.map(
      (tick) => `<path class="axis" d="M${x(tick)} ${bottom}v4"/>${belowAxis(x(tick), digits(tick))}`,
    ),
    `<path class="axis" d="M${margin.left} ${margin.top}V${bottom}H${margin.left + plotWidth}"/>`,
    axisNames(axes),
  ].join('')
}

const figure = (
  title: string,
  body: string,
  names: readonly (readonly [name: string, mark: string])[],
): string => {
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}">${body}</svg>`
  const legend = names.map(([name, mark]) => `<li><i class="${mark}"></i>${escapeText(name)}</li>`).join('')
  return `<figure><figcaption>${escapeText(title)}</figcaption>${svg}${legend === '' ? '' : `<ul class="legend">${legend}</ul>`}</figure>`
}

/** Points with their intervals; `diagonal` draws x = y, `line` joins the points of a series. At most `maxSeries` series. */
export const plotPoints = (
  title: string,
  axes: Axes,
  series: readonly PlotSeries[],
  style: { diagonal?: boolean; line?: boolean; marks?: boolean } = {},
): string => {
  const all = series.flatMap(({ points }) => points)
  const xValues = all.map((point) => point.x)
  const scaleX = axes.isLogX === true ? logScale : axes.isWholeX === true ? wholeScale : linearScale
  const xScale = scaleX(all.length === 0 ? [0] : xValues)
  const most = axes.isShareY === true ? 1 : Infinity
  const yScale = linearScale(all.flatMap(({ y, high }) => [y, Math.min(high ?? y, Math.max(y, most))]))
  const x = placeX(xScale)
  const y = placeY(yScale)
  const coloured = series.map((one, i) => ({ ...one, colour: i % maxSeries }))
  const marks = coloured.flatMap(({ points, colour, isExpected }) => {
    const path = points.map((point, j) => `${j === 0 ? 'M' : 'L'}${x(point.x)} ${y(point.y)}`).join('')
    if (isExpected === true) return [`<path class="expected s${colour}" d="${path}"/>`]
    return [
      ...(style.line === true ? [`<path class="line s${colour}" d="${path}"/>`] : []),
      ...(style.marks === false ? [] : points.map((point) => markOf(point, colour, x, y, yScale))),
    ]
  })
  const end = Math.min(xScale.to, yScale.to)
  const diagonal =
    style.diagonal === true ? `<path class="diagonal" d="M${x(0)} ${y(0)}L${x(end)} ${y(end)}"/>` : ''
  return figure(
    title,
    frame(axes, xScale, yScale) + diagonal + marks.join(''),
    coloured.map(({ name, colour, isExpected }) => [
      name,
      isExpected === true ? `dashes s${colour}` : `s${colour}`,
    ]),
  )
}

const markOf = (
  { x, y, low, high, label }: PlotPoint,
  colour: number,
  placedX: (value: number) => number,
  placedY: (value: number) => number,
  yScale: Scale,
): string => {
  const hasBar = low !== null && low !== undefined && high !== null && high !== undefined && low < high
  const bar = hasBar
    ? `<path class="s${colour}" d="M${placedX(x)} ${placedY(Math.max(low, yScale.from))}V${placedY(Math.min(high, yScale.to))}"/>`
    : ''
  const hint = label === undefined || label === '' ? '' : `<title>${escapeText(label)}</title>`
  return `${bar}<circle class="s${colour}" cx="${placedX(x)}" cy="${placedY(y)}" r="3">${hint}</circle>`
}

/** Every so manieth label, so that they do not run into each other. */
const thinned = (count: number, room: number, need: number): ((i: number) => boolean) => {
  const every = Math.max(1, Math.ceil((count * need) / room))
  return (i) => i % every === 0
}

/** A cell for each pair of values, strong where much; each says its number, on touch where it is too small for it. */
export const plotHeatMap = (
  title: string,
  axes: Axes,
  xValues: readonly string[],
  yValues: readonly string[],
  valueAt: (x: number, y: number) => number | undefined,
): string => {
  const cellWidth = plotWidth / xValues.length
  const cellHeight = plotHeight / yValues.length
  const values = xValues.flatMap((_, i) => yValues.flatMap((_, j) => valueAt(i, j) ?? []))
  const most = Math.max(...values, Number.MIN_VALUE)
  const hasNumbers = cellWidth >= cellLabelWidth && cellHeight >= cellLabelHeight
  const cells = xValues.flatMap((xValue, i) =>
    yValues.map((yValue, j) => {
      const value = valueAt(i, j)
      if (value === undefined) return ''
      const share = Math.max(0, value / most)
      const left = margin.left + i * cellWidth
      const top = margin.top + (yValues.length - 1 - j) * cellHeight
      const hint = `<title>${escapeText(`${axes.x} = ${xValue}, ${axes.y} = ${yValue}: ${digits(value)}`)}</title>`
      const number = `<text class="${share > highShare ? 'high' : 'low'}" x="${(left + cellWidth / 2).toFixed(2)}" y="${(top + cellHeight / 2 + 4).toFixed(2)}" text-anchor="middle">${digits(value)}</text>`
      return (
        `<rect class="cell" x="${left.toFixed(2)}" y="${top.toFixed(2)}" width="${cellWidth.toFixed(2)}" height="${cellHeight.toFixed(2)}" fill-opacity="${share.toFixed(3)}">${hint}</rect>` +
        (hasNumbers ? number : '')
      )
    }),
  )
  const isShownX = thinned(xValues.length, plotWidth, labelWidth)
  const isShownY = thinned(yValues.length, plotHeight, labelHeight)
  const names = [
    ...xValues.map((text, i) =>
      isShownX(i) ? belowAxis(Number((margin.left + (i + 0.5) * cellWidth).toFixed(2)), text) : '',
    ),
    ...yValues.map((text, j) =>
      isShownY(j) ? besideAxis(margin.top + (yValues.length - 0.5 - j) * cellHeight, text) : '',
    ),
    axisNames(axes),
  ]
  return figure(title, cells.join('') + names.join(''), [[`0 to ${digits(Math.max(0, ...values))}`, 'ramp']])
}
