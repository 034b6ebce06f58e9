import pino from 'pino'
import type { Store } from '../../../src/store/store.ts'
import { answerExplain, type ExplainQuery } from '../../../src/week/explain/explain-answers.ts'
import { type CaseFile, readCase } from '../../../src/week/explain/case-file.ts'
import type { Explanation } from '../../../src/week/explain/explain.ts'
import type { ExplainSources } from '../../../src/week/explain/sources.ts'
import { explainSourcesOfStore, recomputeFrom } from '../../../src/week-io/explain-sources.ts'
import { openStoredWeeks } from '../../../src/week-io/stored-week.ts'
import { realWorld } from '../../../src/world.ts'
import type { SmallWeek } from '../../fixtures/small-week.ts'

export const never = new AbortController().signal

/** What `secnode explain --dir` asks, with the chain of the week at hand for digests. */
export const sourcesOf = async (
  small: SmallWeek,
  store: Store,
  changes: Partial<ExplainSources> = {},
): Promise<ExplainSources & { close(): Promise<void> }> => ({
  ...explainSourcesOfStore({
    network: small.network,
    directory: 'small week',
    store,
    weeks: await openStoredWeeks(small.network, store),
    rpc: null,
    logger: pino({ level: 'silent' }),
    world: realWorld(),
    signal: never,
  }),
  recompute: recomputeFrom(small.network, small.view, never),
  ...changes,
})

export const explanationOf = async (
  sources: ExplainSources,
  query: Partial<ExplainQuery>,
): Promise<Explanation> =>
  JSON.parse(
    await answerExplain(
      sources,
      { week: '2026-W47', seat: { is: 'own' }, epochs: 'all', as: 'explanation', ...query },
      never,
    ),
  ) as Explanation

export const caseOf = async (
  sources: ExplainSources,
  query: Partial<ExplainQuery>,
): Promise<{ text: string; file: CaseFile }> => {
  const text = await answerExplain(
    sources,
    { week: '2026-W47', seat: { is: 'own' }, epochs: 'all', ...query, as: 'case' },
    never,
  )
  const read = readCase(text)
  if (read.is === 'bad') throw new Error(read.detail)
  return { text, file: read.file }
}
