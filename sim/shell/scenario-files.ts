import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { SimulationError } from '../errors.ts'

const folder = fileURLToPath(new URL('../scenarios/', import.meta.url))

/** A scenario is a page of text; the library takes time by the square of it. */
const maxFileBytes = 20_000

/** Names of the scenarios that come with the simulator. */
export const builtInNames = (): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => basename(file, '.yaml'))
    .sort()

export const builtInText = (name: string): string => readFileSync(`${folder}${name}.yaml`, 'utf8')

/** A built-in scenario by its name, or a file by its path; as written, before it is checked. */
export const readScenario = (nameOrFile: string): unknown => {
  if (builtInNames().includes(nameOrFile)) return parseYaml(builtInText(nameOrFile), nameOrFile)
  if (!existsSync(nameOrFile)) {
    throw new SimulationError(
      'bad-scenario-name',
      `there is no scenario and no file ${nameOrFile}`,
      `write a file's path, or one of ${builtInNames().join(', ')}`,
    )
  }
  const { size } = statSync(nameOrFile)
  if (size > maxFileBytes) {
    throw new SimulationError(
      'bad-scenario',
      `${nameOrFile} has ${size} bytes`,
      `a scenario has at most ${maxFileBytes} bytes`,
    )
  }
  return parseYaml(readFileSync(nameOrFile, 'utf8'), nameOrFile)
}

const parseYaml = (text: string, origin: string): unknown => {
  try {
    return parse(text, { stringKeys: true, maxAliasCount: 10 })
  } catch (error) {
    const [what] =
      error instanceof RangeError ? ['nested too deeply'] : (error as Error).message.split('\n', 1)
    throw new SimulationError(
      'bad-yaml',
      `${origin} is no YAML: ${what}`,
      'check quotes, colons and indents on that line',
      error,
    )
  }
}
