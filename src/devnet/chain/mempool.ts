import { bytesToHex } from '../../../protocol/index.ts'
import type { Transaction } from '../../chain/formats/types.ts'
import type { BlockTree, TipChange } from './block-tree.ts'
import type { Coin } from './coin.ts'
import { type CoinView, coinsOf, nullifierKeys, outpointKey, unconfirmedHeight } from './coins.ts'
import { branchIdAt } from './parameters.ts'
import { checkPolicy } from './policy.ts'
import { alreadyInChain, duplicate, insufficientFee, invalid, type Rejection } from './rejection.ts'
import { checkSpends, checkTransaction, type SpendVerdict } from './transaction-rules.ts'

export interface MempoolEntry {
  transaction: Transaction
  /** Base units. */
  fee: bigint
  /** Milliseconds since 1970 by the caller's clock. */
  arrivedMs: number
  /** Of the tip when it came in. */
  height: number
}

export type MempoolVerdict = { is: 'accept'; entry: MempoolEntry } | { is: 'reject'; rejection: Rejection }

/** Transactions that wait for a block: each is valid in the next block, after those that came before it. */
export interface Mempool {
  /** The best chain with the waiting transactions on top. */
  readonly view: CoinView
  accept(transaction: Transaction, options?: { allowHighFees?: boolean }): MempoolVerdict
  get(txid: Uint8Array): MempoolEntry | undefined
  /** In order of arrival, so every transaction after those it spends. */
  entries(): MempoolEntry[]
  /** The waiting transaction that spends an output. */
  spender(outpoint: string): MempoolEntry | undefined
  totalBytes(): number
  /** Brings it in line after the best chain changed: mined, expired and conflicting ones go, disconnected ones return. */
  update(change: TipChange): void
}

/** zcashd -mempooltxcostlimit is 80,000,000; a devnet needs less. */
const maxMempoolBytes = 40_000_000

export const createMempool = (tree: BlockTree, nowMs: () => number): Mempool => {
  const entries = new Map<string, MempoolEntry>()
  const spenders = new Map<string, MempoolEntry>()
  const nullifiers = new Map<string, MempoolEntry>()
  const made = new Map<string, Coin>()
  let totalBytes = 0

  const view: CoinView = {
    coin: (outpoint) =>
      spenders.has(outpoint) ? undefined : (made.get(outpoint) ?? tree.coins.coin(outpoint)),
    hasNullifier: (nullifier) => nullifiers.has(nullifier) || tree.coins.hasNullifier(nullifier),
  }

  const add = (entry: MempoolEntry): void => {
    const { transaction } = entry
    entries.set(bytesToHex(transaction.txid), entry)
    for (const outpoint of outpointsOf(transaction)) spenders.set(outpoint, entry)
    for (const nullifier of nullifierKeys(transaction)) nullifiers.set(nullifier, entry)
    for (const coin of coinsOf(transaction, unconfirmedHeight, 0))
      made.set(outpointKey(coin.txid, coin.index), coin)
    totalBytes += transaction.bytes.length
  }
  const remove = ({ transaction }: MempoolEntry): void => {
    if (!entries.delete(bytesToHex(transaction.txid))) return
    for (const outpoint of outpointsOf(transaction)) spenders.delete(outpoint)
    for (const nullifier of nullifierKeys(transaction)) nullifiers.delete(nullifier)
    for (const coin of coinsOf(transaction, unconfirmedHeight, 0))
      made.delete(outpointKey(coin.txid, coin.index))
    totalBytes -= transaction.bytes.length
  }
  /** With everything that spends its outputs, however long the chain of them is. */
  const removeWithDescendants = (first: MempoolEntry): void => {
    const doomed = [first]
    for (let entry = doomed.pop(); entry !== undefined; entry = doomed.pop()) {
      for (let index = 0; index < entry.transaction.outputs.length; index++) {
        const child = spenders.get(outpointKey(entry.transaction.txid, index))
        if (child !== undefined) doomed.push(child)
      }
      remove(entry)
    }
  }

  /** By the rules of the chain, and by policy unless it is null. */
  const judge = (transaction: Transaction, policy: { allowHighFees: boolean } | null): SpendVerdict => {
    const reject = (rejection: Rejection): SpendVerdict => ({ is: 'reject', rejection })
    if (entries.has(bytesToHex(transaction.txid))) return reject(duplicate('txn-already-in-mempool'))
    if (tree.locate(transaction.txid) !== undefined) return reject(alreadyInChain)
    if (transaction.isCoinbase) return reject(invalid('coinbase'))
    const context = tree.nextContext()
    const rejection = checkTransaction(transaction, context)
    if (rejection !== null) return reject(rejection)
    if (outpointsOf(transaction).some((outpoint) => spenders.has(outpoint))) {
      return reject(duplicate('txn-mempool-conflict'))
    }
    const verdict = checkSpends(transaction, view, context)
    if (verdict.is === 'reject' || policy === null) return verdict
    const disliked = checkPolicy(transaction, verdict.fee, context, policy.allowHighFees)
    return disliked === null ? verdict : reject(disliked)
  }

  const accept = (
    transaction: Transaction,
    { allowHighFees = false }: { allowHighFees?: boolean } = {},
  ): MempoolVerdict => {
    const verdict = judge(transaction, { allowHighFees })
    if (verdict.is === 'reject') return verdict
    if (totalBytes + transaction.bytes.length > maxMempoolBytes) {
      return { is: 'reject', rejection: insufficientFee('mempool full') }
    }
    const entry = { transaction, fee: verdict.fee, arrivedMs: nowMs(), height: tree.tip.height }
    add(entry)
    return { is: 'accept', entry }
  }

  /**
   * Judges everything anew by the rules of the chain, `returning` first, since what waits may spend it. Policy was
   * asked when each first came in, or was no question to the miner.
   */
  const rebuild = (returning: readonly Transaction[]): void => {
    const waiting = [...entries.values()]
    for (const entry of waiting) remove(entry)
    const { height } = tree.tip
    const again = [
      ...returning.map((transaction) => ({ transaction, arrivedMs: nowMs(), height })),
      ...waiting,
    ]
    for (const entry of again) {
      const verdict = judge(entry.transaction, null)
      if (verdict.is === 'accept') add({ ...entry, fee: verdict.fee })
    }
  }

  const removeMined = (transactions: readonly Transaction[]): void => {
    for (const transaction of transactions) {
      const mined = entries.get(bytesToHex(transaction.txid))
      if (mined !== undefined) remove(mined)
      for (const outpoint of outpointsOf(transaction)) {
        const conflict = spenders.get(outpoint)
        if (conflict !== undefined) removeWithDescendants(conflict)
      }
      for (const nullifier of nullifierKeys(transaction)) {
        const conflict = nullifiers.get(nullifier)
        if (conflict !== undefined) removeWithDescendants(conflict)
      }
    }
  }

  return {
    view,
    accept,
    get: (txid) => entries.get(bytesToHex(txid)),
    entries: () => [...entries.values()],
    spender: (outpoint) => spenders.get(outpoint),
    totalBytes: () => totalBytes,
    update: ({ disconnected, connected }) => {
      for (const { block } of connected) removeMined(block.transactions)
      const nextHeight = tree.tip.height + 1
      for (const entry of entries.values()) {
        const { expiryHeight } = entry.transaction
        if (expiryHeight !== 0 && expiryHeight < nextHeight) removeWithDescendants(entry)
      }
      const returning = disconnected
        .toReversed()
        .flatMap(({ block }) => block.transactions.filter(({ isCoinbase }) => !isCoinbase))
      const hasNewBranch =
        branchIdAt(tree.parameters, nextHeight) !== branchIdAt(tree.parameters, nextHeight - 1)
      if (disconnected.length > 0 || hasNewBranch) rebuild(returning)
    },
  }
}

const outpointsOf = (transaction: Transaction): string[] =>
  transaction.inputs.map(({ previousTxid, previousIndex }) => outpointKey(previousTxid, previousIndex))
