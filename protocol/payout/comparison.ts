import { bytesToHex, equalBytes } from '../bytes.ts'
import type { Seat } from '../ids.ts'
import { outpointKey } from '../registry.ts'
import type { PayoutMarker } from './marker.ts'
import { type OutputTemplate, ownerOf, type Payer, type PayoutTransaction } from './outputs.ts'
import { type PayoutPlan, threadValue } from './plan.ts'
import { isHandedOn, markerOf, type Thread } from './thread.ts'

/** R-PAY-4, of one seat. `duplicated`: too much, in more than one output. */
export type PaymentState = 'exact' | 'short' | 'over' | 'missing' | 'duplicated'

export interface ComparedPayee {
  seat: Seat
  /** hash160. */
  stake: Uint8Array
  /** Base units; 0 for who is in the tally but not in the plan. */
  due: bigint
  paid: bigint
  /** Outputs that pay it. */
  outputs: number
  /** Of the transactions that they stand in, each once. */
  txids: readonly Uint8Array[]
  state: PaymentState
}

/** An output that the plan does not know. */
export interface StrangerOutput {
  txid: Uint8Array
  index: number
  value: bigint
  to: OutputTemplate
}

export type TransactionFault =
  /** Its marker is missing, or not that of a transaction of this plan. */
  | 'wrong marker'
  /** Another transaction has the same marker. */
  | 'part twice'
  /** It does not spend the thread where it should: consensus does not keep it from being a second payment. */
  | 'outside the thread'
  /** Its output 0 does not hand the thread on to the payer. */
  | 'wrong thread output'

export interface ComparedTransaction {
  txid: Uint8Array
  marker: PayoutMarker | null
  faults: readonly TransactionFault[]
}

/** R-PAY-4: what was paid for a week beside what its plan says. */
export interface PayoutComparison {
  isMatch: boolean
  /** Of the plan, and others of the tally that were paid all the same; in order of seat. */
  payees: readonly ComparedPayee[]
  strangers: readonly StrangerOutput[]
  transactions: readonly ComparedTransaction[]
  /** Parts of the plan that none of the transactions is. */
  missingParts: readonly number[]
  due: bigint
  /** To whomever but the payer. */
  paid: bigint
}

export interface ComparisonInput {
  plan: PayoutPlan
  /** All seats of the tally by their stakes, so that a payment to one that is owed nothing can be named. */
  stakes: readonly { seat: Seat; stake: Uint8Array }[]
  payer: Payer
  /** What is judged. */
  transactions: readonly PayoutTransaction[]
  /** Null if nobody followed it: then the transactions are only checked against one another. */
  thread: Thread | null
}

/** R-PAY-4: what was paid against what is due, by script template, hash160 and amount. */
export const comparePayout = (input: ComparisonInput): PayoutComparison => {
  const { plan, payer, stakes } = input
  const transactions = distinct(input.transactions)
  const payerKey = ownerOf(payer)
  const due = new Map(plan.transactions.flatMap(({ payees }) => payees).map((payee) => [payee.seat, payee]))
  const seats = new Map(
    stakes
      .map(({ seat, stake }) => ({ seat, stake, paid: 0n, outputs: 0, txids: [] as Uint8Array[] }))
      .map((row) => [ownerOf({ kind: 'p2pkh', hash160: row.stake }), row]),
  )
  const strangers: StrangerOutput[] = []
  let paid = 0n
  for (const { txid, outputs } of transactions) {
    for (const [index, { value, to }] of outputs.entries()) {
      const owner = ownerOf(to)
      // Change, and the thread, which `threadFaults` looks at.
      if (owner !== null && owner === payerKey) continue
      if (index === 1 && to.kind === 'nulldata' && value === 0n) continue
      paid += value
      const row = owner === null ? undefined : seats.get(owner)
      if (row === undefined) strangers.push({ txid, index, value, to })
      else {
        row.paid += value
        row.outputs++
        if (row.txids.at(-1) !== txid) row.txids.push(txid)
      }
    }
  }
  const payees = [...seats.values()]
    .filter((row) => due.has(row.seat) || row.outputs > 0)
    .map((row): ComparedPayee => {
      const amount = due.get(row.seat)?.amount ?? 0n
      return { ...row, due: amount, state: stateOf(amount, row.paid, row.outputs) }
    })
    .sort((a, b) => a.seat - b.seat)
  const compared = compareTransactions(transactions, input)
  const parts = new Set(
    compared.map(({ faults, marker }) => (faults.includes('wrong marker') ? 0 : marker!.part)),
  )
  const missingParts = plan.transactions.map(({ marker }) => marker.part).filter((part) => !parts.has(part))
  return {
    isMatch:
      missingParts.length === 0 &&
      strangers.length === 0 &&
      payees.every(({ state }) => state === 'exact') &&
      compared.every(({ faults }) => faults.length === 0),
    payees,
    strangers,
    transactions: compared,
    missingParts,
    due: plan.total,
    paid,
  }
}

/** Given twice is not paid twice. */
const distinct = (transactions: readonly PayoutTransaction[]): PayoutTransaction[] => [
  ...new Map(transactions.map((transaction) => [bytesToHex(transaction.txid), transaction])).values(),
]

const stateOf = (due: bigint, paid: bigint, outputs: number): PaymentState => {
  if (outputs === 0) return 'missing'
  if (paid === due) return 'exact'
  if (paid < due) return 'short'
  return outputs > 1 ? 'duplicated' : 'over'
}

const compareTransactions = (
  transactions: readonly PayoutTransaction[],
  { plan, payer, thread }: ComparisonInput,
): ComparedTransaction[] => {
  const markers = transactions.map(markerOf)
  const isPlanned = (marker: PayoutMarker | null): marker is PayoutMarker => {
    const planned = marker === null ? undefined : plan.transactions[marker.part - 1]?.marker
    return (
      marker !== null &&
      planned !== undefined &&
      marker.week === planned.week &&
      marker.parts === planned.parts &&
      marker.digest === planned.digest
    )
  }
  const byPart = Map.groupBy(
    transactions.filter((_, i) => isPlanned(markers[i]!)),
    (transaction) => markerOf(transaction)!.part,
  )
  return transactions.map((transaction, i) => {
    const marker = markers[i]!
    const faults: TransactionFault[] = []
    if (!isPlanned(marker)) faults.push('wrong marker')
    else if (byPart.get(marker.part)!.length > 1) faults.push('part twice')
    const previous = isPlanned(marker) ? byPart.get(marker.part - 1) : undefined
    if (!isOnThread(transaction, thread, previous)) faults.push('outside the thread')
    if (!isHandedOn(transaction, payer) || transaction.outputs[0]!.value !== threadValue) {
      faults.push('wrong thread output')
    }
    return { txid: transaction.txid, marker, faults }
  })
}

/** `previous`: the given transactions that are the part before. */
const isOnThread = (
  transaction: PayoutTransaction,
  thread: Thread | null,
  previous: readonly PayoutTransaction[] | undefined,
): boolean => {
  if (thread !== null) {
    return thread.steps.some((step) => equalBytes(step.transaction.txid, transaction.txid))
  }
  return previous === undefined || previous.some(({ txid }) => transaction.spends[0] === outpointKey(txid, 0))
}
