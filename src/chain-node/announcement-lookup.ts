import {
  type Announcement,
  type BlsVerifier,
  bytesToHex,
  addressOfStake,
  checkAnnouncement,
  equalBytes,
  type Height,
  isAnnouncementMemo,
  outpointKey,
  parseMemo,
  reversedHex,
} from '../../protocol/index.ts'
import { chainBlockOf, memoThatCounts, paymentsOf } from './follower/chain-block.ts'
import { parseTransaction } from '../chain/formats/transaction.ts'
import type { Transaction } from '../chain/formats/types.ts'
import type { Network } from '../chain/profiles.ts'
import { createCheckedBlocks } from './checked-blocks.ts'
import type { RpcClient } from './rpc/client.ts'
import { getAddressTxids, getTransactionPlace } from './rpc/methods.ts'

/** The last announcement of a stake, as a look into its transactions finds it. */
export type FoundAnnouncement =
  | { is: 'found'; announcement: Announcement; txid: string; height: Height | null }
  /** A transaction was meant as one; `code` says which rule it breaks. */
  | { is: 'refused'; code: string; txid: string }
  | { is: 'none' }

/** Of an address that is paid every week, the last years. */
const maxTransactions = 300

/**
 * Looks for a stake's announcement in the transactions of its address, without following the chain; those in the
 * mempool are not looked at. It judges each by itself: that a memo was used before (R-REG-2) only following shows.
 * Needs a chain node with an address index. Errors: those of the RPC client.
 */
export const findAnnouncement = async (
  rpc: RpcClient,
  network: Network,
  stake: Uint8Array,
  tip: Height,
  bls: BlsVerifier,
  signal: AbortSignal,
): Promise<FoundAnnouncement> => {
  const { genesis } = network.profile
  const call = { signal, deadlineMs: 10_000 }
  const address = addressOfStake(genesis.chain, stake)
  const txids = await getAddressTxids(rpc, [address], Math.min(genesis.activationHeight, tip), tip, call)
  let refused: FoundAnnouncement | null = null
  for (const txid of txids.slice(-maxTransactions).reverse()) {
    const place = await getTransactionPlace(rpc, txid, call)
    if (place === null) continue
    const height = place.height !== undefined && place.height >= 0 ? place.height : null
    const judged = judge(
      network,
      parseTransaction(place.hex, network.facts.family),
      stake,
      height ?? tip,
      bls,
    )
    const named = { txid: reversedHex(txid), height }
    if (judged.is === 'found') return { ...judged, ...named }
    if (judged.is === 'refused') refused ??= { ...judged, txid: named.txid }
  }
  return refused ?? { is: 'none' }
}

const judge = (
  network: Network,
  transaction: Transaction,
  stake: Uint8Array,
  height: Height,
  bls: BlsVerifier,
): { is: 'found'; announcement: Announcement } | { is: 'refused'; code: string } | { is: 'none' } => {
  const { genesis } = network.profile
  const paid = paymentsOf(transaction).filter(({ payee }) => equalBytes(payee, stake))
  if (paid.length === 0) return { is: 'none' }
  const memo = memoThatCounts(network, transaction)
  if (memo === null || !isAnnouncementMemo(memo)) return { is: 'none' }
  const parsed = parseMemo(genesis.chain, memo)
  if (parsed.is !== 'accept') return { is: 'refused', code: parsed.code }
  if (!equalBytes(parsed.value.stake, stake)) return { is: 'none' }
  if (!paid.some(({ value }) => value >= genesis.minStake)) return { is: 'refused', code: 'stake-too-small' }
  const checked = checkAnnouncement(genesis, network.networkId, parsed.value, height, null, bls)
  return checked.is === 'accept'
    ? { is: 'found', announcement: parsed.value }
    : { is: 'refused', code: checked.code }
}

/**
 * Announcements in the last blocks, newest first, each peer once: whoever does not follow the chain finds somebody to
 * ask. Their form is checked, not their signature.
 */
export async function* recentAnnouncements(
  rpc: RpcClient,
  network: Network,
  tip: Height,
  options: { maxBlocks: number; signal: AbortSignal },
): AsyncGenerator<Announcement, void, undefined> {
  const { genesis } = network.profile
  const blocks = createCheckedBlocks(rpc, network.facts.family)
  const lowest = Math.max(genesis.activationHeight, tip - options.maxBlocks + 1)
  const seen = new Set<string>()
  for (let height = tip; height >= lowest; height--) {
    const checked = await blocks.at(height, { signal: options.signal, deadlineMs: 10_000 })
    if (checked === null) continue
    const { chainBlock } = await chainBlockOf(network, checked.block, height, null)
    for (const { memo } of chainBlock.transactions) {
      if (memo === null || !isAnnouncementMemo(memo)) continue
      const parsed = parseMemo(genesis.chain, memo)
      if (parsed.is !== 'accept' || seen.has(bytesToHex(parsed.value.peer))) continue
      seen.add(bytesToHex(parsed.value.peer))
      yield parsed.value
    }
  }
}

/** The transaction that took coins away from a stake. */
export interface Spending {
  txid: string
  /** True if what was spent went into a shielded pool: what wallets do that shield automatically. */
  isShielding: boolean
}

/** The last transaction after `since` that spends from a stake's address; null if none does. Errors as above. */
export const lastSpending = async (
  rpc: RpcClient,
  network: Network,
  stake: Uint8Array,
  since: Height,
  tip: Height,
  signal: AbortSignal,
): Promise<Spending | null> => {
  const { genesis } = network.profile
  const call = { signal, deadlineMs: 10_000 }
  const address = addressOfStake(genesis.chain, stake)
  const txids = await getAddressTxids(rpc, [address], Math.min(since, tip), tip, call)
  const owned = new Set<string>()
  let last: Spending | null = null
  for (const txid of txids.slice(-maxTransactions)) {
    const place = await getTransactionPlace(rpc, txid, call)
    if (place === null) continue
    const transaction = parseTransaction(place.hex, network.facts.family)
    const isSpending = transaction.inputs.some(({ previousTxid, previousIndex }) =>
      owned.has(outpointKey(previousTxid, previousIndex)),
    )
    if (isSpending)
      last = { txid: reversedHex(txid), isShielding: isShielding(transaction, genesis.minStake) }
    for (const { payee, outpoint } of paymentsOf(transaction)) {
      if (equalBytes(payee, stake)) owned.add(outpoint)
    }
  }
  return last
}

const isShielding = (transaction: Transaction, minStake: bigint): boolean => {
  const { outputs, saplingOutputs, orchard, ironwood, joinSplits } = transaction
  const shielded =
    saplingOutputs.length +
    (orchard?.actions.length ?? 0) +
    (ironwood?.actions.length ?? 0) +
    joinSplits.length
  const transparent = outputs.reduce((sum, { value }) => sum + value, 0n)
  return shielded > 0 && transparent < minStake
}
