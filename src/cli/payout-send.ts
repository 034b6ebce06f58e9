import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { isWeek, type Week } from '../../protocol/index.ts'
import { loadNetwork } from '../service/load-network.ts'
import { getBlockCount } from '../chain-node/rpc/methods.ts'
import { openStore } from '../store/open.ts'
import { checkPayoutFile } from '../payout/check-file.ts'
import { createOutbox } from '../payout/outbox.ts'
import { sendPayout } from '../payout/send.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'
import { readPayoutFile, readTallyFile } from './payout-files.ts'
import { payoutNode, type PayoutOptions, withPayoutOptions } from './payout-options.ts'
import { openRpcClient, type RpcOptions, withRpcOptions } from './rpc-options.ts'

interface SendOptions extends PayoutOptions, RpcOptions {
  dir: string
  tally?: string
  week?: Week
}

/** `secnode payout send`: broadcasts a signed payout, once. */
export const payoutSendCommand = (io: CliIo): Command =>
  withPayoutOptions(withRpcOptions(new Command('send')))
    .description('broadcast a signed payout; without a file, send again what was not mined yet')
    .argument('[file]', 'the signed payout')
    .requiredOption('--dir <directory>', 'where signed transactions are written down before they are sent')
    .option('--tally <file>', 'check the payout against this tally first')
    .option('--week <week>', 'without a file: this week only', parseWeek)
    .addHelpText(
      'after',
      `
May be run again at any time, after a crash too: the same bytes are sent again, and what is on the thread already is
passed over. Nothing can be paid twice: each payout spends the thread output that the one before it made. A file that says
something else of itself than its transactions do, or whose scripts are not those that \`sign\` writes, is not sent.
Exit code 0: the node has all of it; 1: refused, with the words of the node.

Example:
  $ secnode payout send payout-signed.json --profile zcash-testnet --rpc http://127.0.0.1:18232 --dir payouts
  2026-W47 1/2 sent 9f1c…
  2026-W47 2/2 sent 04aa…`,
    )
    .action(async (path: string | undefined, options: SendOptions) => {
      const network = await loadNetwork(options.profile)
      const file = path === undefined ? null : await readPayoutFile(path, network, io.signal)
      const tally = options.tally === undefined ? null : await readTallyFile(options.tally, io.signal)
      await using rpc = openRpcClient(options, realWorld())
      if (file !== null && tally !== null) {
        checkPayoutFile(file, network, tally, await getBlockCount(rpc, { signal: io.signal }))
      }
      await using store = await openStore({ directory: resolve(options.dir), networkId: network.networkId })
      const sent = await sendPayout({
        node: payoutNode(io, network, rpc, options),
        outbox: createOutbox(store, network.facts.family),
        file,
        ...(options.week === undefined ? {} : { week: options.week }),
        onSent: ({ week, part, parts, state, txid }) => {
          if (options.json !== true) io.stdout(`${week} ${part}/${parts} ${state} ${txid}\n`)
        },
      })
      if (options.json === true) printJson(io, sent)
      else if (file?.payout === null) io.stdout(`${file.drafts.length} transactions sent\n`)
    })

const parseWeek = (text: string): Week => {
  if (!isWeek(text)) throw new InvalidArgumentError('It must be a week like 2026-W47.')
  return text
}
