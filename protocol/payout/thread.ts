import { hexToBytes, reversedHex } from '../bytes.ts'
import type { Week } from '../ids.ts'
import { type OutpointKey, outpointKey } from '../registry.ts'
import { type PayoutMarker, parseMarker } from './marker.ts'
import { ownerOf, type Payer, type PayoutTransaction } from './outputs.ts'
import type { PayoutPlan } from './plan.ts'

/** A transaction on the thread: it spends the thread output as its input 0 and makes the next as its output 0. */
export interface ThreadStep {
  transaction: PayoutTransaction
  /** Null if its output 1 says nothing that we understand. */
  marker: PayoutMarker | null
}

/** R-PAY-2. Input 0 of one is output 0 of the one before, so the order is the chain's own and no two have one place. */
export interface Thread {
  start: OutpointKey
  steps: readonly ThreadStep[]
  /** The output to be spent next; null if the thread was cut. */
  tip: OutpointKey | null
  /** What cut it: it spends the thread output as another input than 0, or hands the next one to somebody else. */
  cutBy: PayoutTransaction | null
}

/** The part of the payer's thread that starts at `start` which these transactions, in any order, make up. */
export const followThread = (
  start: OutpointKey,
  payer: Payer,
  transactions: Iterable<PayoutTransaction>,
): Thread => {
  const spenders = new Map<OutpointKey, PayoutTransaction>()
  for (const transaction of transactions) {
    for (const outpoint of transaction.spends) spenders.set(outpoint, transaction)
  }
  const steps: ThreadStep[] = []
  let tip = start
  for (;;) {
    const transaction = spenders.get(tip)
    if (transaction === undefined) return { start, steps, tip, cutBy: null }
    // A txid is a hash, so nothing spends its own descendants: this ends.
    if (transaction.spends[0] !== tip) return { start, steps, tip: null, cutBy: transaction }
    steps.push({ transaction, marker: markerOf(transaction) })
    if (!isHandedOn(transaction, payer)) return { start, steps, tip: null, cutBy: transaction }
    tip = outpointKey(transaction.txid, 0)
  }
}

/** Whether the next thread output is the payer's. */
export const isHandedOn = ({ outputs }: PayoutTransaction, payer: Payer): boolean =>
  outputs[0] !== undefined && ownerOf(outputs[0].to) === ownerOf(payer)

/** The marker that output 1 carries, if it does. */
export const markerOf = ({ outputs }: PayoutTransaction): PayoutMarker | null => {
  const second = outputs[1]?.to
  return second?.kind === 'nulldata' ? parseMarker(second.data) : null
}

/** The transactions of the thread that say that they pay this week, in their order. */
export const stepsOfWeek = (thread: Thread, week: Week): ThreadStep[] =>
  thread.steps.filter(({ marker }) => marker?.week === week)

export type Remaining =
  /** Nothing of the week is on the thread for `firstPart` = 1; else the parts before are. */
  | { is: 'open'; firstPart: number }
  | { is: 'paid' }
  /** Marked in a way that this plan does not continue; `by` did it. */
  | { is: 'marked-otherwise'; by: PayoutTransaction }

/** R-PAY-2: what is left to build. A week that is marked is never built again; a series that broke off is continued. */
export const remainingOf = (plan: Pick<PayoutPlan, 'week' | 'transactions'>, thread: Thread): Remaining => {
  const marked = stepsOfWeek(thread, plan.week)
  for (const [i, { marker, transaction }] of marked.entries()) {
    const planned = plan.transactions[i]?.marker
    const isNext =
      planned !== undefined &&
      marker!.part === planned.part &&
      marker!.parts === planned.parts &&
      marker!.digest === planned.digest
    if (!isNext) return { is: 'marked-otherwise', by: transaction }
  }
  return marked.length === plan.transactions.length
    ? { is: 'paid' }
    : { is: 'open', firstPart: marked.length + 1 }
}

/**
 * The row of a profile's schedule of threads that a week is paid on: the last one that is not after it. Null if there
 * is none.
 */
export const threadOfWeek = <T extends { from: Week }>(rows: readonly T[], week: Week): T | null =>
  rows.reduce<T | null>(
    (found, row) => (row.from <= week && (found === null || found.from < row.from) ? row : found),
    null,
  )

/** How people write an outpoint: the txid reversed. */
export const outpointText = (outpoint: OutpointKey): string => {
  const [txid, index] = outpoint.split(':') as [string, string]
  return `${reversedHex(hexToBytes(txid))}:${index}`
}
