import {
  bytesToHex,
  equalBytes,
  markerOf,
  outpointKey,
  outpointText,
  stepsOfWeek,
  type Thread,
  type Week,
} from '../../../protocol/index.ts'
import { parseTransaction, serializeTransaction } from '../../chain/formats/transaction.ts'
import type { Transaction } from '../../chain/formats/types.ts'
import type { RpcClient } from '../../chain/rpc/client.ts'
import { isRpcError } from '../../chain/rpc/errors.ts'
import { getRawTransaction, sendRawTransaction } from '../../chain/rpc/methods.ts'
import { hashText } from '../../chain/rpc/values.ts'
import { SecnodeError } from '../../errors.ts'
import { threadCut } from './build.ts'
import type { Outbox, OutboxPart } from './outbox.ts'
import type { PayoutFile } from './payout-file.ts'
import { isFullySigned, signatureCounts } from './sign.ts'
import { type PayoutNode, readThreadOfWeek } from './threads.ts'
import { payoutTransactionOf } from './transactions.ts'

export interface SentPart {
  week: Week
  part: number
  parts: number
  /** As people write it. */
  txid: string
  /** `confirmed`: on the thread already. `sent`: the node has it now. */
  state: 'confirmed' | 'sent'
}

export interface SendRequest {
  node: PayoutNode
  outbox: Outbox
  /** Fully signed. Null to send again what the outbox has. */
  file: PayoutFile | null
  /** Only this week of the outbox. */
  week?: Week
  onSent?: (sent: SentPart) => void
}

/**
 * R-PAY-3: writes the signed bytes down, then broadcasts them in order; what the thread has already is passed over, so
 * it may be run as often as one likes. Errors: PAYOUT_UNSIGNED, PAYOUT_PAID (another transaction marks the week),
 * PAYOUT_WAITING (another one was sent and is still there), PAYOUT_NOT_THE_THREAD, PAYOUT_THREAD_CUT, PAYOUT_REFUSED
 * (with the node's own words), PAYOUT_NOTHING_TO_SEND, and those of `readThread`.
 */
export const sendPayout = async (request: SendRequest): Promise<SentPart[]> => {
  const { node, outbox, file, week } = request
  if (file === null) {
    const weeks = week === undefined ? await outbox.weeks() : [week]
    const sent: SentPart[] = []
    for (const each of weeks) {
      const parts = await outbox.ofWeek(each)
      if (parts.length > 0) sent.push(...(await sendParts(request, each, parts, false)))
    }
    if (sent.length === 0) throw nothingToSend()
    return sent
  }
  if (!isFullySigned(file)) throw unsigned(file)
  const transactions = file.drafts.map(({ fields }) =>
    parseTransaction(serializeTransaction(fields), fields.family),
  )
  if (file.payout === null) {
    // Joined coins stay the payer's, whatever becomes of it: nothing to write down.
    for (const transaction of transactions) await broadcast(node, transaction, 'the consolidation')
    return []
  }
  const stored = await outbox.ofWeek(file.payout.week)
  const parts = transactions.map((transaction) => ({
    part: partOf(transaction),
    transaction: storedTwin(transaction, stored),
  }))
  await assertReplaceable(node, stored, parts)
  return sendParts(request, file.payout.week, parts, true)
}

/** What the node still has is not overwritten: it may yet be mined, and then its bytes are those that matter. */
const assertReplaceable = async (
  { rpc, signal }: PayoutNode,
  stored: readonly OutboxPart[],
  parts: readonly OutboxPart[],
): Promise<void> => {
  for (const { part, transaction } of stored) {
    const { txid } = transaction
    const isReplaced =
      part >= parts[0]!.part && !parts.some((each) => equalBytes(each.transaction.txid, txid))
    if (isReplaced && (await getRawTransaction(rpc, txid, { signal })) !== null) {
      throw new SecnodeError(
        'PAYOUT_WAITING',
        `another transaction was sent as part ${part}, and the node still has it: ${hashText(txid)}`,
        { hint: 'Wait until it is mined, or send it again: secnode payout send without a file.' },
      )
    }
  }
}

const sendParts = async (
  { node, outbox, onSent }: SendRequest,
  week: Week,
  parts: readonly OutboxPart[],
  areNew: boolean,
): Promise<SentPart[]> => {
  const { thread } = await readThreadOfWeek(node, week)
  assertSendable(parts, week, thread)
  if (areNew) await outbox.put(week, parts)
  const confirmed = new Set(thread.steps.map(({ transaction }) => bytesToHex(transaction.txid)))
  const sent: SentPart[] = []
  for (const { part, transaction } of parts) {
    const marker = markerOf(payoutTransactionOf(transaction))!
    const isConfirmed = confirmed.has(bytesToHex(transaction.txid))
    if (!isConfirmed) await broadcast(node, transaction, `part ${part} of week ${week}`)
    const row: SentPart = {
      week,
      part,
      parts: marker.parts,
      txid: hashText(transaction.txid),
      state: isConfirmed ? 'confirmed' : 'sent',
    }
    sent.push(row)
    onSent?.(row)
  }
  return sent
}

const partOf = (transaction: Transaction): number => {
  const marker = markerOf(payoutTransactionOf(transaction))
  if (marker !== null) return marker.part
  throw new SecnodeError('PAYOUT_FILE', `transaction ${hashText(transaction.txid)} has no payout marker`, {
    hint: 'Payout files are made by `secnode payout build` and `sign`.',
    exitCode: 2,
  })
}

/** The bytes that may be out already stay: other signatures of the same transaction say nothing new. */
const storedTwin = (transaction: Transaction, stored: readonly OutboxPart[]): Transaction =>
  stored.find((each) => equalBytes(each.transaction.txid, transaction.txid))?.transaction ?? transaction

/**
 * Proves by the thread that nothing is paid twice: what is not on it yet follows it, one spending the other from where
 * it stands, so that any two payouts of the week have an input in common and consensus takes only one of them.
 */
const assertSendable = (parts: readonly OutboxPart[], week: Week, thread: Thread): void => {
  const markedBy = new Map(
    stepsOfWeek(thread, week).map(({ marker, transaction }) => [marker!.part, transaction.txid]),
  )
  let tip = thread.tip
  for (const { part, transaction } of parts) {
    const other = markedBy.get(part)
    if (other !== undefined) {
      if (equalBytes(other, transaction.txid)) continue
      throw new SecnodeError(
        'PAYOUT_PAID',
        `part ${part} of week ${week} is on the thread already: ${hashText(other)}`,
        { hint: 'Look at it with `secnode payout verify`.' },
      )
    }
    if (tip === null) throw threadCut(thread)
    const [spends] = payoutTransactionOf(transaction).spends
    if (spends !== tip) {
      throw new SecnodeError(
        'PAYOUT_NOT_THE_THREAD',
        `part ${part} of week ${week} spends ${outpointText(spends!)}, the thread stands at ${outpointText(tip)}`,
        { hint: 'Something else was paid meanwhile: build what is left anew, and have it signed.' },
      )
    }
    tip = outpointKey(transaction.txid, 0)
  }
}

const broadcast = async (
  { rpc, signal }: { rpc: RpcClient; signal: AbortSignal },
  { bytes, txid }: Transaction,
  name: string,
): Promise<void> => {
  try {
    await sendRawTransaction(rpc, bytes, txid, { signal })
  } catch (error) {
    if (!isRpcError(error, 'RPC_REFUSED')) throw error
    // A node that has it may refuse it for spending what is spent: by itself.
    if ((await getRawTransaction(rpc, txid, { signal })) !== null) return
    throw new SecnodeError(
      'PAYOUT_REFUSED',
      `the node refuses ${name}: ${error.rpcMessage} (${error.rpcCode})`,
      {
        hint: 'What was sent before stands. After a change of the consensus branch build and sign anew; else see what the node says, and send again.',
        cause: error,
      },
    )
  }
}

const unsigned = (file: PayoutFile): SecnodeError => {
  const counts = signatureCounts(file)
  const i = counts.findIndex(({ signatures, required }) => signatures < required)
  const { signatures, required } = counts[i]!
  return new SecnodeError(
    'PAYOUT_UNSIGNED',
    `transaction ${i + 1} has ${signatures} of ${required} signatures`,
    {
      hint: 'Have it signed with `secnode payout sign`; signatures of several files are put together there.',
      exitCode: 2,
    },
  )
}

const nothingToSend = (): SecnodeError =>
  new SecnodeError('PAYOUT_NOTHING_TO_SEND', 'no signed payout is stored in this directory', {
    hint: 'Give the signed file: secnode payout send <file>.',
    exitCode: 3,
  })
