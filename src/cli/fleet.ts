import { resolve } from 'node:path'
import { Command } from 'commander'
import type { FleetEpoch, FleetNode, FleetReport } from '../service/fleet.ts'
import { realWorld } from '../world.ts'
import { FleetAnswer } from '../web/control/schemas.ts'
import type { CliIo } from './io.ts'
import { askRunning } from './running-daemon.ts'
import { showOrWatch, type WatchFlags } from './watch.ts'
import { screenOf, withWatchOptions } from './watch-options.ts'
import { coins, formatTable } from './week-table.ts'

/** `secnode fleet`: all nodes of one owner, from any one of them. */
export const fleetCommand = (io: CliIo): Command =>
  withWatchOptions(
    new Command('fleet')
      .description("show several nodes' week so far, as any one running node sees it")
      .requiredOption('--stake <address...>', 'the stake addresses of the nodes'),
  )
    .addHelpText(
      'after',
      `
One sign an epoch: + credited, x invalid, u undecided, v valid but not credited, . open, and a blank where the node was
not in the snapshot. What a node will earn is its share of the closed epochs so far, if the week goes on like this.

Examples:
  $ secnode fleet --stake tmFirst tmSecond tmThird
  $ secnode fleet --stake $(cat stakes.txt) --watch
  $ secnode fleet --stake tmFirst --json | jq '.nodes[].outcomes[] | select(.failedBy != [])'
`,
    )
    .action(async (flags: WatchFlags & { dir: string; stake: string[] }) => {
      const dir = resolve(flags.dir)
      const body = JSON.stringify({ stakes: flags.stake })
      const ask = (): Promise<FleetReport> => askRunning(dir, '/fleet', FleetAnswer, io.signal, body)
      await showOrWatch(io, flags, ask, formatFleet, realWorld(), screenOf(process.stdout))
    })

export const formatFleet = ({ week, epoch, height, nodes }: FleetReport): string => {
  const expected = nodes.reduce<bigint | null>(
    (sum, node) => (sum === null || node.expected === null ? null : sum + BigInt(node.expected)),
    0n,
  )
  return [
    `week ${week}  epoch ${epoch}  confirmed height ${height}`,
    '',
    formatTable(
      ['seat', 'host', 'state', 'credited', 'expected', 'epochs'],
      nodes.map((node) => [
        node.seat === null ? '-' : String(node.seat),
        node.host ?? node.stake,
        node.state,
        `${node.score}/${node.epochs}`,
        node.expected === null ? '?' : coins(node.expected),
        node.outcomes.map(signOf).join(''),
      ]),
      new Set([0, 3, 4]),
    ),
    ...(nodes.length > 1 && expected !== null ? [`expected in all: ${coins(expected.toString())}`, ''] : []),
    ...nodes.flatMap(troubleLines),
  ].join('\n')
}

const signOf = ({ outcome, isOpen }: FleetEpoch): string => {
  if (outcome === null) return ' '
  if (outcome === 'credited') return '+'
  if (isOpen) return '.'
  if (outcome.startsWith('invalid')) return 'x'
  return outcome.startsWith('valid') ? 'v' : 'u'
}

/** Who failed a node in the epochs without a credit; of open ones, who has done so already. */
const troubleLines = ({ host, stake, state, outcomes }: FleetNode): string[] => {
  const lines = outcomes.flatMap(({ epoch, outcome, isOpen, failedBy }) => {
    if (outcome === null || outcome === 'credited' || (isOpen && failedBy.length === 0)) return []
    const who = failedBy.map((one) => `seat ${one.seat} ${one.host}: ${one.word}`)
    const text = isOpen ? 'open' : outcome
    return [`  epoch ${epoch}  ${text}${who.length === 0 ? '' : `  (${who.join(', ')})`}`]
  })
  const advice = {
    active: [],
    retired: ['  the stake was spent: put it back and announce again'],
    'not announced': ['  no announcement of this stake is in the confirmed chain'],
  }[state]
  return lines.length + advice.length === 0 ? [] : [host ?? stake, ...advice, ...lines, '']
}
