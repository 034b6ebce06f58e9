import { settingsText } from '../setting.ts'
import type { Estimate } from '../statistics.ts'
import type { PointSummary } from '../tasks.ts'

/** Below the options of a command's help. */
export const exampleText = (command: string): string => `\nExample: ${command}`

/** Four digits that matter; whole numbers whole. */
export const numberText = (value: number): string => {
  if (Number.isInteger(value)) return String(value)
  const rounded = Number(value.toPrecision(4))
  return Math.abs(rounded) < 1e-4 || Math.abs(rounded) >= 1e9 ? rounded.toExponential(3) : String(rounded)
}

/** With its interval, and over how many repeats if not all of them had it. */
export const estimateText = ({ mean, low, high, repeats }: Estimate, all = 0): string => {
  const interval =
    low === null || high === null || numberText(low) === numberText(high)
      ? ''
      : `  [${numberText(low)}, ${numberText(high)}]`
  return `${numberText(mean)}${interval}${repeats < all ? `  (${repeats} of ${all} repeats)` : ''}`
}

/** Columns of equal width, the last as long as it is. */
export const tableText = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  return rows
    .map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

/** Every measure of every point, with its interval. */
export const summaryText = (summary: readonly PointSummary[]): string =>
  summary
    .map(({ settings, estimates }) => {
      const repeats = Math.max(0, ...Object.values(estimates).map((found) => found.repeats))
      const at = settingsText(settings)
      const head = `${at === '' ? '' : `${at}; `}means over ${repeats} repeats, 95 % intervals in brackets\n`
      return (
        head +
        tableText(
          Object.entries(estimates).map(([name, found]) => [`  ${name}`, estimateText(found, repeats)]),
        )
      )
    })
    .join('\n')
