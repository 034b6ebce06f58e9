import type { TallyDocument } from '../../protocol/index.ts'

/** Base units as coins with all eight decimals, for people. */
export const coins = (amount: string): string => {
  const digits = amount.padStart(9, '0')
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`
}

const columns = ['seat', 'host', 'valid', 'score', 'amount', 'why not'] as const

/** Columns padded to their widest cell; numbers to the right. */
export const formatTable = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  rightAligned: ReadonlySet<number>,
): string => {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (rightAligned.has(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd()
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), ''].join('\n')
}

/** A seat's epochs that brought no credit, most frequent reason first. */
const reasons = (outcomes: readonly (string | null)[], isEquivocator: boolean): string => {
  const counts = new Map<string, number>()
  for (const outcome of outcomes) {
    if (outcome === null || outcome === 'credited') continue
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
  const texts = [...counts].sort((a, b) => b[1] - a[1]).map(([outcome, count]) => `${outcome} ×${count}`)
  return [...(isEquivocator ? ['equivocator: scores nothing this week'] : []), ...texts].join(', ')
}

/** The table of a tally: who was up, what it scored and earned, and why not more. */
export const formatWeek = (document: TallyDocument, digest: string): string => {
  const rows = document.seats.map((seat) => {
    const valid = seat.outcomes.filter(
      (outcome) => outcome === 'credited' || outcome?.startsWith('valid') === true,
    ).length
    return [
      String(seat.seat),
      seat.host,
      `${valid}/${seat.epochs}`,
      String(seat.score),
      coins(seat.amount),
      reasons(seat.outcomes, seat.equivocator),
    ]
  })
  const { totals } = document
  return [
    `week ${document.week}  state ${document.state}  ruleset ${document.ruleset}  epochs ${document.epochs.length}`,
    '',
    formatTable(columns, rows, new Set([0, 2, 3, 4])),
    `fund ${coins(totals.fund)}  paid ${coins(totals.paid)} to ${totals.paidSeats} of ${totals.seats} seats  ` +
      `undistributed ${coins(totals.undistributed)}`,
    `digest ${digest}`,
    '',
  ].join('\n')
}
