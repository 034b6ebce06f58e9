import { resolve } from 'node:path'
import { Command } from 'commander'
import { bytesToHex } from '../../protocol/index.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import { createPrivateFile } from '../keys/private-file.ts'
import { loadConfig } from '../service/config.ts'
import { openHistory } from '../service/history.ts'
import { realWorld } from '../world.ts'
import { HistoryAnswer } from '../web/control/schemas.ts'
import { type CliIo, printJson } from './io.ts'
import { askRunning } from './running-daemon.ts'

interface ExportFlags {
  config: string
  output: string
  json?: true
}

/** `secnode history export`: what a node has signed, for the one that goes on in its place. */
export const historyExportCommand = (io: CliIo): Command =>
  new Command('export')
    .description('write what this node has signed into one file')
    .requiredOption('--config <file>', "the node's configuration")
    .requiredOption('-o, --output <file>', 'write it there, mode 0600; - for standard output')
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
Attestations, votes, receipts, nonces and evidence of the last epochs, and signed payouts: the node that takes this in signs, votes and
pays nothing a second time. Stop the node first: what it signs afterwards is not in the file. The file holds no key.

Example:
  $ systemctl disable --now secnode
  $ secnode history export --config /etc/secnode/secnode.yaml -o node7.history`,
    )
    .action(async (flags: ExportFlags) => {
      const { text, isRunning } = await historyOf(flags.config, io.signal)
      if (flags.output === '-') return io.stdout(text)
      const file = resolve(flags.output)
      await writeHistory(file, text)
      if (flags.json === true) printJson(io, { file, bytes: Buffer.byteLength(text), isRunning })
      else {
        io.stdout(`${flags.output}: ${Buffer.byteLength(text)} bytes\n`)
        if (isRunning) io.stderr('The node runs: what it signs from now on is not in this file.\n')
      }
    })

/** From the running daemon, or from its store. */
const historyOf = async (
  configFile: string,
  signal: AbortSignal,
): Promise<{ text: string; isRunning: boolean }> => {
  const config = await loadConfig(configFile)
  try {
    const { text } = await askRunning(config.dir, '/history', HistoryAnswer, signal)
    return { text, isRunning: true }
  } catch (error) {
    if (!isSecnodeError(error, 'DAEMON_NOT_RUNNING')) throw error
  }
  await using history = await openHistory(config, realWorld())
  return { text: await history.read(), isRunning: false }
}

const writeHistory = async (file: string, text: string): Promise<void> => {
  let isNew: boolean
  try {
    isNew = await createPrivateFile(file, text, bytesToHex(realWorld().randomBytes(8)))
  } catch (error) {
    throw new SecnodeError('HISTORY_UNWRITABLE', `cannot write ${file}: ${messageOf(error)}`, {
      hint: 'Check who owns the folder, and whether its disk is full.',
      cause: error,
    })
  }
  if (isNew) return
  throw new SecnodeError('HISTORY_IN_THE_WAY', `${file} exists already`, {
    exitCode: 2,
    hint: 'Nothing is overwritten: name another file.',
  })
}
