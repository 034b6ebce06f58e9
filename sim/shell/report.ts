import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { reportOf } from '../report.ts'
import { settingsText } from '../setting.ts'
import type { Estimate } from '../statistics.ts'
import { type PointSummary, summarise } from '../tasks.ts'
import type { SimIo } from './io.ts'
import { readResults } from './results.ts'
import { exampleText, numberText, tableText } from './text.ts'

export const reportCommand = (io: SimIo): Command =>
  new Command('report')
    .description('write report.html into a directory of results: plots and tables, opens offline')
    .argument('<dir>', 'a directory that run, sweep or merge has written')
    .option('--json', 'print JSON')
    .addHelpText('after', exampleText('sim report swept'))
    .action((directory: string, { json }: { json?: boolean }) => {
      const { manifest, results } = readResults(directory)
      const path = join(directory, 'report.html')
      writeFileSync(path, reportOf(manifest.plan, results, manifest))
      io.stdout(json === true ? `${JSON.stringify({ report: path })}\n` : `${path}\n`)
    })

interface Difference {
  settings: PointSummary['settings']
  measure: string
  /** Null where there was nothing to measure. */
  a: number | null
  b: number | null
  /** Whether the 95 % intervals do not meet: then the difference is hardly chance. */
  isApart: boolean
}

export const compareCommand = (io: SimIo): Command =>
  new Command('compare')
    .description('what differs between two directories of results')
    .argument('<a>')
    .argument('<b>')
    .option('--json', 'print JSON')
    .addHelpText('after', exampleText('sim compare results other'))
    .action((a: string, b: string, { json }: { json?: boolean }) => {
      const differences = differencesOf(summarise(readResults(a).results), summarise(readResults(b).results))
      if (json === true) {
        io.stdout(`${JSON.stringify(differences)}\n`)
        return
      }
      const rows = differences.map(({ settings, measure, a, b, isApart }) => [
        settingsText(settings),
        measure,
        a === null ? '–' : numberText(a),
        b === null ? '–' : numberText(b),
        isApart ? 'intervals apart' : '',
      ])
      io.stdout(
        rows.length === 0 ? 'nothing differs\n' : tableText([['point', 'measure', 'a', 'b', ''], ...rows]),
      )
    })

/** Points are matched by their order, so that a changed value of an axis can be compared too. */
const differencesOf = (a: readonly PointSummary[], b: readonly PointSummary[]): Difference[] =>
  Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).flatMap((i) => {
    const { settings } = (a[i] ?? b[i])!
    const [ones, others] = [a[i]?.estimates ?? {}, b[i]?.estimates ?? {}]
    return [...new Set([...Object.keys(ones), ...Object.keys(others)])].flatMap((measure) => {
      const [one, other] = [ones[measure], others[measure]]
      if (one?.mean === other?.mean) return []
      const isApart = one !== undefined && other !== undefined && areApart(one, other)
      return [{ settings, measure, a: one?.mean ?? null, b: other?.mean ?? null, isApart }]
    })
  })

const areApart = (one: Estimate, other: Estimate): boolean =>
  one.low !== null && other.low !== null && (one.high! < other.low || other.high! < one.low)
