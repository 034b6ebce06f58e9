import { Command } from 'commander'
import { settingsText } from '../setting.ts'
import { estimate, type Estimate } from '../statistics.ts'
import { type PointSummary, summarise, type TaskResult } from '../tasks.ts'
import type { SimIo } from './io.ts'
import { readResults, writeReport } from './results.ts'
import { estimateText, exampleText, numberText, tableText } from './text.ts'

export const reportCommand = (io: SimIo): Command =>
  new Command('report')
    .description('draw the report.html of a directory of results anew: plots and tables, opens offline')
    .argument('<dir>', 'a directory that run, sweep or merge has written')
    .option('--json', 'print JSON')
    .addHelpText('after', exampleText('sim report swept'))
    .action((directory: string, { json }: { json?: boolean }) => {
      const path = writeReport(directory)
      io.stdout(json === true ? `${JSON.stringify({ report: path })}\n` : `${path}\n`)
    })

interface Difference {
  /** Of the point in a and, where they are others, in b. */
  settings: { a: PointSummary['settings'] | null; b: PointSummary['settings'] | null }
  measure: string
  /** Null where there was nothing to measure. */
  a: number | null
  b: number | null
  /** b − a with its 95 % interval; null where one of them has nothing. */
  difference: Estimate | null
  /** Whether that interval leaves 0 out: then the difference is hardly chance. */
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
      const [one, other] = [readResults(a), readResults(b)]
      const isPaired = one.manifest.seed === other.manifest.seed
      const differences = differencesOf(one.results, other.results, isPaired)
      if (json === true) {
        io.stdout(`${JSON.stringify(differences)}\n`)
        return
      }
      const rows = differences.map(({ settings, measure, a, b, difference, isApart }) => [
        pointText(settings),
        measure,
        a === null ? '–' : numberText(a),
        b === null ? '–' : numberText(b),
        difference === null ? '–' : estimateText(difference),
        isApart ? 'apart' : '',
      ])
      io.stdout(
        rows.length === 0
          ? 'nothing differs\n'
          : tableText([['point', 'measure', 'a', 'b', 'b − a, 95 % interval', ''], ...rows]),
      )
    })

const pointText = ({ a, b }: Difference['settings']): string => {
  const [one, other] = [a, b].map((settings) => (settings === null ? '–' : settingsText(settings)))
  return one === other ? one! : `${one!} | ${other!}`
}

type Runs = readonly TaskResult[]

/** Points are matched by their order, so that a changed value of an axis can be compared too. */
const differencesOf = (a: Runs, b: Runs, isPaired: boolean): Difference[] => {
  const [ones, others] = [a, b].map((runs) => [...Map.groupBy(runs, ({ point }) => point).values()])
  const points = Math.max(ones!.length, others!.length)
  return Array.from({ length: points }, (_, i) => i).flatMap((i) => {
    const [one, other] = [ones![i] ?? [], others![i] ?? []]
    const [in1, in2] = [summarise(one)[0], summarise(other)[0]]
    const measures = new Set([...Object.keys(in1?.estimates ?? {}), ...Object.keys(in2?.estimates ?? {})])
    return [...measures].flatMap((measure): Difference[] => {
      const [found, there] = [in1?.estimates[measure], in2?.estimates[measure]]
      const settings = { a: in1?.settings ?? null, b: in2?.settings ?? null }
      const means = { a: found?.mean ?? null, b: there?.mean ?? null }
      if (found === undefined || there === undefined)
        return [{ settings, measure, ...means, difference: null, isApart: false }]
      const difference =
        (isPaired ? pairedDifference(measure, one, other) : null) ?? differenceOf(found, there)
      if (found.mean === there.mean) return []
      const isApart = difference.low !== null && (difference.low > 0 || difference.high! < 0)
      return [{ settings, measure, ...means, difference, isApart }]
    })
  })
}

/** Of one seed: what is not varied is drawn alike in both, and falls out of the difference. Null with fewer than two pairs. */
const pairedDifference = (measure: string, one: Runs, other: Runs): Estimate | null => {
  const values = one.flatMap(({ repeat, measures }) => {
    const pair = other.find((run) => run.repeat === repeat)?.measures[measure]
    const value = measures[measure]
    return typeof value === 'number' && typeof pair === 'number' ? [pair - value] : []
  })
  return values.length < 2 ? null : estimate(values)
}

/** Of independent runs. */
const differenceOf = (one: Estimate, other: Estimate): Estimate => {
  const mean = other.mean - one.mean
  const repeats = Math.min(one.repeats, other.repeats)
  if (one.low === null || other.low === null) return { mean, low: null, high: null, repeats }
  const halfWidth = Math.hypot((one.high! - one.low) / 2, (other.high! - other.low) / 2)
  return { mean, low: mean - halfWidth, high: mean + halfWidth, repeats }
}
