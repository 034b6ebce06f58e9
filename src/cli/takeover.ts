import { resolve } from 'node:path'
import { Command } from 'commander'
import { SecnodeError } from '../errors.ts'
import { maxHistoryBytes } from '../node/history.ts'
import type { TakeoverAnswer } from '../node/takeover-routes.ts'
import { summaryText } from './history-import.ts'
import { type CliIo, printJson } from './io.ts'
import { askRunning } from './running-daemon.ts'
import { readTextInput } from './text-input.ts'

interface TakeoverFlags {
  dir: string
  iStoppedIt?: true
  history?: string
  historyLost?: true
  json?: true
}

/** `secnode takeover`: the operator's word that the other daemon of this seat is stopped. */
export const takeoverCommand = (io: CliIo): Command =>
  new Command('takeover')
    .description('go on as the seat: on a standby, or on a node that has stopped signing')
    .option('--dir <dir>', 'data directory of the running node', 'data')
    .option('--i-stopped-it', 'the other daemon with these keys is stopped, and will not start again')
    .option(
      '--history <file>',
      'what `secnode history export` wrote on the other machine; - for standard input',
    )
    .option('--history-lost', 'there is no such file: the other disk is gone')
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
Two running daemons with the same keys lose the week. No node can see that another one is stopped: a network that is cut in
two looks the same. So it needs your word, and nothing is ever taken over without it.

After it the node waits until the seat was silent for one whole epoch that it saw whole, and signs no epoch that opened
before. If it hears the seat after all, or a daemon answers at the announced address with its keys, it gives up and says
so. \`secnode status\` shows what it waits for. Then let the DNS name lead to this machine.

Examples:
  $ secnode takeover --i-stopped-it --history node7.history --dir /var/lib/secnode
  $ secnode takeover --i-stopped-it --history-lost`,
    )
    .action(async (flags: TakeoverFlags) => {
      if (flags.iStoppedIt !== true) {
        throw new SecnodeError(
          'TAKEOVER_WORD',
          'a takeover needs your word that the other daemon is stopped',
          {
            exitCode: 2,
            hint: 'Stop it so that it does not start again (systemctl disable --now secnode), then add --i-stopped-it.',
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
      const answer = await askRunning<TakeoverAnswer>(resolve(flags.dir), '/takeover', io.signal, body)
      if (flags.json === true) printJson(io, answer)
      else io.stdout(textOf(answer))
    })

const textOf = ({ seat, history, fromEpoch }: TakeoverAnswer): string =>
  [
    ...(history === null ? [] : [`taken in: ${summaryText(history)}`]),
    `seat ${seat}: waiting until it was silent for one whole epoch; this node will sign from epoch ${fromEpoch} on at the earliest`,
    'Two running daemons with the same keys lose the week: keep the other one stopped.',
    '',
  ].join('\n')
