import {
  comparePayout,
  type DigestedTally,
  equalBytes,
  hexToBytes,
  type Height,
  type Payer,
  type PayoutComparison,
  type PayoutPlan,
  type PayoutTransaction,
  stakeOfAddress,
  stepsOfWeek,
  type Thread,
} from '../../protocol/index.ts'
import { ChainFormatError } from '../chain/formats/reader.ts'
import { parseTransaction } from '../chain/formats/transaction.ts'
import type { Network } from '../chain/profiles.ts'
import { getRawTransaction } from '../chain-node/rpc/methods.ts'
import { hashText } from '../chain-node/rpc/values.ts'
import { SecnodeError } from '../errors.ts'
import { type BesidePayment, paymentsBeside } from './beside.ts'
import { checkAnchorBlock } from './build.ts'
import { planOf } from './check-file.ts'
import { type PayoutNode, readThreadOfWeek } from './threads.ts'
import { payoutTransactionOf } from './transactions.ts'

export interface VerifyRequest {
  network: Network
  tally: DigestedTally
  /** Null to judge raw transactions without a chain. */
  node: PayoutNode | null
  /** Internal byte order; the node is asked for them. */
  txids: readonly Uint8Array[]
  /** Serialised transactions. */
  raw: readonly Uint8Array[]
}

export interface VerifiedPayout {
  plan: PayoutPlan
  comparison: PayoutComparison
  /** True if the thread was followed on a chain; else transactions were only checked against one another. */
  isThreadChecked: boolean
  /** What the payer's coins paid beside all threads since the anchor; null if nobody could look. */
  beside: readonly BesidePayment[] | null
  /** Transactions of the thread whose marker cannot be read: nobody can say which week they pay. */
  unmarked: readonly Uint8Array[]
  tipHeight: Height | null
}

/**
 * R-PAY-4: what was paid for a week against its tally. Judges the transactions that are given, or, if there are none,
 * those that mark the week on its thread. Errors: PAYOUT_NO_NODE, PAYOUT_TX_UNKNOWN, PAYOUT_TX_FORM, PAYOUT_OTHER_CHAIN,
 * and those of `planOf` and `readThread`.
 */
export const verifyPayout = async (request: VerifyRequest): Promise<VerifiedPayout> => {
  const { network, tally, node, txids, raw } = request
  if (node === null && (txids.length > 0 || raw.length === 0)) {
    throw new SecnodeError('PAYOUT_NO_NODE', 'a chain node is needed to find transactions', {
      hint: 'Name it with --rpc <url>, or give the transactions as files of hex.',
      exitCode: 2,
    })
  }
  const given = raw.map((bytes) => readRaw(bytes, network))
  const chain = node === null ? null : await readThreadOfWeek(node, tally.document.week)
  if (node !== null) {
    for (const txid of txids) given.push(await fetchTransaction(node, txid))
  }
  const payer = chain?.payer ?? payerOfGiven(given)
  const plan = planOf(network, tally, { payer }, null)
  if (node !== null) await checkAnchorBlock(node, plan)
  const stakes = stakesOf(network, tally)
  const found = chain === null ? [] : stepsOfWeek(chain.thread, plan.week).map((step) => step.transaction)
  const beside =
    node === null || chain === null ? null : await paymentsBeside(node, chain, plan.anchor.height, stakes)
  return {
    plan,
    comparison: comparePayout({
      plan,
      stakes,
      payer,
      transactions: given.length > 0 ? given : found,
      thread: chain?.thread ?? null,
    }),
    isThreadChecked: chain !== null,
    beside,
    unmarked: chain === null ? [] : unmarkedOf(chain.thread),
    tipHeight: chain?.tipHeight ?? null,
  }
}

export const stakesOf = ({ profile }: Network, { document }: DigestedTally) =>
  document.seats.flatMap((row) => {
    const stake = stakeOfAddress(profile.genesis.chain, row.stake)
    return stake === null ? [] : [{ seat: row.seat, stake }]
  })

export const unmarkedOf = ({ steps }: Thread): Uint8Array[] =>
  steps.filter(({ marker }) => marker === null).map(({ transaction }) => transaction.txid)

const readRaw = (bytes: Uint8Array, { facts }: Network): PayoutTransaction => {
  try {
    return payoutTransactionOf(parseTransaction(bytes, facts.family))
  } catch (error) {
    if (!(error instanceof ChainFormatError)) throw error
    throw new SecnodeError('PAYOUT_TX_FORM', `this is no ${facts.family} transaction: ${error.message}`, {
      hint: 'Give what `getrawtransaction <txid>` prints.',
      cause: error,
      exitCode: 2,
    })
  }
}

const fetchTransaction = async (
  { network, rpc, signal }: PayoutNode,
  txid: Uint8Array,
): Promise<PayoutTransaction> => {
  const bytes = await getRawTransaction(rpc, txid, { signal })
  const transaction = bytes === null ? null : readRaw(bytes, network)
  if (transaction !== null && equalBytes(transaction.txid, txid)) return transaction
  throw new SecnodeError('PAYOUT_TX_UNKNOWN', `the node does not know transaction ${hashText(txid)}`, {
    hint: 'Ask one with -txindex, or give the transaction as a file of hex.',
    exitCode: 3,
  })
}

/** Without a chain the thread output that the first of them makes says who pays. */
const payerOfGiven = ([first]: readonly PayoutTransaction[]): Payer => {
  const to = first?.outputs[0]?.to
  if (to?.kind === 'p2pkh' || to?.kind === 'p2sh') return to
  // Nobody's address: everything it pays is then looked at as a payment.
  return { kind: 'p2sh', hash160: hexToBytes('00'.repeat(20)) }
}
