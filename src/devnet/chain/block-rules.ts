import { equalBytes } from '../../../protocol/index.ts'
import type { Block, Transaction } from '../../chain/formats/types.ts'
import type { Coin } from './coin.ts'
import { type CoinView, coinsOf, nullifierKeys, outpointKey } from './coins.ts'
import { commitmentOf } from './block-commitment.ts'
import { encodeCoinbaseHeight } from './coinbase.ts'
import { isUpgradeActive, maxMoney, regtestBits } from './parameters.ts'
import { invalid, type Rejection } from './rejection.ts'
import type { RuleContext } from './rule-context.ts'
import { checkSpends, checkTransaction } from './transaction-rules.ts'

/** What needs no coins. `context` is that of the block itself. Form and merkle root were checked before. */
export const checkBlock = (block: Block, context: RuleContext): Rejection | null => {
  const { header, transactions } = block
  const [coinbase, ...others] = transactions
  if (header.version < 4) return invalid('bad-version')
  // ZEN's blocks of version 3 carry sidechain certificates, which the embedded chain does not have.
  if (block.certificates.length > 0) return invalid('bad-sc-cert')
  if (header.bits !== regtestBits) return invalid('bad-diffbits')
  if (header.time <= context.medianTime) return invalid('time-too-old')
  if (coinbase === undefined || !coinbase.isCoinbase) return invalid('bad-cb-missing')
  if (others.some((transaction) => transaction.isCoinbase)) return invalid('bad-cb-multiple')
  if (!startsWith(coinbase.inputs[0]!.script, encodeCoinbaseHeight(context.height)))
    return invalid('bad-cb-height')
  if (!equalBytes(header.commitment, commitmentOf(context.parameters, context.height, transactions)))
    return invalid('bad-block-commitments-hash')
  // Since NU5 (ZIP 203) the coinbase expires at its own height, so that its txid is unique.
  if (
    isUpgradeActive(context.parameters, 'NU5', context.height) &&
    coinbase.expiryHeight !== context.height
  ) {
    return invalid('bad-cb-expiry-height')
  }
  return null
}

/** Everything else, transaction by transaction, on the state before the block. */
export const checkBlockSpends = (block: Block, coins: CoinView, context: RuleContext): Rejection | null => {
  const view = createBlockView(coins)
  let fees = 0n
  for (const [position, transaction] of block.transactions.entries()) {
    const rejection = checkTransaction(transaction, context)
    if (rejection !== null) return rejection
    if (transaction.isCoinbase) {
      view.add(transaction, context.height, position)
      continue
    }
    const verdict = checkSpends(transaction, view, context)
    if (verdict.is === 'reject') return verdict.rejection
    fees += verdict.fee
    view.add(transaction, context.height, position)
  }
  return checkCoinbase(block.transactions[0]!, fees, context)
}

const checkCoinbase = (
  coinbase: Transaction,
  fees: bigint,
  { parameters }: RuleContext,
): Rejection | null => {
  const { treasury, minerReward, family } = parameters
  const shielded = -(
    coinbase.saplingValueBalance +
    (coinbase.orchard?.valueBalance ?? 0n) +
    (coinbase.ironwood?.valueBalance ?? 0n)
  )
  const paid = coinbase.outputs.reduce((sum, { value }) => sum + value, shielded)
  if (paid > minerReward + (treasury?.amountPerBlock ?? 0n) + fees || paid > maxMoney)
    return invalid('bad-cb-amount')
  if (treasury === null || treasury.amountPerBlock === 0n) return null
  const paysTreasury = coinbase.outputs.some(
    ({ value, script }) => value === treasury.amountPerBlock && equalBytes(script, treasury.script),
  )
  if (paysTreasury) return null
  return invalid(family === 'zen' ? 'cb-no-community-fund' : 'cb-funding-stream-missing')
}

/** The chain with the transactions of one block so far on top. */
const createBlockView = (
  below: CoinView,
): CoinView & { add(transaction: Transaction, height: number, position: number): void } => {
  const made = new Map<string, Coin>()
  const spent = new Set<string>()
  const nullifiers = new Set<string>()
  return {
    coin: (outpoint) => (spent.has(outpoint) ? undefined : (made.get(outpoint) ?? below.coin(outpoint))),
    hasNullifier: (nullifier) => nullifiers.has(nullifier) || below.hasNullifier(nullifier),
    add: (transaction, height, position) => {
      for (const input of transaction.inputs) spent.add(outpointKey(input.previousTxid, input.previousIndex))
      for (const nullifier of nullifierKeys(transaction)) nullifiers.add(nullifier)
      for (const coin of coinsOf(transaction, height, position))
        made.set(outpointKey(coin.txid, coin.index), coin)
    },
  }
}

const startsWith = (bytes: Uint8Array, head: Uint8Array): boolean =>
  equalBytes(bytes.subarray(0, head.length), head)
