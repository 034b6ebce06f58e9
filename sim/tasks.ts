import { estimateOf } from './measures.ts'
import type { Propagation } from './messages/propagation.ts'
import { runMessages } from './messages/run.ts'
import { parseScenario, type Scenario } from './scenario.ts'
import { type Axis, pointsOf, type Setting, settingsText, withSetting } from './setting.ts'
import type { Estimate } from './statistics.ts'
import type { Measures, WeekRow } from './statistical/account.ts'
import { runStatistical } from './statistical/run.ts'

/** A scenario as it was written, and what is varied in it: everything that results follow from. */
export interface Plan {
  /** Before the schema has filled in what is left out. */
  scenario: unknown
  /** In the order in which they are set. */
  settings: readonly Setting[]
  axes: readonly Axis[]
}

/** One run: one point of the sweep, one repeat. */
export interface Task {
  index: number
  point: number
  settings: readonly Setting[]
  repeat: number
}

export interface TaskResult extends Task {
  measures: Measures
  weeks: WeekRow[]
  /** Of the message engine. */
  propagation?: Propagation
}

/** The scenario at a point, checked. */
export const scenarioAt = (plan: Plan, point: readonly Setting[], origin: string): Scenario =>
  parseScenario(
    [...plan.settings, ...point].reduce((scenario, setting) => withSetting(scenario, setting), plan.scenario),
    origin,
  )

/** All runs, repeats of a point together. Checks every point before anything runs. */
export const tasksOf = (plan: Plan, origin: string): Task[] => {
  const tasks: Task[] = []
  for (const [point, settings] of pointsOf(plan.axes).entries()) {
    const at = settingsText(settings)
    const { repeats } = scenarioAt(plan, settings, at === '' ? origin : `${origin} with ${at}`)
    for (let repeat = 0; repeat < repeats; repeat++)
      tasks.push({ index: tasks.length, point, settings, repeat })
  }
  return tasks
}

/** `onProgress` hears from time to time which share of the run is done. */
export const runTask = (plan: Plan, task: Task, onProgress?: (share: number) => void): TaskResult => {
  const scenario = scenarioAt(plan, task.settings, 'scenario')
  const run = scenario.engine === 'messages' ? runMessages : runStatistical
  return { ...task, ...run(scenario, task.repeat, onProgress) }
}

/** One point of a sweep: each measure as an estimate over those repeats that have it. */
export interface PointSummary {
  point: number
  settings: readonly Setting[]
  estimates: Record<string, Estimate>
}

/** Of results in the order of their tasks. */
export const summarise = (results: readonly TaskResult[]): PointSummary[] =>
  [...Map.groupBy(results, ({ point }) => point)].map(([point, runs]) => {
    const names = new Set(runs.flatMap(({ measures }) => Object.keys(measures)))
    const estimates: Record<string, Estimate> = {}
    for (const name of names) {
      const found = estimateOf(
        name,
        runs.map(({ measures }) => measures),
      )
      if (found !== null) estimates[name] = found
    }
    return { point, settings: runs[0]!.settings, estimates }
  })
