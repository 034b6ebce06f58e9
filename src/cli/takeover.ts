import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Height } from '../../protocol/index.ts'
import { loadNetwork } from '../service/load-network.ts'
import { SecnodeError } from '../errors.ts'
import { loadNodeKeyFile } from '../keys/node-key.ts'
import { loadConfig } from '../service/config.ts'
import { makeDirectory } from '../service/data-dir.ts'
import { maxHistoryBytes } from '../service/history.ts'
import { standbyKeysOf } from '../node/standby-key.ts'
import { TakeoverAnswer } from '../web/control/schemas.ts'
import { realWorld } from '../world.ts'
import { announceOne, heightOf, lockIt } from './announce.ts'
import { summaryText } from './history-import.ts'
import { type CliIo, printJson } from './io.ts'
import { askRunning } from './running-daemon.ts'
import { readTextInput } from './text-input.ts'

interface TakeoverFlags {
  dir?: string
  iStoppedIt?: true
  history?: string
  historyLost?: true
  byChain?: true
  config?: string
  signature?: string
  at?: Height
  json?: true
}

/** `secnode takeover`: by the operator's word that the other daemon of this seat is stopped, or by a new announcement. */
export const takeoverCommand = (io: CliIo): Command =>
  new Command('takeover')
    .description('go on as the seat: on a standby, or on a node that has stopped signing')
    .option(
      '--i-stopped-it',
      'by your word: the other daemon with these keys is stopped, and will not start again',
    )
    .option('--dir <dir>', 'data directory of the running node (default: "data")')
    .option(
      '--history <file>',
      'what `secnode history export` wrote on the other machine; - for standard input',
    )
    .option('--history-lost', 'there is no such file: the other disk is gone')
    .option('--by-chain', 'by a new announcement: the other daemon may run, and need not be reached')
    .option('--config <file>', 'with --by-chain: configuration of the standby')
    .option('--signature <text>', 'with --by-chain: what the wallet made of the text; - for standard input')
    .option(
      '--at <height>',
      'with --by-chain: height of the announcement; that of the chain by default',
      heightOf,
    )
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
Nothing is ever taken over without you. There are two ways.

By the chain: a new announcement names the standby's own key (standby.key in its data directory) with the voting key of the
seat. It is always safe: for each epoch the chain names one of the two keys, so the other daemon may run, be cut off, or be
gone. It costs a fee and takes effect two epochs after the one in which it is mined. Until then the other daemon, if it
lives, goes on; the standby takes its place by itself. The first call prints the text that the stake's wallet signs, the
second takes the signature and prints the payment, as with \`secnode announce\`.

By your word: faster by an epoch or so, and free. But two running daemons with the same keys lose the week, and no node can
see that another one is stopped: a network that is cut in two looks the same.

After your word the node waits until the seat was silent for one whole epoch that it saw whole, and signs no epoch that opened
before. If it hears the seat after all, or a daemon answers at the announced address with its keys, it gives up and says
so. \`secnode status\` shows what it waits for. Then let the DNS name lead to this machine.

Examples:
  $ secnode takeover --by-chain --config /etc/secnode/secnode.yaml
  $ secnode takeover --by-chain --config /etc/secnode/secnode.yaml --signature H9qS...=
  $ secnode takeover --i-stopped-it --history node7.history --dir /var/lib/secnode
  $ secnode takeover --i-stopped-it --history-lost`,
    )
    .action(async (flags: TakeoverFlags) => {
      if (flags.byChain === true) return await takeOverByChain(io, flags)
      if (flags.config !== undefined || flags.signature !== undefined || flags.at !== undefined) {
        throw usage('--config, --signature and --at go with --by-chain')
      }
      if (flags.iStoppedIt !== true) {
        throw new SecnodeError(
          'TAKEOVER_WORD',
          'a takeover needs your word that the other daemon is stopped, or a new announcement',
          {
            exitCode: 2,
            hint: 'Stop it so that it does not start again (systemctl disable --now secnode), then add --i-stopped-it. If you cannot be sure, use --by-chain.',
          },
        )
      }
      if ((flags.history === undefined) === (flags.historyLost === undefined)) {
        throw new SecnodeError(
          'TAKEOVER_HISTORY',
          'say what the other daemon signed: --history FILE or --history-lost',
          {
            exitCode: 2,
            hint: 'On the other machine: secnode history export --config FILE -o FILE.',
          },
        )
      }
      const history =
        flags.history === undefined
          ? null
          : await readTextInput(flags.history, { maxCharacters: maxHistoryBytes, signal: io.signal })
      const body = JSON.stringify({ history })
      const answer = await askRunning(
        resolve(flags.dir ?? 'data'),
        '/takeover',
        TakeoverAnswer,
        io.signal,
        body,
      )
      if (flags.json === true) printJson(io, answer)
      else io.stdout(textOf(answer))
    })

/** The announcement of the standby's own key, which is made if it is not there yet. */
const takeOverByChain = async (io: CliIo, flags: TakeoverFlags): Promise<void> => {
  const { config: configFile, dir, iStoppedIt, history, historyLost } = flags
  if ([dir, iStoppedIt, history, historyLost].some((flag) => flag !== undefined)) {
    throw usage('--by-chain needs no word, no history and no running node: give it --config alone')
  }
  if (configFile === undefined)
    throw usage('--by-chain needs --config FILE, the configuration of the standby')
  const config = await loadConfig(configFile)
  const network = await loadNetwork(config.profile)
  const seatKeys = await loadNodeKeyFile(config.keys)
  await makeDirectory(config.dir)
  const keys = await standbyKeysOf(config.dir, seatKeys, realWorld())
  await announceOne(io, network, config, keys, { ...flags, config: configFile }, byChainWords)
}

const byChainWords = {
  command: 'takeover --by-chain',
  next:
    'The output that holds the stake today may be spent by this very transaction, and by no other before it.\n' +
    'Keep `secnode start --standby` running here: in the second epoch after the one in which it is mined this node is the\n' +
    'seat, and the other one signs nothing any more, wherever it is. The name must lead here by then.\n' +
    lockIt,
}

const usage = (message: string): SecnodeError => new SecnodeError('USAGE', message, { exitCode: 2 })

const textOf = ({ seat, history, fromEpoch }: TakeoverAnswer): string =>
  [
    ...(history === null ? [] : [`taken in: ${summaryText(history)}`]),
    `seat ${seat}: waiting until it was silent for one whole epoch; this node will sign from epoch ${fromEpoch} on at the earliest`,
    'Two running daemons with the same keys lose the week: keep the other one stopped.',
    '',
  ].join('\n')
