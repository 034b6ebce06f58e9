import {
  type DigestedTally,
  type Height,
  outpointText,
  plannedOutputs,
  type PayoutPlan,
  remainingOf,
  reversedHex,
  signedInputBytes,
} from '../../protocol/index.ts'
import type { BlockReference } from '../chain/formats/script.ts'
import { serializeTransaction } from '../chain/formats/transaction.ts'
import { getBlockchainInfo, getBlockCount, getBlockHash, getTxOut } from '../chain-node/rpc/methods.ts'
import { hashText } from '../chain-node/rpc/values.ts'
import { SecnodeError } from '../errors.ts'
import type { ChainThread } from './chain-thread.ts'
import { checkPayoutFile, freezeHeightOf, planOf } from './check-file.ts'
import { chooseInputs, type Coin, coinKey, consolidationNeeded, spendableCoins } from './coins.ts'
import { type PayerAccount, payerAccountOf } from './payer.ts'
import type { Draft, PayoutFile } from './payout-file.ts'
import { type PayoutNode, readThreadOfWeek, reservedOutputs } from './threads.ts'
import { type Outpoint, type PayoutFormat, txidOf, unsignedTransaction } from './transactions.ts'

export interface BuildRequest {
  node: PayoutNode
  tally: DigestedTally
  /** Of a payer that is P2SH. */
  redeemScript: Uint8Array | null
  /** Coins named by hand; null to ask the node's index of addresses. */
  coins: readonly Outpoint[] | null
  /** Build although something in the memory pool spends the thread already; only one of the two can be mined. */
  replaces: boolean
}

export interface BuiltPayout {
  plan: PayoutPlan
  /** Null if nothing is due. */
  file: PayoutFile | null
  /** Part of the plan with which the file begins; those before it are on the thread. */
  firstPart: number
}

/**
 * R-PAY-3: the unsigned transactions of what is left of a week's payout. Errors: PAYOUT_PAID and PAYOUT_MARKED (never
 * built again), PAYOUT_WAITING (in the memory pool), PAYOUT_THREAD_CUT, PAYOUT_OTHER_CHAIN, PAYOUT_BRANCH, and those of
 * `planOf`, `readThread`, `spendableCoins` and `chooseInputs`.
 */
export const buildPayout = async (request: BuildRequest): Promise<BuiltPayout> => {
  const { node, tally } = request
  const { network, rpc, signal } = node
  const { week } = tally.document
  const tipHeight = await getBlockCount(rpc, { signal })
  const chain = await readThreadOfWeek(node, week)
  const account = payerAccountOf(chain.payer, request.redeemScript)
  const plan = planOf(network, tally, account, tipHeight)
  await checkAnchorBlock(node, plan)
  if (plan.transactions.length === 0) return { plan, file: null, firstPart: 1 }
  const firstPart = firstPartToBuild(plan, chain)
  const thread = await unspentThread(node, chain, request.replaces)
  const format = await payoutFormatOf(node, freezeHeightOf(network, tally.document))
  const query = {
    network,
    rpc,
    payer: chain.payer,
    reserved: await reservedOutputs(node, chain),
    named: request.coins,
    signal,
  }
  const planned = plan.transactions.slice(firstPart - 1)
  const drafts = await draftPayouts(planned, account, format, thread, spendableCoins(query))
  const file: PayoutFile = {
    network: plan.network,
    payout: { week, digest: plan.digest, anchor: plan.anchor },
    account,
    format,
    drafts,
  }
  // What others will check of it must hold.
  checkPayoutFile(file, network, tally, tipHeight)
  return { plan, file, firstPart }
}

/** R-PAY-1: the plan names a block; it must be on the chain that pays. */
export const checkAnchorBlock = async (
  { rpc, signal }: Pick<PayoutNode, 'rpc' | 'signal'>,
  { anchor }: Pick<PayoutPlan, 'anchor'>,
): Promise<void> => {
  const hash = await getBlockHash(rpc, anchor.height, { signal })
  if (hash === null || reversedHex(hash) !== anchor.hash) {
    throw new SecnodeError(
      'PAYOUT_OTHER_CHAIN',
      `block ${anchor.height} of the node is not the one that has the tally's anchor`,
      {
        hint: 'Is the node on the right chain and in step? After a deep reorganisation, make the tally anew.',
      },
    )
  }
}

const firstPartToBuild = (plan: PayoutPlan, { thread }: ChainThread): number => {
  const remaining = remainingOf(plan, thread)
  if (remaining.is === 'open') return remaining.firstPart
  if (remaining.is === 'paid') {
    throw new SecnodeError(
      'PAYOUT_PAID',
      `week ${plan.week} is on the thread already: it is never built again`,
      {
        hint: 'Look at it with `secnode payout verify`.',
      },
    )
  }
  throw new SecnodeError(
    'PAYOUT_MARKED',
    `transaction ${hashText(remaining.by.txid)} marks week ${plan.week} on the thread, but not as this plan would: it is never built again`,
    { hint: 'Look at it with `secnode payout verify`; what is owed must be settled by hand.' },
  )
}

/** The thread output that the next payout spends. */
const unspentThread = async (
  { rpc, signal }: PayoutNode,
  { thread, tip }: ChainThread,
  replaces: boolean,
): Promise<Coin> => {
  if (tip === null) throw threadCut(thread)
  if (!replaces && (await getTxOut(rpc, tip.txid, tip.index, { signal })) === null) {
    throw new SecnodeError(
      'PAYOUT_WAITING',
      `something in the memory pool of the node spends the thread output ${outpointText(coinKey(tip))}`,
      {
        hint: 'Wait for a block. To build another payout in its place (only one of them can be mined), give --replace.',
      },
    )
  }
  return tip
}

export const threadCut = ({ cutBy }: ChainThread['thread']): SecnodeError =>
  new SecnodeError(
    'PAYOUT_THREAD_CUT',
    `the thread was cut by ${hashText(cutBy!.txid)}: it spends the thread output as another input than 0, or hands it to somebody else`,
    { hint: 'Publish a new start under `threads` in the profile, from the first week that is not paid.' },
  )

/** Before NU5 there was no version 5 (ZIP 252). */
const branchesBeforeNu5: ReadonlySet<number> = new Set([
  0, 0x5ba81b19, 0x76b809bb, 0x2bb40e60, 0xf5b9230b, 0xe9ff75a6,
])

/** Zcash: the branch of the next block (ZIP 200). ZEN: the block at `referenceHeight`. Errors: PAYOUT_BRANCH. */
export const payoutFormatOf = async (
  { network, rpc, signal }: Pick<PayoutNode, 'network' | 'rpc' | 'signal'>,
  referenceHeight: Height,
): Promise<PayoutFormat> => {
  const { family } = network.facts
  if (family === 'zen') {
    const hash = await getBlockHash(rpc, referenceHeight, { signal })
    if (hash === null) {
      throw new SecnodeError('PAYOUT_OTHER_CHAIN', `the node has no block ${referenceHeight} yet`, {
        exitCode: 3,
        hint: 'Wait until it is in step.',
      })
    }
    const reference: BlockReference = { height: referenceHeight, hash }
    return { family, branchId: null, reference }
  }
  const { consensus } = await getBlockchainInfo(rpc, { signal })
  const branchId = /^[0-9a-f]{8}$/.test(consensus?.nextblock ?? '') ? parseInt(consensus!.nextblock, 16) : 0
  if (branchesBeforeNu5.has(branchId)) {
    throw new SecnodeError(
      'PAYOUT_BRANCH',
      'the chain of the node has no transactions of version 5 yet (NU5)',
      {
        hint: 'Is the node in step with the network?',
        exitCode: 3,
      },
    )
  }
  return { family, branchId, reference: null }
}

/** zend: MAX_TX_SIZE. Zcash: a block. */
const maxTransactionBytes = { zcash: 2_000_000, zen: 100_000 } as const

/** Outpoint 36, empty script 1, sequence 4. */
const unsignedInputBytes = 41

/** One after the other: the change of each is the first coin of the next. */
const draftPayouts = async (
  planned: PayoutPlan['transactions'],
  account: PayerAccount,
  format: PayoutFormat,
  start: Coin,
  coins: AsyncGenerator<Coin, void, undefined>,
): Promise<Draft[]> => {
  const drafts: Draft[] = []
  let thread = start
  let change: Coin | null = null
  try {
    for (const part of planned) {
      const chosen = await chooseInputs(part, account, thread.output, withFirst(change, coins))
      const inputs: Coin[] = [thread, ...chosen.coins]
      const outputs = plannedOutputs(part, account.payer, chosen.change)
      const fields = unsignedTransaction(format, inputs, outputs)
      const txid = txidOf(fields)
      const signedBytes =
        serializeTransaction(fields).length +
        inputs.length * (signedInputBytes(account.spend) - unsignedInputBytes)
      if (signedBytes > maxTransactionBytes[format.family]) throw consolidationNeeded(part)
      drafts.push({ fields, spent: inputs.map(({ output }) => output) })
      thread = { txid, index: 0, output: fields.outputs[0]! }
      const last = fields.outputs.length - 1
      change = chosen.change > 0n ? { txid, index: last, output: fields.outputs[last]! } : null
    }
  } finally {
    await coins.return()
  }
  return drafts
}

const withFirst = (
  first: Coin | null,
  rest: AsyncIterator<Coin, void, undefined>,
): AsyncIterator<Coin, void, undefined> => {
  let waiting = first
  return {
    next: async () => {
      if (waiting === null) return rest.next()
      const value = waiting
      waiting = null
      return { done: false, value }
    },
  }
}
