import { dustLimit, type Height, maxPayoutInputs, payoutFee, type Week } from '../../protocol/index.ts'
import { getBlockCount } from '../chain-node/rpc/methods.ts'
import { SecnodeError } from '../errors.ts'
import { payoutFormatOf } from './build.ts'
import { checkConsolidation, maxJoins } from './check-file.ts'
import { type Coin, spendableCoins } from './coins.ts'
import { type PayerAccount, payerAccountOf } from './payer.ts'
import type { Draft, PayoutFile } from './payout-file.ts'
import { type PayoutNode, readThreadOfWeek, reservedOutputs } from './threads.ts'
import { type PayoutFormat, unsignedTransaction } from './transactions.ts'

export interface ConsolidateRequest {
  node: PayoutNode
  /** Names the thread, and so the payer. */
  week: Week
  redeemScript: Uint8Array | null
  coins: readonly { txid: Uint8Array; index: number }[] | null
}

/** CBH_DELTA_HEIGHT of zend: its own wallet refers to the block that is so far below the tip. */
const zenReferenceDepth = 300

/**
 * R-PAY-1: joins the payer's coins, `maxPayoutInputs` at a time, so that a payout needs no more inputs than that. The
 * thread is not touched. Errors: PAYOUT_NOTHING_TO_JOIN, and those of `readThread` and `spendableCoins`.
 */
export const consolidateCoins = async (request: ConsolidateRequest): Promise<PayoutFile> => {
  const { node, week } = request
  const { network, rpc, signal } = node
  const chain = await readThreadOfWeek(node, week)
  const { payer } = chain
  const account = payerAccountOf(payer, request.redeemScript)
  const reserved = await reservedOutputs(node, chain)
  const worthMore = leastCoin(account)
  const coins: Coin[] = []
  for await (const coin of spendableCoins({ network, rpc, payer, reserved, named: request.coins, signal })) {
    if (coin.output.value <= worthMore) break
    coins.push(coin)
    if (coins.length === maxJoins * maxPayoutInputs) break
  }
  const tipHeight: Height = await getBlockCount(rpc, { signal })
  const format = await payoutFormatOf(node, Math.max(0, tipHeight - zenReferenceDepth))
  const drafts: Draft[] = []
  for (let at = 0; at + 1 < coins.length; at += maxPayoutInputs) {
    const draft = joinCoins(coins.slice(at, at + maxPayoutInputs), account, format)
    if (draft !== null) drafts.push(draft)
  }
  if (drafts.length === 0) {
    throw new SecnodeError('PAYOUT_NOTHING_TO_JOIN', 'the payer has no two coins that are worth joining', {
      hint: 'Coins that are immature, or not confirmed deep enough, do not count.',
      exitCode: 3,
    })
  }
  const file: PayoutFile = { network: network.networkId, payout: null, account, format, drafts }
  checkConsolidation(file)
  return file
}

/** What spending one costs: smaller ones are left where they are. */
const leastCoin = ({ spend }: PayerAccount): bigint =>
  payoutFee(spend, maxPayoutInputs, []) / BigInt(maxPayoutInputs)

const joinCoins = (coins: readonly Coin[], account: PayerAccount, format: PayoutFormat): Draft | null => {
  const value =
    coins.reduce((sum, { output }) => sum + output.value, 0n) -
    payoutFee(account.spend, coins.length, [account.payer])
  if (value < dustLimit) return null
  return {
    fields: unsignedTransaction(format, coins, [{ value, to: account.payer }]),
    spent: coins.map(({ output }) => output),
  }
}
