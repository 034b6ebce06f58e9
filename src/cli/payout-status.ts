import { Command } from 'commander'
import { loadNetwork } from '../service/load-network.ts'
import { payoutStatus, type PayoutStatus, type WeekStatus } from '../payout/status.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'
import { readTallyFile } from './payout-files.ts'
import { payoutNode, type PayoutOptions, withPayoutOptions } from './payout-options.ts'
import { openRpcClient, type RpcOptions, withRpcOptions } from './rpc-options.ts'
import { coins, formatTable } from './week-table.ts'

interface StatusOptions extends PayoutOptions, RpcOptions {
  tally?: string[]
}

/** `secnode payout status`: all weeks that are marked on the thread. */
export const payoutStatusCommand = (io: CliIo): Command =>
  withPayoutOptions(withRpcOptions(new Command('status')))
    .description('list the weeks that were paid, and what is due of those whose tallies are given')
    .option('--tally <files...>', 'weeks to compare with, as `secnode tally --json` prints them')
    .addHelpText(
      'after',
      `
Exit code 0: all weeks given are paid as their tallies say, or nothing is due; 1: one is not.

Example:
  $ secnode payout status --profile zcash-testnet --rpc http://127.0.0.1:18232 --tally w46.json w47.json
  week      state     payout  due           paid          difference     transactions
  2026-W46  anchored  paid    812.55000000  812.55000000  0.00000000                2
  2026-W47  anchored  unpaid  799.10000000  0.00000000    -799.10000000             0
  thread from 2026-W40: 12 payouts, stands at 04aa…:0`,
    )
    .action(async (options: StatusOptions) => {
      const network = await loadNetwork(options.profile)
      const tallies = []
      for (const path of options.tally ?? []) tallies.push(await readTallyFile(path, io.signal))
      await using rpc = openRpcClient(options, realWorld())
      const status = await payoutStatus(payoutNode(io, network, rpc, options), tallies)
      if (options.json === true) printJson(io, toJson(status))
      else io.stdout(toText(status))
      const isSettled = status.weeks.every(
        ({ tallyState, payout }) => tallyState === null || payout === 'paid' || payout === 'not due',
      )
      io.setExitCode(isSettled ? 0 : 1)
    })

const toJson = ({ weeks, threads }: PayoutStatus) => ({
  weeks: weeks.map(({ due, paid, difference, ...week }) => ({
    ...week,
    due: due?.toString() ?? null,
    paid: paid.toString(),
    difference: difference?.toString() ?? null,
  })),
  threads,
})

const head = ['week', 'state', 'payout', 'due', 'paid', 'difference', 'transactions'] as const

const toText = ({ weeks, threads }: PayoutStatus): string => {
  const lines = threads.flatMap(({ from, payouts, tip, unmarked }) => [
    `thread from ${from}: ${payouts} payouts, ${tip === null ? 'CUT: something that is no payout spent it' : `stands at ${tip}`}`,
    ...unmarked.map((txid) => `  says no week: ${txid}`),
  ])
  return `${formatTable(head, weeks.map(rowOf), new Set([3, 4, 5, 6]))}${lines.join('\n')}\n`
}

const rowOf = ({ week, tallyState, payout, due, paid, difference, txids }: WeekStatus): string[] => [
  week,
  tallyState ?? '',
  payout,
  due === null ? '' : coins(due.toString()),
  coins(paid.toString()),
  difference === null ? '' : signedCoins(difference),
  String(txids.length),
]

const signedCoins = (amount: bigint): string =>
  amount < 0n ? `-${coins((-amount).toString())}` : coins(amount.toString())
