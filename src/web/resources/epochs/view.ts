import { bytesToHex } from '../../../../protocol/index.ts'
import type { EpochRow } from './schemas.ts'
import { countStandings, type JudgedView } from '../../../week/judged-epoch.ts'
import { momentOf, type Page, pageOf, type PageQuery, type ViewParts } from '../../view/parts.ts'

export const epochRow = async (parts: ViewParts, judged: JudgedView): Promise<EpochRow> => ({
  epoch: judged.epoch,
  week: judged.context.week,
  start: await momentOf(parts, judged.epoch),
  beacon: bytesToHex(judged.beacon),
  seats: judged.snapshot.length,
  attested: judged.attested,
  isOpen: judged.isOpen,
  isFixed: judged.isFixed,
  standings: countStandings(judged),
})

/** The newest epochs that are over, newest first. */
export const latestEpochs = async (
  parts: ViewParts,
  query: PageQuery,
  signal: AbortSignal,
): Promise<Page<EpochRow>> => {
  const current = parts.node.daemon.epochs.current() ?? 0
  const numbers = Array.from({ length: current }, (_, i) => current - 1 - i)
  const { items, ...page } = pageOf(numbers, query, (epoch) => epoch)
  const rows: EpochRow[] = []
  for (const epoch of items) {
    const judged = await parts.node.weeks.judged.get(epoch, signal)
    if (judged !== undefined) rows.push(await epochRow(parts, judged))
  }
  return { items: rows, ...page }
}
