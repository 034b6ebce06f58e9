import { SimulationError } from './errors.ts'

/** A field of a scenario and the value that it is set to. */
export interface Setting {
  path: string
  value: Scalar | object
}

type Scalar = string | number | boolean | null

/** As it may be written again. */
export const valueText = (value: Setting['value']): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value)

/** Settings in one line. */
export const settingsText = (settings: readonly Setting[]): string =>
  settings.map(({ path, value }) => `${path} = ${valueText(value)}`).join(', ')

/**
 * Sets one field of a scenario as it was read (before it is checked). Parts of a path are names of fields, positions in
 * lists or names of actors; `attacker` is the first attacker. An attacker has a share or a number of nodes: setting one
 * drops the other. The value given back shares what did not change.
 */
export const withSetting = (scenario: unknown, { path, value }: Setting): unknown => {
  const parts = path.split('.')
  const first = parts[0] === 'attacker' ? ['attackers', '0', ...parts.slice(1)] : parts
  return replaceAt(scenario, first, value, path)
}

const replaceAt = (node: unknown, parts: readonly string[], value: unknown, path: string): unknown => {
  const [part, ...rest] = parts
  if (part === undefined) return value
  if (Array.isArray(node)) {
    const index = node.findIndex(
      (item: unknown, i) => String(i) === part || nameOf(item) === part || kindOf(item) === part,
    )
    if (index === -1)
      throw unknownPath(
        path,
        part,
        node.map((item, i) => nameOf(item) ?? kindOf(item) ?? String(i)),
      )
    return node.with(index, replaceAt(node[index], rest, value, path))
  }
  // A field that is not written yet has its default: whether it exists is for the schema to say.
  if (node === undefined) return replaceAt({}, parts, value, path)
  if (typeof node !== 'object' || node === null) throw unknownPath(path, part, [])
  const { [alternatives.get(part) ?? '']: _, ...kept } = node as Record<string, unknown>
  return { ...(path.startsWith('attacker') ? kept : node), [part]: replaceAt(kept[part], rest, value, path) }
}

const alternatives: ReadonlyMap<string, string> = new Map([
  ['share', 'nodes'],
  ['nodes', 'share'],
])

const nameOf = (item: unknown): string | undefined => (item as { name?: string } | null)?.name
const kindOf = (item: unknown): string | undefined => (item as { kind?: string } | null)?.kind

const unknownPath = (path: string, part: string, known: readonly string[]): SimulationError =>
  new SimulationError(
    'bad-path',
    `${path} names nothing in the scenario: there is no ${part}`,
    known.length > 0 ? `write one of ${known.join(', ')} there` : 'write a path such as protocol.committee',
  )

const numberPattern = /^-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?$/i

const readScalar = (text: string): Scalar =>
  numberPattern.test(text) ? Number(text) : text === 'true' ? true : text === 'false' ? false : text

const splitAt = (text: string, option: string): [string, string] => {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1) {
    throw new SimulationError(
      'bad-setting',
      `${option} ${text} has no path and value`,
      `write ${option} path=value`,
    )
  }
  return [text.slice(0, at), text.slice(at + 1)]
}

/** `path=value`; a value that begins with a bracket is JSON, for lists such as an attacker's strategies. */
export const parseSetting = (text: string): Setting => {
  const [path, value] = splitAt(text, '--set')
  if (!/^[[{]/.test(value)) return { path, value: readScalar(value) }
  try {
    return { path, value: JSON.parse(value) as object }
  } catch (error) {
    throw new SimulationError(
      'bad-setting',
      `--set ${text} is no JSON: ${(error as Error).message}`,
      `write for example --set 'attacker.strategies=[{"kind":"lazy"}]'`,
      error,
    )
  }
}

/** A field and the values that it takes in a sweep. */
export interface Axis {
  path: string
  values: Scalar[]
}

const maxAxisValues = 10_000

/** `path=5,7,11` or `path=0.05..0.4:0.05` (both ends included), or both mixed. */
export const parseAxis = (text: string): Axis => {
  const [path, list] = splitAt(text, '--vary')
  const values = list.split(',').flatMap((part): Scalar[] => {
    const range = /^(.+)\.\.(.+):(.+)$/.exec(part)
    if (range === null) return [readScalar(part)]
    const [from, to, step] = range.slice(1).map(Number) as [number, number, number]
    // Rounded, so that 0.05 + 0.1 is 0.15 and not a neighbour of it.
    const steps = Math.floor((to - from) / step + 1e-9)
    if (!(step > 0) || !(to >= from) || steps >= maxAxisValues) {
      throw new SimulationError(
        'bad-range',
        `--vary ${part} is no range`,
        'write from..to:step with from ≤ to, step > 0',
      )
    }
    return Array.from({ length: steps + 1 }, (_, i) => Number((from + i * step).toPrecision(12)))
  })
  return { path, values }
}

/** All combinations, the last axis changing fastest. */
export const pointsOf = (axes: readonly Axis[]): Setting[][] =>
  axes.reduce<Setting[][]>(
    (points, { path, values }) =>
      points.flatMap((point) => values.map((value) => [...point, { path, value }])),
    [[]],
  )
