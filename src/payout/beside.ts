import {
  bytesToHex,
  equalBytes,
  hash160,
  type Height,
  markerOf,
  ownerOf,
  type Payer,
  type PayoutMarker,
  type Seat,
} from '../../protocol/index.ts'
import { parsePushes } from '../chain/formats/input-script.ts'
import { classifyScript } from '../chain/formats/script.ts'
import { parseTransaction } from '../chain/formats/transaction.ts'
import type { Transaction, TransactionInput } from '../chain/formats/types.ts'
import { getRawTransaction } from '../chain-node/rpc/methods.ts'
import { type ChainThread, isIndexMissing, transactionsOfAddress } from './chain-thread.ts'
import { isPayer } from './payer.ts'
import { type PayoutNode, readAllThreads } from './threads.ts'
import { payoutTransactionOf } from './transactions.ts'

/** A transaction in which coins of the payer went to others although it is on no thread; amounts in base units. */
export interface BesidePayment {
  txid: Uint8Array
  marker: PayoutMarker | null
  /** Of the tally, in the order of its outputs, each once. */
  seats: readonly Seat[]
  toSeats: bigint
  /** To other addresses. */
  toOthers: bigint
  /** Value may have gone into a shielded pool or a sidechain as well. */
  isOpaque: boolean
}

/**
 * R-PAY-4: what the payer's coins paid since a height beside all threads of the profile; joined coins are not listed.
 * Null if the node has no index of addresses to look in.
 */
export const paymentsBeside = async (
  node: PayoutNode,
  chain: ChainThread,
  since: Height,
  stakes: readonly { seat: Seat; stake: Uint8Array }[],
): Promise<BesidePayment[] | null> => {
  const { payer, tipHeight } = chain
  const { chains } = await readAllThreads(node, chain)
  const onThread = new Set(
    chains.flatMap(({ thread }) => thread.steps).map(({ transaction }) => bytesToHex(transaction.txid)),
  )
  const seatByOwner = new Map(
    stakes.map(({ seat, stake }) => [ownerOf({ kind: 'p2pkh', hash160: stake }), seat] as const),
  )
  const found: BesidePayment[] = []
  try {
    for await (const transaction of transactionsOfAddress(node, payer, since, tipHeight)) {
      if (transaction.isCoinbase || onThread.has(bytesToHex(transaction.txid))) continue
      const payment = paymentOf(transaction, payer, seatByOwner)
      if (payment !== null && (await isSpending(node, transaction, payer))) found.push(payment)
    }
  } catch (error) {
    if (!isIndexMissing(error)) throw error
    return null
  }
  return found
}

/** Null if all of it stays with the payer. */
const paymentOf = (
  transaction: Transaction,
  payer: Payer,
  seatByOwner: ReadonlyMap<string | null, Seat>,
): BesidePayment | null => {
  const view = payoutTransactionOf(transaction)
  const seats = new Set<Seat>()
  let toSeats = 0n
  let toOthers = 0n
  for (const { to, value } of view.outputs) {
    const seat = seatByOwner.get(ownerOf(to))
    if (seat !== undefined) {
      seats.add(seat)
      toSeats += value
    } else if (!isPayer(to, payer)) toOthers += value
  }
  const isOpaque = hasOpaqueParts(transaction)
  if (toSeats + toOthers === 0n && !isOpaque) return null
  return { txid: transaction.txid, marker: markerOf(view), seats: [...seats], toSeats, toOthers, isOpaque }
}

const hasOpaqueParts = (transaction: Transaction): boolean =>
  transaction.joinSplits.length > 0 ||
  transaction.saplingSpends.length > 0 ||
  transaction.saplingOutputs.length > 0 ||
  transaction.orchard !== null ||
  transaction.ironwood !== null ||
  transaction.sidechain !== null

/** Whether it spends an output of the payer, and does not only pay him. */
const isSpending = async (node: PayoutNode, { inputs }: Transaction, payer: Payer): Promise<boolean> => {
  if (inputs.some((input) => showsPayer(input, payer))) return true
  for (const input of inputs) if (await isOwned(node, input, payer)) return true
  return false
}

/** P2PKH inputs end with the key, P2SH ones with the redeem script, as everybody writes them. */
const showsPayer = ({ script }: TransactionInput, payer: Payer): boolean => {
  const last = parsePushes(script)?.at(-1)
  return last !== undefined && equalBytes(hash160(last), payer.hash160)
}

/** What an odd script hides, the spent output shows. */
const isOwned = async (
  { network, rpc, signal }: PayoutNode,
  { previousTxid, previousIndex }: TransactionInput,
  payer: Payer,
): Promise<boolean> => {
  const bytes = await getRawTransaction(rpc, previousTxid, { signal })
  const { family } = network.facts
  const output = bytes === null ? undefined : parseTransaction(bytes, family).outputs[previousIndex]
  return output !== undefined && isPayer(classifyScript(output.script, family), payer)
}
