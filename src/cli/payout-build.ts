import { Command } from 'commander'
import { dustLimit, type PayoutPlan } from '../../protocol/index.ts'
import { loadNetwork } from '../service/load-network.ts'
import { hashText } from '../chain-node/rpc/values.ts'
import { type BuiltPayout, buildPayout } from '../payout/build.ts'
import type { PayoutFile } from '../payout/payout-file.ts'
import { type Outpoint, txidOf } from '../payout/transactions.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'
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

interface BuildOptions extends PayoutOptions, RpcOptions {
  tally: string
  out: string
  redeemScript?: Uint8Array
  coin?: Outpoint[]
  replace?: true
}

/** `secnode payout build`: the unsigned transactions of a week. */
export const payoutBuildCommand = (io: CliIo): Command =>
  withPayoutOptions(withRpcOptions(new Command('build')))
    .description('make the unsigned transactions that pay a week')
    .requiredOption('--tally <file>', 'the week, as `secnode tally --json` prints it')
    .requiredOption('--out <file>', 'write the payout there')
    .option('--redeem-script <hex>', 'of a treasury that is P2SH', parseScriptHex)
    .option(
      '--coin <txid:index>',
      'a coin to spend, instead of asking the node for all; may be repeated',
      collectOutpoints,
    )
    .option('--replace', 'build although the memory pool has a payout already; only one can be mined')
    .addHelpText(
      'after',
      `
The payer is whoever owns the thread that the profile names; nothing of it is spent but its coins and the thread output.
A week that is marked on the thread is never built again; a series that broke off is continued.
Exit code 0: built, or nothing is due; 1: refused; 3: not payable yet, or coins are missing.

Example:
  $ secnode tally --week 2026-W47 --json > tally.json
  $ secnode payout build --profile zcash-testnet --rpc http://127.0.0.1:18232 --tally tally.json --out payout.json
  week 2026-W47  anchor in block 4211203  digest 5c1f…
  1204 payees get 812.55000000 in 2 transactions`,
    )
    .action(async (options: BuildOptions) => {
      const network = await loadNetwork(options.profile)
      const tally = await readTallyFile(options.tally, io.signal)
      await using rpc = openRpcClient(options, realWorld())
      const built = await buildPayout({
        node: payoutNode(io, network, rpc, options),
        tally,
        redeemScript: options.redeemScript ?? null,
        coins: options.coin ?? null,
        replaces: options.replace === true,
      })
      if (built.file !== null) await writePayoutFile(options.out, built.file, network)
      const rows = built.file === null ? [] : rowsOf(built.file)
      if (options.json === true) printJson(io, toJson(built, rows, options.out))
      else io.stdout(toText(built, rows, options.out))
    })

interface TransactionRow {
  /** Zcash: it stands; ZEN: it changes with the signatures. */
  txid: string
  inputs: number
  outputs: number
  /** Base units. */
  fee: string
}

export const rowsOf = ({ drafts }: PayoutFile): TransactionRow[] =>
  drafts.map(({ fields, spent }) => {
    const total = (outputs: readonly { value: bigint }[]): bigint =>
      outputs.reduce((sum, { value }) => sum + value, 0n)
    return {
      txid: hashText(txidOf(fields)),
      inputs: fields.inputs.length,
      outputs: fields.outputs.length,
      fee: (total(spent) - total(fields.outputs)).toString(),
    }
  })

const leftOutJson = ({ leftOut }: PayoutPlan) =>
  leftOut.map(({ seat, amount, why }) => ({ seat, amount: amount.toString(), why }))

const toJson = ({ plan, file, firstPart }: BuiltPayout, rows: readonly TransactionRow[], path: string) => ({
  week: plan.week,
  digest: plan.digest,
  anchor: plan.anchor,
  total: plan.total.toString(),
  payees: payeesOf(plan),
  parts: plan.transactions.length,
  firstPart,
  leftOut: leftOutJson(plan),
  transactions: rows,
  file: file === null ? null : path,
})

const payeesOf = ({ transactions }: PayoutPlan): number =>
  transactions.reduce((sum, { payees }) => sum + payees.length, 0)

const toText = (
  { plan, file, firstPart }: BuiltPayout,
  rows: readonly TransactionRow[],
  path: string,
): string => {
  const count = plan.transactions.length
  const fees = rows.reduce((sum, { fee }) => sum + BigInt(fee), 0n)
  const lines = [
    `week ${plan.week}  anchor in block ${plan.anchor.height}  digest ${plan.digest}`,
    `${payeesOf(plan)} payees get ${coins(plan.total.toString())} in ${count} ${count === 1 ? 'transaction' : 'transactions'}`,
    ...plan.leftOut.map(({ seat, amount, why }) => {
      const reason =
        why === 'dust'
          ? `below ${coins(dustLimit.toString())}, what paying and spending it costs`
          : 'it is the payer'
      return `seat ${seat} is left out: ${coins(amount.toString())}, ${reason}`
    }),
  ]
  if (file === null) return `${[...lines, 'nothing is due, nothing was written'].join('\n')}\n`
  if (firstPart > 1)
    lines.push(`parts 1 to ${firstPart - 1} are on the thread; this continues with part ${firstPart}`)
  for (const [i, { txid, inputs, outputs, fee }] of rows.entries()) {
    lines.push(
      `part ${firstPart + i} of ${count}: ${inputs} inputs, ${outputs} outputs, fee ${coins(fee)}${file.format.family === 'zcash' ? `, txid ${txid}` : ''}`,
    )
  }
  return `${[...lines, `fees ${coins(fees.toString())}`, `written to ${path}; next, with this --profile and --rpc: secnode payout sign ${path} --tally TALLY --key KEY --out SIGNED`].join('\n')}\n`
}
