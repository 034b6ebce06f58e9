import { resolve } from 'node:path'
import { Command } from 'commander'
import type { HopStatus } from '../relay/hop.ts'
import { RelayAnswer } from '../web/control/schemas.ts'
import { type CliIo, printJson } from './io.ts'
import { askRunning } from './running-daemon.ts'

/** `secnode relay status`: how the relay of a running daemon fares. */
export const relayStatusCommand = (io: CliIo): Command =>
  new Command('status')
    .description("circuits, cells and refusals of a running daemon's relay")
    .option('--dir <dir>', 'its data directory', 'data')
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
Numbers only: a relay keeps nothing of who asked for what.

Example:
  $ secnode relay status --dir data
`,
    )
    .action(async ({ dir, json }: { dir: string; json?: true }) => {
      const status = await askRunning(resolve(dir), '/relay', RelayAnswer, io.signal)
      if (json === true) printJson(io, status)
      else io.stdout(formatRelayStatus(status))
    })

const formatRelayStatus = ({ circuits, cells, refusals, ...status }: HopStatus): string => {
  const codes = Object.entries(refusals).sort(([, a], [, b]) => b - a)
  return [
    `circuits      ${circuits.strangers} of strangers, ${circuits.registered} of nodes, ${circuits.sinceStart} since the start`,
    `cells         ${cells.received} received, ${cells.sent} sent, on links that are over`,
    `transactions  ${status.transactionsSent} handed to the chain node`,
    `effort asked  ${status.effort === 0 ? 'none' : `${status.effort} hashes`}, ${status.waiting} strangers wait`,
    `refusals      ${codes.length === 0 ? 'none' : codes.map(([code, count]) => `${code} ${count}`).join(', ')}`,
    '',
  ].join('\n')
}
