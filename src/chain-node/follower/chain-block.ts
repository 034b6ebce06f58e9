import {
  type AnchorCandidate,
  type ChainBlock,
  type ChainPayment,
  type ChainTransaction,
  type Genesis,
  type Height,
  isAnchorCandidate,
  isAnnouncementCandidate,
  memoPrefix,
  outpointKey,
  type OutpointKey,
  type Params,
} from '../../../protocol/index.ts'
import { classifyScript } from '../../chain/formats/script.ts'
import type { Block, Transaction, TransactionInput } from '../../chain/formats/types.ts'
import { memoText } from '../../chain/notes/memo.ts'
import { memosOf } from '../../chain/notes/transaction-memos.ts'
import type { Network } from '../../chain/profiles.ts'
import { nextTurn } from '../../async/slices.ts'

/**
 * What the rules see of a block (R-CHAIN-4): P2PKH outputs, spends, and the memos of candidates only.
 * Decryption of many outputs takes long: the event loop gets its turn after each candidate.
 */
export const chainBlockOf = async (
  network: Network,
  block: Block,
  height: Height,
  /** What an anchor's transaction must show, inside an anchor window; null outside. */
  anchorParams: Pick<Params, 'anchorBond'> | null,
): Promise<{ chainBlock: ChainBlock; anchorCandidates: AnchorCandidate[] }> => {
  const { genesis } = network.profile
  const transactions: ChainTransaction[] = []
  const anchorCandidates: AnchorCandidate[] = []
  for (const [index, transaction] of block.transactions.entries()) {
    const payments = paymentsOf(transaction)
    let memo: string | null = null
    const mayAnchor = anchorParams !== null && isAnchorCandidate(anchorParams, largestOutput(transaction))
    if (mayAnchor || mayAnnounce(genesis, payments)) {
      memo = memoThatCounts(network, transaction)
      await nextTurn()
      if (mayAnchor && memo !== null) anchorCandidates.push({ index, memo })
    }
    transactions.push({ spends: spendsOf(transaction.inputs, transaction.isCoinbase), payments, memo })
  }
  const chainBlock = {
    height,
    hash: block.header.hash,
    previousHash: block.header.previousHash,
    time: block.header.time,
    transactions,
    certificateSpends: block.certificates.flatMap(({ inputs }) => spendsOf(inputs, false)),
  }
  return { chainBlock, anchorCandidates }
}

const largestOutput = ({ outputs }: Transaction): bigint =>
  outputs.reduce((most, { value }) => (value > most ? value : most), 0n)

const mayAnnounce = (genesis: Genesis, payments: readonly ChainPayment[]): boolean =>
  isAnnouncementCandidate(genesis, { payments })

/** R-CHAIN-4: the first text in pool order that begins with our word. */
export const memoThatCounts = ({ viewingKeys }: Network, transaction: Transaction): string | null => {
  for (const { memo } of memosOf(transaction, viewingKeys)) {
    const text = memoText(memo)
    if (text?.startsWith(memoPrefix) === true) return text
  }
  return null
}

export const paymentsOf = (transaction: Transaction): ChainPayment[] =>
  transaction.outputs.flatMap(({ value, script }, index) => {
    const template = classifyScript(script, transaction.family)
    return template.kind === 'p2pkh'
      ? [{ outpoint: outpointKey(transaction.txid, index), payee: template.hash160, value }]
      : []
  })

const spendsOf = (inputs: readonly TransactionInput[], isCoinbase: boolean): OutpointKey[] =>
  isCoinbase ? [] : inputs.map(({ previousTxid, previousIndex }) => outpointKey(previousTxid, previousIndex))
