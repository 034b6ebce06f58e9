import { Command, InvalidArgumentError } from 'commander'
import { SimulationError } from '../errors.ts'
import { parseScenario, type Scenario } from '../scenario.ts'
import { parseAxis, parseSetting, type Setting } from '../setting.ts'
import type { PointSummary } from '../tasks.ts'
import { mergeBatch, runBatch } from './batch.ts'
import type { SimIo } from './io.ts'
import { mathCommand } from './math.ts'
import { pendingCommand } from './pending.ts'
import { compareCommand, reportCommand } from './report.ts'
import type { Shard } from './results.ts'
import { builtInNames, builtInText, readScenario } from './scenario-files.ts'
import { exampleText, summaryText } from './text.ts'

export const createProgram = (io: SimIo): Command => {
  const program = new Command('sim')
    .description('What an attacker gets for his money: simulations on the protocol itself.')
    .option('--verbose', 'print the stack of an error')
    .showHelpAfterError('(run with --help for what it takes)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout(text), writeErr: (text) => io.stderr(text) })
  for (const command of [
    listCommand(io),
    runCommand(io),
    sweepCommand(io),
    mergeCommand(io),
    reportCommand(io),
    compareCommand(io),
    mathCommand(io),
    pendingCommand(io),
  ]) {
    program.addCommand(command.copyInheritedSettings(program))
  }
  return program
}

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value]

const integer =
  (least: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`write a whole number from ${least} on`)
    return value
  }

const shardOf = (text: string): Shard => {
  const [part, of] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).slice(1).map(Number)
  if (part === undefined || of === undefined || part < 1 || part > of) {
    throw new InvalidArgumentError('write i/n with 1 ≤ i ≤ n')
  }
  return { part, of }
}

const listCommand = (io: SimIo): Command =>
  new Command('list')
    .description('the built-in scenarios: what each shows and what to expect')
    .option('--show <name>', 'print the YAML of one of them')
    .option('--json', 'print JSON')
    .addHelpText('after', exampleText('sim list --show ip-spread > mine.yaml'))
    .action(({ show, json }: { show?: string; json?: boolean }) => {
      if (show !== undefined) {
        if (!builtInNames().includes(show)) {
          throw new SimulationError(
            'bad-scenario-name',
            `there is no built-in scenario ${show}`,
            `write one of ${builtInNames().join(', ')}`,
          )
        }
        io.stdout(
          json === true ? `${JSON.stringify(parseScenario(readScenario(show), show))}\n` : builtInText(show),
        )
        return
      }
      const scenarios = builtInNames().map((name) => parseScenario(readScenario(name), name))
      if (json === true) {
        io.stdout(
          `${JSON.stringify(scenarios.map(({ name, shows, expect }) => ({ name, shows, expect })))}\n`,
        )
      } else {
        io.stdout(scenarios.map(listText).join('\n'))
      }
    })

/** Its name, then what it shows and what to expect, in lines of a terminal's width. */
const listText = ({ name, shows, expect }: Scenario): string =>
  `${name}\n${wrapped(shows, '  shows:  ')}${wrapped(expect, '  expect: ')}`

const lineWidth = 100

/** Words in lines, those after the first indented as far as the first one's head. */
const wrapped = (text: string, head: string): string => {
  const lines = [head]
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const line = `${lines.at(-1)!}${lines.at(-1)!.endsWith(' ') ? '' : ' '}${word}`
    if (line.length <= lineWidth) lines[lines.length - 1] = line
    else lines.push(`${' '.repeat(head.length)}${word}`)
  }
  return lines.map((line) => `${line}\n`).join('')
}

interface BatchFlags {
  seed?: number
  repeats?: number
  set: string[]
  out?: string
  threads?: number
  json?: boolean
}

const withBatchOptions = (command: Command): Command =>
  command
    .option('--seed <n>', 'master seed', integer(0))
    .option('--repeats <n>', 'repeats of each point', integer(1))
    .option('--set <path=value>', 'set a field of the scenario; may be repeated', collect, [])
    .option('--threads <n>', 'threads (default: as many as the machine has)', integer(1))
    .option('--json', 'print JSON')

const settingsOf = ({ seed, repeats, set }: BatchFlags): Setting[] => [
  ...set.map(parseSetting),
  ...(seed === undefined ? [] : [{ path: 'seed', value: seed }]),
  ...(repeats === undefined ? [] : [{ path: 'repeats', value: repeats }]),
]

const printSummary = (io: SimIo, summary: readonly PointSummary[], json: boolean | undefined): void =>
  io.stdout(json === true ? `${JSON.stringify(summary)}\n` : summaryText(summary))

const runCommand = (io: SimIo): Command =>
  withBatchOptions(new Command('run'))
    .description('run a scenario with its repeats; print its measures')
    .argument('<scenario>', 'a built-in name or a YAML file')
    .option('--out <dir>', 'write runs.jsonl, summary.csv, report.html and manifest.json there')
    .addHelpText(
      'after',
      exampleText('sim run ip-spread --set protocol.maxPerPrefix=4 --repeats 20 --out results'),
    )
    .action(async (scenario: string, flags: BatchFlags) => {
      const plan = { scenario: readScenario(scenario), settings: settingsOf(flags), axes: [] }
      const options = { out: flags.out ?? null, threads: flags.threads ?? null, shard: null }
      printSummary(io, await runBatch(io, plan, scenario, options), flags.json)
    })

const sweepCommand = (io: SimIo): Command =>
  withBatchOptions(new Command('sweep'))
    .description('run a scenario at every combination of values; goes on where it was broken off')
    .argument('<scenario>', 'a built-in name or a YAML file')
    .option('--vary <path=values>', 'path=5,7,11 or path=0.05..0.4:0.05; may be repeated', collect, [])
    .requiredOption('--out <dir>', 'where results go: runs.jsonl, summary.csv, report.html, manifest.json')
    .option('--shard <i/n>', 'run the i-th of n parts only', shardOf)
    .addHelpText(
      'after',
      exampleText(
        'sim sweep sybil --vary protocol.committee=5,7,11 --vary attacker.share=0.05..0.4:0.05 --out swept',
      ),
    )
    .action(async (scenario: string, flags: BatchFlags & { vary: string[]; out: string; shard?: Shard }) => {
      const axes = flags.vary.map(parseAxis)
      if (axes.length === 0) {
        throw new SimulationError(
          'bad-sweep',
          'a sweep without --vary varies nothing',
          'write --vary path=values, or `sim run`',
        )
      }
      const plan = { scenario: readScenario(scenario), settings: settingsOf(flags), axes }
      const options = { out: flags.out, threads: flags.threads ?? null, shard: flags.shard ?? null }
      printSummary(io, await runBatch(io, plan, scenario, options), flags.json)
    })

const mergeCommand = (io: SimIo): Command =>
  new Command('merge')
    .description('join the parts of a sweep that ran with --shard')
    .argument('<parts...>', 'their directories')
    .requiredOption('--out <dir>', 'where the joined results go')
    .option('--json', 'print JSON')
    .addHelpText('after', exampleText('sim merge parts/1 parts/2 --out swept'))
    .action((parts: string[], { out, json }: { out: string; json?: boolean }) => {
      printSummary(io, mergeBatch(io, out, parts), json)
    })
