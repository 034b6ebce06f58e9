import { bytesToHex } from '../../../protocol/index.ts'
import { serializeBlock } from '../../chain/formats/block.ts'
import { doubleSha256 } from '../../chain/formats/hashes.ts'
import { merkleRoot } from '../../chain/formats/merkle.ts'
import { parseTransaction, serializeTransaction } from '../../chain/formats/transaction.ts'
import type { Transaction } from '../../chain/formats/types.ts'
import { commitmentOf } from './block-commitment.ts'
import { coinbaseFields } from './coinbase.ts'
import type { Mempool, MempoolEntry } from './mempool.ts'
import { type ChainParameters, maxBlockBytes, regtestBits } from './parameters.ts'

export interface BlockPlan {
  previousHash: Uint8Array
  height: number
  /** Seconds since 1970. */
  time: number
  minerScript: Uint8Array
  entries: readonly Pick<MempoolEntry, 'transaction' | 'fee'>[]
  /** Makes two blocks of one height differ. */
  extraNonce: number
}

/** Room for the header, the coinbase and the count of transactions. */
const reservedBytes = 10_000

/** Waiting transactions for one block, in order of arrival; what does not fit waits, and what spends it too. */
export const chooseTransactions = (mempool: Mempool): MempoolEntry[] => {
  const chosen: MempoolEntry[] = []
  const waiting = new Set<string>()
  let bytesLeft = maxBlockBytes - reservedBytes
  for (const entry of mempool.entries()) {
    const { transaction } = entry
    const needsWaiting = transaction.inputs.some(({ previousTxid }) => waiting.has(bytesToHex(previousTxid)))
    if (needsWaiting || transaction.bytes.length > bytesLeft) {
      waiting.add(bytesToHex(transaction.txid))
      continue
    }
    bytesLeft -= transaction.bytes.length
    chosen.push(entry)
  }
  return chosen
}

/** A whole block. Proof of work is off, so the solution is zeros. */
export const assembleBlock = (parameters: ChainParameters, plan: BlockPlan): Uint8Array => {
  const { time, previousHash, entries, extraNonce } = plan
  const fees = entries.reduce((sum, { fee }) => sum + fee, 0n)
  const bytes = serializeTransaction(coinbaseFields(parameters, { ...plan, fees }))
  const transactions: Transaction[] = [
    parseTransaction(bytes, parameters.family),
    ...entries.map(({ transaction }) => transaction),
  ]
  return serializeBlock({
    family: parameters.family,
    header: {
      version: 4,
      previousHash,
      merkleRoot: merkleRoot(transactions.map(({ txid }) => txid)).root,
      commitment: commitmentOf(parameters, plan.height, transactions),
      time,
      bits: regtestBits,
      nonce: nonceOf(extraNonce),
      // Equihash 48,5 of the regtest networks.
      solution: new Uint8Array(36),
    },
    transactions,
    certificates: [],
  })
}

/** Block 0: its coinbase pays nobody and holds a word about the chain. */
export const assembleGenesis = (parameters: ChainParameters): Uint8Array => {
  const { family, network, startTime, treasury } = parameters
  const label = `Secnode embedded chain ${family} ${network} ${startTime}`
  const tag = doubleSha256(treasury?.script ?? new Uint8Array())
  return assembleBlock(
    { ...parameters, minerReward: 0n, treasury: null },
    {
      previousHash: new Uint8Array(32),
      height: 0,
      time: startTime,
      minerScript: Uint8Array.of(0x6a, label.length, ...new TextEncoder().encode(label)),
      entries: [],
      extraNonce: Buffer.from(tag).readUInt32LE(),
    },
  )
}

const nonceOf = (extraNonce: number): Uint8Array => {
  const nonce = new Uint8Array(32)
  new DataView(nonce.buffer).setUint32(0, extraNonce, true)
  return nonce
}
