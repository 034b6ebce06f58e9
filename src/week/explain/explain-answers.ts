import { readCase, formatCase } from './case-file.ts'
import { explain, type Explanation } from './explain.ts'
import { exportCase } from './export-case.ts'
import type { SeatName } from './seat-name.ts'
import { type EpochChoice, gatherSeatWeek } from './seat-week.ts'
import type { ExplainSources } from './sources.ts'
import type { VerifiedCase, VerifierFacts } from './verified-case.ts'
import { verifyCase } from './verify-case.ts'

/** What is asked of a store, by a command or over a daemon's control socket. */
export interface ExplainQuery {
  week: string
  seat: SeatName
  epochs: EpochChoice
  /** A case file is for strangers, an explanation for the operator. */
  as: 'explanation' | 'case'
}

/** The answer as text: an `Explanation` in JSON, or a case file as it is written. */
export const answerExplain = async (
  sources: ExplainSources,
  query: ExplainQuery,
  signal: AbortSignal,
): Promise<string> => {
  const gathered = await gatherSeatWeek(sources, query, signal)
  if (query.as === 'case') return formatCase(await exportCase(sources, gathered))
  const explanation: Explanation = await explain(sources, gathered, signal)
  return JSON.stringify(explanation)
}

/** Checks the text of a case file. What cannot be read does not hold. */
export const answerVerify = async (
  facts: VerifierFacts,
  text: string,
  signal: AbortSignal,
): Promise<VerifiedCase> => {
  const read = readCase(text)
  if (read.is === 'bad') {
    return { result: 'fails', lines: [{ is: 'fails', epoch: null, subject: 'form', detail: read.detail }] }
  }
  return await verifyCase(facts, read.file, signal)
}

/** Where a daemon's control socket answers `query`. */
export const pathOfQuery = ({ week, seat, epochs, as }: ExplainQuery): string => {
  const params = new URLSearchParams({ epochs: String(epochs), as })
  if (seat.is === 'seat') params.set('seat', String(seat.seat))
  if (seat.is === 'host') params.set('host', seat.host)
  if (seat.is === 'stake') params.set('stake', seat.address)
  return `/explain/${encodeURIComponent(week)}?${params.toString()}`
}

/** The query behind a path of `pathOfQuery`. */
export const queryOfPath = (
  week: string,
  params: Readonly<Record<string, string | undefined>>,
): ExplainQuery => ({
  week,
  seat: seatOfParams(params),
  epochs:
    params['epochs'] === 'failed' || params['epochs'] === 'all' ? params['epochs'] : Number(params['epochs']),
  as: params['as'] === 'case' ? 'case' : 'explanation',
})

const seatOfParams = ({ seat, host, stake }: Readonly<Record<string, string | undefined>>): SeatName => {
  if (seat !== undefined) return { is: 'seat', seat: Number(seat) }
  if (host !== undefined) return { is: 'host', host }
  return stake === undefined ? { is: 'own' } : { is: 'stake', address: stake }
}
