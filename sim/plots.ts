/** Plots as SVG text: no scripts, no fonts, nothing to load. */

export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const width = 520
const height = 340
const margin = { left: 64, right: 16, top: 16, bottom: 46 }
/** Told apart by people who do not see all colours (Okabe and Ito 2008). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000']

export interface Axes {
  x: string
  y: string
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
}

interface Scale {
  from: number
  to: number
}

const digits = (value: number): string => String(Number(value.toPrecision(3)))

const scaleOf = (values: readonly number[]): Scale => {
  const from = Math.min(0, ...values)
  const to = Math.max(...values, from)
  return to === from ? { from, to: from + 1 } : { from, to }
}

const place =
  ({ from, to }: Scale, low: number, high: number) =>
  (value: number): number =>
    Number((low + ((value - from) / (to - from)) * (high - low)).toFixed(2))

const frame = (axes: Axes, xScale: Scale, yScale: Scale): string => {
  const x = place(xScale, margin.left, width - margin.right)
  const y = place(yScale, height - margin.bottom, margin.top)
  const ticks = [0, 0.25, 0.5, 0.75, 1]
  const at = ({ from, to }: Scale, part: number): number => from + part * (to - from)
  return [
    `<path d="M${margin.left} ${margin.top}V${height - margin.bottom}H${width - margin.right}" fill="none" stroke="#444"/>`,
    ...ticks.map(
      (part) =>
        `<text x="${x(at(xScale, part))}" y="${height - margin.bottom + 16}" text-anchor="middle">${digits(at(xScale, part))}</text>` +
        `<text x="${margin.left - 6}" y="${y(at(yScale, part)) + 4}" text-anchor="end">${digits(at(yScale, part))}</text>`,
    ),
    `<text x="${(margin.left + width - margin.right) / 2}" y="${height - 8}" text-anchor="middle">${escapeText(axes.x)}</text>`,
    `<text transform="translate(14 ${(margin.top + height - margin.bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeText(axes.y)}</text>`,
  ].join('')
}

const svg = (title: string, body: string): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}" font-family="sans-serif" font-size="12"><title>${escapeText(title)}</title>${body}</svg>`

const legend = (names: readonly string[]): string =>
  names
    .map(
      (name, i) =>
        `<text x="${margin.left + 10}" y="${margin.top + 14 + 15 * i}" fill="${colours[i % colours.length]!}">${escapeText(name)}</text>`,
    )
    .join('')

/** Points with their intervals; `diagonal` draws x = y, `line` joins the points of a series. */
export const plotPoints = (
  title: string,
  axes: Axes,
  series: readonly PlotSeries[],
  style: { diagonal?: boolean; line?: boolean } = {},
): string => {
  const all = series.flatMap(({ points }) => points)
  const xScale = scaleOf(all.map((point) => point.x))
  const yScale = scaleOf([
    ...all.flatMap(({ y, high }) => [y, high ?? y]),
    ...(style.diagonal === true ? [xScale.to] : []),
  ])
  const x = place(xScale, margin.left, width - margin.right)
  const y = place(yScale, height - margin.bottom, margin.top)
  const marks = series.flatMap(({ points }, i) => {
    const colour = colours[i % colours.length]!
    const path = points.map((point, j) => `${j === 0 ? 'M' : 'L'}${x(point.x)} ${y(point.y)}`).join('')
    const joined = style.line === true ? [`<path d="${path}" fill="none" stroke="${colour}"/>`] : []
    return [
      ...joined,
      ...points.map((point) => {
        const bar =
          point.low === null || point.low === undefined || point.high === null || point.high === undefined
            ? ''
            : `<path d="M${x(point.x)} ${y(Math.max(point.low, yScale.from))}V${y(point.high)}" stroke="${colour}"/>`
        const hint = point.label === undefined ? '' : `<title>${escapeText(point.label)}</title>`
        return `${bar}<circle cx="${x(point.x)}" cy="${y(point.y)}" r="3" fill="${colour}">${hint}</circle>`
      }),
    ]
  })
  const end = Math.min(xScale.to, yScale.to)
  const diagonal =
    style.diagonal === true
      ? `<path d="M${x(0)} ${y(0)}L${x(end)} ${y(end)}" stroke="#999" stroke-dasharray="4 4"/>`
      : ''
  return svg(
    title,
    frame(axes, xScale, yScale) + diagonal + marks.join('') + legend(series.map(({ name }) => name)),
  )
}

/** A cell for each pair of values, dark where much; each says its number. */
export const plotHeatMap = (
  title: string,
  axes: Axes,
  xValues: readonly string[],
  yValues: readonly string[],
  valueAt: (x: number, y: number) => number | undefined,
): string => {
  const cellWidth = (width - margin.left - margin.right) / xValues.length
  const cellHeight = (height - margin.top - margin.bottom) / yValues.length
  const values = xValues.flatMap((_, i) => yValues.flatMap((_, j) => valueAt(i, j) ?? []))
  const most = Math.max(...values, Number.MIN_VALUE)
  const cells = xValues.flatMap((_, i) =>
    yValues.map((_, j) => {
      const value = valueAt(i, j)
      if (value === undefined) return ''
      const share = Math.max(0, value / most)
      const left = (margin.left + i * cellWidth).toFixed(2)
      const top = (margin.top + (yValues.length - 1 - j) * cellHeight).toFixed(2)
      const ink = share > 0.55 ? '#fff' : '#000'
      return (
        `<rect x="${left}" y="${top}" width="${cellWidth.toFixed(2)}" height="${cellHeight.toFixed(2)}" fill="#08306b" fill-opacity="${share.toFixed(3)}" stroke="#ccc"/>` +
        `<text x="${(Number(left) + cellWidth / 2).toFixed(2)}" y="${(Number(top) + cellHeight / 2 + 4).toFixed(2)}" text-anchor="middle" font-size="10" fill="${ink}">${digits(value)}</text>`
      )
    }),
  )
  const names = [
    ...xValues.map(
      (text, i) =>
        `<text x="${(margin.left + (i + 0.5) * cellWidth).toFixed(2)}" y="${height - margin.bottom + 16}" text-anchor="middle">${escapeText(text)}</text>`,
    ),
    ...yValues.map(
      (text, j) =>
        `<text x="${margin.left - 6}" y="${(margin.top + (yValues.length - 0.5 - j) * cellHeight + 4).toFixed(2)}" text-anchor="end">${escapeText(text)}</text>`,
    ),
    `<text x="${(margin.left + width - margin.right) / 2}" y="${height - 8}" text-anchor="middle">${escapeText(axes.x)}</text>`,
    `<text transform="translate(14 ${(margin.top + height - margin.bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeText(axes.y)}</text>`,
  ]
  return svg(title, cells.join('') + names.join(''))
}
