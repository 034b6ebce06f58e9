import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type ChainBlock,
  type ChainPayment,
  type ChainTransaction,
  type Genesis,
  type Height,
  isAnnouncementCandidate,
  memoPrefix,
  outpointKey,
  type OutpointKey,
} from '../../../protocol/index.ts'
import { classifyScript } from '../formats/script.ts'
import type { Block, Transaction, TransactionInput } from '../formats/types.ts'
import { memoText } from '../notes/memo.ts'
import { saplingLeadBytes } from '../notes/sapling.ts'
import { memosOf } from '../notes/transaction-memos.ts'
import type { Network } from '../profiles.ts'

/**
 * What the rules see of a block (R-CHAIN-4): P2PKH outputs, spends, and the memos of announcement candidates only.
 * Decryption of many outputs takes long: the event loop gets its turn after each candidate.
 */
export const chainBlockOf = async (network: Network, block: Block, height: Height): Promise<ChainBlock> => {
  const { genesis } = network.profile
  const transactions: ChainTransaction[] = []
  for (const transaction of block.transactions) {
    const payments = paymentsOf(transaction)
    let memo: string | null = null
    if (mayAnnounce(genesis, payments)) {
      memo = memoThatCounts(network, transaction, height)
      await nextTurn()
    }
    transactions.push({ spends: spendsOf(transaction.inputs, transaction.isCoinbase), payments, memo })
  }
  return {
    height,
    hash: block.header.hash,
    previousHash: block.header.previousHash,
    time: block.header.time,
    transactions,
    certificateSpends: block.certificates.flatMap(({ inputs }) => spendsOf(inputs, false)),
  }
}

const mayAnnounce = (genesis: Genesis, payments: readonly ChainPayment[]): boolean =>
  isAnnouncementCandidate(genesis, { payments })

/** R-CHAIN-4: the first text in pool order that begins with our word. */
const memoThatCounts = (
  { viewingKeys, facts }: Network,
  transaction: Transaction,
  height: Height,
): string | null => {
  const leadBytes = saplingLeadBytes(height, facts.canopyHeight)
  for (const { memo } of memosOf(transaction, viewingKeys, leadBytes)) {
    const text = memoText(memo)
    if (text?.startsWith(memoPrefix) === true) return text
  }
  return null
}

const paymentsOf = (transaction: Transaction): ChainPayment[] =>
  transaction.outputs.flatMap(({ value, script }, index) => {
    const template = classifyScript(script, transaction.family)
    return template.kind === 'p2pkh'
      ? [{ outpoint: outpointKey(transaction.txid, index), payee: template.hash160, value }]
      : []
  })

const spendsOf = (inputs: readonly TransactionInput[], isCoinbase: boolean): OutpointKey[] =>
  isCoinbase ? [] : inputs.map(({ previousTxid, previousIndex }) => outpointKey(previousTxid, previousIndex))
