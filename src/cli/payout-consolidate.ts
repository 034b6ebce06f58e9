import { Command } from 'commander'
import { loadNetwork } from '../service/load-network.ts'
import { consolidateCoins } from '../payout/consolidate.ts'
import type { Outpoint } from '../payout/transactions.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'
import { rowsOf } from './payout-build.ts'
import { readTallyFile, writePayoutFile } from './payout-files.ts'
import {
  collectOutpoints,
  parseScriptHex,
  payoutNode,
  type PayoutOptions,
  withPayoutOptions,
} from './payout-options.ts'
import { openRpcClient, type RpcOptions, withRpcOptions } from './rpc-options.ts'
import { coins } from './week-table.ts'

interface ConsolidateOptions extends PayoutOptions, RpcOptions {
  tally: string
  out: string
  redeemScript?: Uint8Array
  coin?: Outpoint[]
}

/** `secnode payout consolidate`: joins the payer's small coins. */
export const payoutConsolidateCommand = (io: CliIo): Command =>
  withPayoutOptions(withRpcOptions(new Command('consolidate')))
    .description("join the payer's coins, 50 at a time, when a payout would need more inputs than that")
    .requiredOption('--tally <file>', 'the week that is to be paid: it says which thread, and so who pays')
    .requiredOption('--out <file>', 'write the transactions there')
    .option('--redeem-script <hex>', 'of a treasury that is P2SH', parseScriptHex)
    .option(
      '--coin <txid:index>',
      'a coin to join, instead of asking the node for all; may be repeated',
      collectOutpoints,
    )
    .addHelpText(
      'after',
      `
All that is spent goes back to the payer, less the fee; thread outputs are not touched. Sign and send the file like a
payout, wait until it is confirmed, then build the payout.

Example:
  $ secnode payout consolidate --profile zcash-testnet --rpc http://127.0.0.1:18232 --tally tally.json --out join.json
  120 coins become 3, fees 0.00600000`,
    )
    .action(async (options: ConsolidateOptions) => {
      const network = await loadNetwork(options.profile)
      const tally = await readTallyFile(options.tally, io.signal)
      await using rpc = openRpcClient(options, realWorld())
      const file = await consolidateCoins({
        node: payoutNode(io, network, rpc, options),
        week: tally.document.week,
        redeemScript: options.redeemScript ?? null,
        coins: options.coin ?? null,
      })
      await writePayoutFile(options.out, file, network)
      const rows = rowsOf(file)
      const joined = rows.reduce((sum, { inputs }) => sum + inputs, 0)
      const fees = rows.reduce((sum, { fee }) => sum + BigInt(fee), 0n).toString()
      if (options.json === true) printJson(io, { joined, transactions: rows, file: options.out })
      else {
        io.stdout(
          `${joined} coins become ${rows.length}, fees ${coins(fees)}\n` +
            `written to ${options.out}; next, with this --profile and --rpc: secnode payout sign ${options.out} --key KEY --out SIGNED\n`,
        )
      }
    })
