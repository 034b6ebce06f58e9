import { Command } from 'commander'
import { loadConfig } from '../service/config.ts'
import { type HistorySummary, maxHistoryBytes, openHistory } from '../service/history.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'
import { readTextInput } from './text-input.ts'

/** `secnode history import`: into a node that does not run yet. */
export const historyImportCommand = (io: CliIo): Command =>
  new Command('import')
    .description('take what the node signed elsewhere into a data directory')
    .argument('<file>', 'what `secnode history export` wrote, or - for standard input')
    .requiredOption('--config <file>', "the node's configuration")
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
For a node that does not run; a standby takes it with \`secnode takeover --history FILE\`. All signatures are verified, all
or nothing is written, and only forward: a file that lacks something which this data directory knows is refused.

Example:
  $ secnode history import node7.history --config /etc/secnode/secnode.yaml`,
    )
    .action(async (file: string, flags: { config: string; json?: true }) => {
      const config = await loadConfig(flags.config)
      const text = await readTextInput(file, { maxCharacters: maxHistoryBytes, signal: io.signal })
      await using history = await openHistory(config, realWorld())
      const taken = await history.take(text)
      if (flags.json === true) printJson(io, { dir: config.dir, ...taken })
      else io.stdout(`${config.dir}: ${summaryText(taken)}\n`)
    })

export const summaryText = ({
  attestations,
  lastEpoch,
  votes,
  receipts,
  payouts,
}: HistorySummary): string => {
  const last = lastEpoch === null ? '' : `, the last of epoch ${lastEpoch}`
  return `${attestations} attestations${last}; ${votes} votes, ${receipts} receipts, ${payouts} payout transactions`
}
