import {
  bytesToHex,
  equalBytes,
  markerOf,
  outpointKey,
  outpointText,
  stepsOfWeek,
  type Thread,
  type Week,
} from '../../protocol/index.ts'
import { parseTransaction, serializeTransaction } from '../chain/formats/transaction.ts'
import type { Transaction } from '../chain/formats/types.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { isRpcError } from '../chain-node/rpc/errors.ts'
import { getRawTransaction, getTransactionPlace, sendRawTransaction } from '../chain-node/rpc/methods.ts'
import { hashText } from '../chain-node/rpc/values.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { threadCut } from './build.ts'
import { checkConsolidation, checkEnvelope } from './check-file.ts'
import type { Outbox, OutboxPart } from './outbox.ts'
import type { Draft, PayoutFile } from './payout-file.ts'
import { isSigned, signatureCount } from './sign.ts'
import { type PayoutNode, readThreadOfWeek, refuseReserved, reservedOutputs } from './threads.ts'
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
 * it may be run as often as one likes. Errors: PAYOUT_UNSIGNED, PAYOUT_ENVELOPE (the file contradicts itself),
 * PAYOUT_MISMATCH and PAYOUT_COIN (joined coins that are none), PAYOUT_PAID (another transaction marks the week),
 * PAYOUT_WAITING (another one was sent and is still there), PAYOUT_NOT_THE_THREAD, PAYOUT_THREAD_CUT, PAYOUT_REFUSED
 * (with the node's own words), PAYOUT_NOTHING_TO_SEND, and those of `readThread`.
 */
export const sendPayout = async (request: SendRequest): Promise<SentPart[]> => {
  const { node, outbox, file } = request
  if (file === null) return sendStored(request)
  if (file.payout === null) {
    await sendJoin(node, file)
    return []
  }
  checkEnvelope(file, file.payout)
  assertSigned(file)
  const { week } = file.payout
  const stored = await outbox.ofWeek(week)
  const parts: SendingPart[] = []
  for (const draft of file.drafts) parts.push(await partToSend(node, file, draft, stored))
  const { thread } = await readThreadOfWeek(node, week)
  await assertReplaceable(node, stored, parts, thread)
  assertSendable(parts, week, thread)
  await outbox.put(week, parts)
  return sendParts(request, week, parts, thread)
}

const sendStored = async (request: SendRequest): Promise<SentPart[]> => {
  const { node, outbox, week } = request
  const sent: SentPart[] = []
  for (const each of week === undefined ? await outbox.weeks() : [week]) {
    const parts = await outbox.ofWeek(each)
    if (parts.length === 0) continue
    const { thread } = await readThreadOfWeek(node, each)
    assertSendable(parts, each, thread)
    sent.push(...(await sendParts(request, each, parts, thread)))
  }
  if (sent.length === 0) throw nothingToSend()
  return sent
}

/** Joined coins stay the payer's, whatever becomes of it: nothing to write down. */
const sendJoin = async (node: PayoutNode, file: PayoutFile): Promise<void> => {
  const { coins } = checkConsolidation(file)
  assertSigned(file)
  refuseReserved(coins, await reservedOutputs(node, null))
  for (const draft of file.drafts) await broadcast(node, transactionOf(draft), 'the consolidation')
}

/** A part with the bytes that are sent first, and others of the same transaction if the node refuses those. */
interface SendingPart extends OutboxPart {
  instead?: Transaction
}

const transactionOf = ({ fields }: Draft): Transaction =>
  parseTransaction(serializeTransaction(fields), fields.family)

/**
 * The stored bytes of a transaction stay while they may be out: if the node has them, or would take them for signed.
 * Other signatures of the same transaction then say nothing new, and wait in case it refuses the stored ones.
 */
const partToSend = async (
  { rpc, signal }: PayoutNode,
  { account }: PayoutFile,
  draft: Draft,
  stored: readonly OutboxPart[],
): Promise<SendingPart> => {
  const transaction = transactionOf(draft)
  const { part } = markerOf(payoutTransactionOf(transaction))!
  const twin = stored.find((each) => equalBytes(each.transaction.txid, transaction.txid))?.transaction
  if (twin === undefined || equalBytes(twin.bytes, transaction.bytes)) return { part, transaction }
  const mayBeOut =
    isSigned(account, { ...draft, fields: twin }) ||
    equalBytes((await getRawTransaction(rpc, twin.txid, { signal })) ?? new Uint8Array(), twin.bytes)
  return mayBeOut ? { part, transaction: twin, instead: transaction } : { part, transaction }
}

/**
 * What waits in the node is not overwritten: it may yet be mined, and then its bytes are those that matter. What is
 * mined already cannot be overtaken, and holds up nothing: the thread has it, or will never have it.
 */
const assertReplaceable = async (
  { rpc, signal }: PayoutNode,
  stored: readonly OutboxPart[],
  parts: readonly OutboxPart[],
  { steps }: Thread,
): Promise<void> => {
  for (const { part, transaction } of stored) {
    const { txid } = transaction
    const isReplaced =
      part >= parts[0]!.part && !parts.some((each) => equalBytes(each.transaction.txid, txid))
    if (!isReplaced || steps.some((step) => equalBytes(step.transaction.txid, txid))) continue
    const place = await getTransactionPlace(rpc, txid, { signal })
    if (place === null || (place.height ?? -1) >= 0 || (place.confirmations ?? 0) > 0) continue
    throw new SecnodeError(
      'PAYOUT_WAITING',
      `another transaction was sent as part ${part}, and the node still has it: ${hashText(txid)}`,
      { hint: 'Wait until it is mined, or send it again: secnode payout send without a file.' },
    )
  }
}

const sendParts = async (
  { node, outbox, onSent }: SendRequest,
  week: Week,
  parts: readonly SendingPart[],
  { steps }: Thread,
): Promise<SentPart[]> => {
  const confirmed = new Set(steps.map(({ transaction }) => bytesToHex(transaction.txid)))
  const sent: SentPart[] = []
  for (const [i, { part, transaction, instead }] of parts.entries()) {
    const marker = markerOf(payoutTransactionOf(transaction))!
    const name = `part ${part} of week ${week}`
    const isConfirmed = confirmed.has(bytesToHex(transaction.txid))
    if (!isConfirmed) {
      try {
        await broadcast(node, transaction, name)
      } catch (error) {
        if (instead === undefined || !isSecnodeError(error, 'PAYOUT_REFUSED')) throw error
        await outbox.put(week, [{ part, transaction: instead }, ...parts.slice(i + 1)])
        await broadcast(node, instead, name)
      }
    }
    const row: SentPart = {
      week: marker.week,
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

/**
 * Proves by the thread that nothing is paid twice: what is not on it yet follows it, one spending the other from where
 * it stands, so that any two payouts of the week have an input in common and consensus takes only one of them.
 */
const assertSendable = (parts: readonly OutboxPart[], week: Week, thread: Thread): void => {
  const markedBy = new Map(
    stepsOfWeek(thread, week).map(({ marker, transaction }) => [marker!.part, transaction.txid]),
  )
  const onThread = new Set(thread.steps.map(({ transaction }) => bytesToHex(transaction.txid)))
  let tip = thread.tip
  for (const { part, transaction } of parts) {
    if (onThread.has(bytesToHex(transaction.txid))) continue
    const other = markedBy.get(part)
    if (other !== undefined) {
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

/** Stops at the first transaction that is not: counting signatures that are not good takes time, too. */
const assertSigned = ({ account, drafts }: PayoutFile): void => {
  for (const [i, draft] of drafts.entries()) {
    const { signatures, required } = signatureCount(account, draft)
    if (signatures === required) continue
    throw new SecnodeError(
      'PAYOUT_UNSIGNED',
      `transaction ${i + 1} has ${signatures} of ${required} signatures`,
      {
        hint: 'Have it signed with `secnode payout sign`, which puts the signatures of several files together and mends their scripts.',
        exitCode: 2,
      },
    )
  }
}

const nothingToSend = (): SecnodeError =>
  new SecnodeError('PAYOUT_NOTHING_TO_SEND', 'no signed payout is stored in this directory', {
    hint: 'Give the signed file: secnode payout send <file>.',
    exitCode: 3,
  })
