import {
  comparePayout,
  type DigestedTally,
  ownerOf,
  type Payer,
  remainingOf,
  type Thread,
  type ThreadStep,
  threadOfWeek,
  type Week,
} from '../../protocol/index.ts'
import type { Profile } from '../chain/profiles.ts'
import { hashText } from '../chain-node/rpc/values.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { type ChainThread, readThread } from './chain-thread.ts'
import { planOf } from './check-file.ts'
import { outpointOf, type PayoutNode } from './threads.ts'
import { stakesOf, unmarkedOf } from './verify.ts'

/**
 * `not due`: nothing is to be paid, or the week has no anchor yet. `differs`: what is on the chain is not what the tally
 * says. `unknown`: paid, but no tally was given to compare with.
 */
export type PayoutState = 'not due' | 'unpaid' | 'partly paid' | 'paid' | 'differs' | 'unknown'

/** Where the payout of a week stands; amounts in base units. */
export interface WeekStatus {
  week: Week
  /** State of the week in its tally; null without one. */
  tallyState: string | null
  payout: PayoutState
  /** Null where no tally says it. */
  due: bigint | null
  paid: bigint
  /** paid − due. */
  difference: bigint | null
  /** Transactions that mark the week, as people write their txids. */
  txids: readonly string[]
}

export interface ThreadStatus {
  /** First week that is paid on it. */
  from: Week
  payouts: number
  /** The output that the next payout spends, as people write it; null if the thread was cut. */
  tip: string | null
  /** Transactions on it whose marker cannot be read. */
  unmarked: readonly string[]
}

export interface PayoutStatus {
  /** In rising order: all that are marked on a thread, and all that a tally was given for. */
  weeks: readonly WeekStatus[]
  threads: readonly ThreadStatus[]
}

/** Errors: PAYOUT_NO_THREAD, PAYOUT_TALLY_TWICE, those of `readThread`, and of `planOf` but PAYOUT_NOT_ANCHORED. */
export const payoutStatus = async (
  node: PayoutNode,
  tallies: readonly DigestedTally[],
): Promise<PayoutStatus> => {
  const { network } = node
  const threads: { row: Profile['threads'][number]; chain: ChainThread }[] = []
  for (const row of network.profile.threads) {
    threads.push({ row, chain: await readThread({ ...node, start: outpointOf(row) }) })
  }
  if (threads.length === 0) {
    throw new SecnodeError('PAYOUT_NO_THREAD', `the profile ${network.name} names no thread`, {
      hint: 'Nothing was ever paid on this network.',
      exitCode: 2,
    })
  }
  const marked = Map.groupBy(
    threads.flatMap(({ chain }) => chain.thread.steps).filter(({ marker }) => marker !== null),
    ({ marker }) => marker!.week,
  )
  const tallyByWeek = new Map(tallies.map((tally) => [tally.document.week, tally]))
  if (tallyByWeek.size < tallies.length) {
    throw new SecnodeError('PAYOUT_TALLY_TWICE', 'two of the tallies are of the same week', { exitCode: 2 })
  }
  const chainOf = (week: Week): ChainThread | null =>
    threads.find(({ row }) => row === threadOfWeek(network.profile.threads, week))?.chain ?? null
  const weeks = [...new Set([...marked.keys(), ...tallyByWeek.keys()])].sort()
  return {
    weeks: weeks.map((week) =>
      statusOfWeek(node, week, tallyByWeek.get(week) ?? null, marked.get(week) ?? [], chainOf(week)),
    ),
    threads: threads.map(({ row, chain }) => ({
      from: row.from,
      payouts: chain.thread.steps.length,
      tip: chain.tip === null ? null : `${hashText(chain.tip.txid)}:${chain.tip.index}`,
      unmarked: unmarkedOf(chain.thread).map(hashText),
    })),
  }
}

const statusOfWeek = (
  { network }: PayoutNode,
  week: Week,
  tally: DigestedTally | null,
  steps: readonly ThreadStep[],
  chain: ChainThread | null,
): WeekStatus => {
  const base = {
    week,
    tallyState: tally?.document.state ?? null,
    paid: chain === null ? 0n : paidBy(steps, chain.payer),
    txids: steps.map(({ transaction }) => hashText(transaction.txid)),
  }
  const without = (payout: PayoutState): WeekStatus => ({ ...base, payout, due: null, difference: null })
  if (tally === null) return without('unknown')
  if (chain === null) return without(steps.length === 0 ? 'not due' : 'differs')
  let plan
  try {
    plan = planOf(network, tally, chain, null)
  } catch (error) {
    if (!isSecnodeError(error, 'PAYOUT_NOT_ANCHORED')) throw error
    return without(steps.length === 0 ? 'not due' : 'differs')
  }
  const comparison = comparePayout({
    plan,
    stakes: stakesOf(network, tally),
    payer: chain.payer,
    transactions: steps.map(({ transaction }) => transaction),
    thread: chain.thread,
  })
  const status = { ...base, due: plan.total, difference: base.paid - plan.total }
  if (comparison.isMatch) return { ...status, payout: plan.transactions.length === 0 ? 'not due' : 'paid' }
  if (steps.length === 0) return { ...status, payout: 'unpaid' }
  return { ...status, payout: isBegun(comparison, plan, chain.thread) ? 'partly paid' : 'differs' }
}

/** What is there is right, and more can follow. */
const isBegun = (
  { payees, strangers, transactions }: ReturnType<typeof comparePayout>,
  plan: ReturnType<typeof planOf>,
  thread: Thread,
): boolean =>
  remainingOf(plan, thread).is === 'open' &&
  strangers.length === 0 &&
  payees.every(({ state }) => state === 'exact' || state === 'missing') &&
  transactions.every(({ faults }) => faults.length === 0)

/** To whomever but the payer. */
const paidBy = (steps: readonly ThreadStep[], payer: Payer): bigint =>
  steps
    .flatMap(({ transaction }) => transaction.outputs)
    .filter(({ to }) => ownerOf(to) !== ownerOf(payer))
    .reduce((sum, { value }) => sum + value, 0n)
