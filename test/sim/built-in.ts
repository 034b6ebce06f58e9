import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { Scenario } from '../../sim/scenario.ts'
import { parseSetting } from '../../sim/setting.ts'
import { scenarioAt, summarise, tasksOf, runTask } from '../../sim/tasks.ts'

const read = (name: string): unknown =>
  parse(readFileSync(new URL(`../../sim/scenarios/${name}.yaml`, import.meta.url), 'utf8'))

/** A built-in scenario with fields set as `--set` does. */
export const builtIn = (name: string, ...settings: string[]): Scenario =>
  scenarioAt({ scenario: read(name), settings: settings.map(parseSetting), axes: [] }, [], name)

/** Means over the repeats of a built-in scenario. */
export const meansOf = (name: string, ...settings: string[]): Record<string, number> =>
  meansWith(name, {}, ...settings)

/** The same with some strategies instead of the first attacker's. */
export const meansWithStrategies = (
  name: string,
  strategies: readonly object[],
  ...settings: string[]
): Record<string, number> => {
  const { attackers } = read(name) as { attackers: object[] }
  return meansWith(name, { attackers: attackers.with(0, { ...attackers[0], strategies }) }, ...settings)
}

const meansWith = (name: string, fields: object, ...settings: string[]): Record<string, number> => {
  const plan = {
    scenario: { ...(read(name) as object), ...fields },
    settings: settings.map(parseSetting),
    axes: [],
  }
  const [summary] = summarise(tasksOf(plan, name).map((task) => runTask(plan, task)))
  return Object.fromEntries(Object.entries(summary!.estimates).map(([measure, { mean }]) => [measure, mean]))
}
