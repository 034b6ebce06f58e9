import { Command } from 'commander'
import { reversedHex } from '../../protocol/index.ts'
import { encodeAddress } from '../chain/address.ts'
import type { Network } from '../chain/profiles.ts'
import { loadNetwork } from '../service/load-network.ts'
import type { BesidePayment } from '../payout/beside.ts'
import { verifyPayout, type VerifiedPayout } from '../payout/verify.ts'
import { realWorld } from '../world.ts'
import { readHexInput } from './hex-input.ts'
import { type CliIo, printJson } from './io.ts'
import { readTallyFile } from './payout-files.ts'
import { payoutNode, type PayoutOptions, withPayoutOptions } from './payout-options.ts'
import { openRpcClient, type RpcOptions, withOptionalRpc } from './rpc-options.ts'
import { coins } from './week-table.ts'

interface VerifyOptions extends PayoutOptions, Omit<RpcOptions, 'rpc'> {
  rpc?: string
  tally: string
}

/** `secnode payout verify`: what was paid against the tally. */
export const payoutVerifyCommand = (io: CliIo): Command =>
  withPayoutOptions(withOptionalRpc(new Command('verify'), 'to follow the thread on'))
    .description('compare what was paid for a week with its tally')
    .argument(
      '[transactions...]',
      'txids, or files with the hex of transactions; none: what the thread has for the week',
    )
    .requiredOption('--tally <file>', 'the week, as `secnode tally --json` prints it')
    .addHelpText(
      'after',
      `
Compares by script template, hash160 and amount: exact, short, over, missing, duplicated, stranger; and whether each
transaction has the right marker and is on the thread. Without --rpc the thread cannot be followed: transactions given
as files are then only checked against one another.
With a node that has an index of addresses it also lists what the payer's coins have paid since the anchor beside the
threads of the profile (joined coins are no payment).
Exit code 0: all is as the tally says; 1: it is not, or a transaction beside the thread marks the week; 3: data is missing.

Example:
  $ secnode payout verify --profile zcash-testnet --rpc http://127.0.0.1:18232 --tally tally.json
  week 2026-W47: 1204 of 1204 payees exact, paid 812.55000000 of 812.55000000
  match`,
    )
    .action(async (given: string[], options: VerifyOptions) => {
      const network = await loadNetwork(options.profile)
      const tally = await readTallyFile(options.tally, io.signal)
      const txids = given.filter((each) => txidPattern.test(each))
      const raw = []
      for (const path of given) {
        if (!txidPattern.test(path)) raw.push(await readHexInput(path, io.signal))
      }
      await using rpc =
        options.rpc === undefined ? null : openRpcClient({ ...options, rpc: options.rpc }, realWorld())
      const verified = await verifyPayout({
        network,
        tally,
        node: rpc === null ? null : payoutNode(io, network, rpc, options),
        txids: txids.map((txid) => new Uint8Array(Buffer.from(txid, 'hex').reverse())),
        raw,
      })
      if (options.json === true) printJson(io, toJson(verified, network))
      else io.stdout(toText(verified, network))
      io.setExitCode(verified.comparison.isMatch && !isPaidBeside(verified) ? 0 : 1)
    })

const txidPattern = /^[0-9a-f]{64}$/

/** A spend of the payer's that marks the week is a second payment of it, wherever it stands. */
const isPaidBeside = ({ plan, beside }: VerifiedPayout): boolean =>
  beside?.some(({ marker }) => marker?.week === plan.week) === true

const toJson = (
  { plan, comparison, isThreadChecked, beside, unmarked }: VerifiedPayout,
  network: Network,
) => ({
  week: plan.week,
  digest: plan.digest,
  isMatch: comparison.isMatch,
  isThreadChecked,
  due: comparison.due.toString(),
  paid: comparison.paid.toString(),
  payees: comparison.payees.map(({ seat, stake, due, paid, outputs, txids, state }) => ({
    seat,
    stake: encodeAddress(network.profile.genesis.chain, { kind: 'p2pkh', hash160: stake }),
    due: due.toString(),
    paid: paid.toString(),
    outputs,
    txids: txids.map(reversedHex),
    state,
  })),
  strangers: strangersOf(comparison, network),
  transactions: comparison.transactions.map(({ txid, marker, faults }) => ({
    txid: reversedHex(txid),
    part: marker?.part ?? null,
    faults,
  })),
  missingParts: comparison.missingParts,
  beside:
    beside?.map(({ txid, marker, seats, toSeats, toOthers, isOpaque }) => ({
      txid: reversedHex(txid),
      week: marker?.week ?? null,
      seats,
      toSeats: toSeats.toString(),
      toOthers: toOthers.toString(),
      isOpaque,
    })) ?? null,
  unmarked: unmarked.map(reversedHex),
})

const strangersOf = ({ strangers }: VerifiedPayout['comparison'], { profile }: Network) =>
  strangers.map(({ txid, index, value, to }) => ({
    txid: reversedHex(txid),
    index,
    amount: value.toString(),
    address: to.kind === 'p2pkh' || to.kind === 'p2sh' ? encodeAddress(profile.genesis.chain, to) : null,
  }))

const toText = (verified: VerifiedPayout, network: Network): string => {
  const { plan, comparison, isThreadChecked, beside, unmarked } = verified
  const exact = comparison.payees.filter(({ state }) => state === 'exact').length
  const lines = [
    `week ${plan.week}: ${exact} of ${comparison.payees.length} payees exact, ` +
      `paid ${coins(comparison.paid.toString())} of ${coins(comparison.due.toString())}`,
  ]
  for (const { seat, due, paid, state } of comparison.payees) {
    if (state === 'exact') continue
    lines.push(`seat ${seat}: ${state}, paid ${coins(paid.toString())} of ${coins(due.toString())}`)
  }
  for (const { txid, index, amount, address } of strangersOf(comparison, network)) {
    lines.push(`stranger: ${coins(amount)} to ${address ?? 'no address'} (${txid}:${index})`)
  }
  for (const { txid, faults } of comparison.transactions) {
    for (const fault of faults) lines.push(`transaction ${reversedHex(txid)}: ${fault}`)
  }
  if (comparison.missingParts.length > 0) {
    lines.push(`missing: part ${comparison.missingParts.join(', ')} of ${plan.transactions.length}`)
  }
  for (const txid of unmarked) lines.push(`on the thread, but says no week: ${reversedHex(txid)}`)
  for (const payment of beside ?? []) lines.push(besideText(payment))
  if (!isThreadChecked) lines.push('the thread was not followed: no --rpc')
  else if (beside === null) {
    lines.push('payments beside the thread were not looked for: the node has no index of addresses')
  }
  if (comparison.isMatch && isPaidBeside(verified)) lines.push('match on the thread, PAID BESIDE IT TOO')
  else lines.push(comparison.isMatch ? 'match' : 'NO MATCH')
  return `${lines.join('\n')}\n`
}

const besideText = ({ txid, marker, seats, toSeats, toOthers, isOpaque }: BesidePayment): string => {
  const marked = marker === null ? '' : `, marked ${marker.week} ${marker.part}/${marker.parts},`
  const paid = `${coins(toSeats.toString())} to seats of the week (${seats.length}), ${coins(toOthers.toString())} to others`
  const hidden = isOpaque ? ', and perhaps more out of sight' : ''
  return `beside the thread: ${reversedHex(txid)}${marked} pays ${paid}${hidden}`
}
