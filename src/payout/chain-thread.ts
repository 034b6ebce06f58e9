import {
  equalBytes,
  followThread,
  type Height,
  isHandedOn,
  outpointKey,
  type Payer,
  type Thread,
} from '../../protocol/index.ts'
import { encodeAddress } from '../chain/address.ts'
import { createCheckedBlocks } from '../chain-node/checked-blocks.ts'
import { classifyScript } from '../chain/formats/script.ts'
import { parseTransaction } from '../chain/formats/transaction.ts'
import type { Block, ChainFamily, Transaction, TransactionOutput } from '../chain/formats/types.ts'
import type { Network } from '../chain/profiles.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { isRpcError } from '../chain-node/rpc/errors.ts'
import {
  getAddressTxids,
  getBlockCount,
  getBlockHeader,
  getTransactionPlace,
  getTxOut,
} from '../chain-node/rpc/methods.ts'
import { Bytes, hashText } from '../chain-node/rpc/values.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { type Outpoint, payoutTransactionOf } from './transactions.ts'

/** The thread as the chain of a node has it; what waits in its memory pool is not on it. */
export interface ChainThread {
  thread: Thread
  /** Who owns the output that starts it. */
  payer: Payer
  /** The output to be spent next; null if the thread was cut. */
  tip: (Outpoint & { output: TransactionOutput }) | null
  tipHeight: Height
}

export interface ThreadQuery {
  network: Network
  rpc: RpcClient
  /** R-PAY-2: the outpoint that starts the thread. */
  start: Outpoint
  /** Where to look for the start on a node that cannot look up transactions. */
  since: Height | null
  signal: AbortSignal
  onProgress?: (height: Height, tipHeight: Height) => void
}

/**
 * Follows a thread on a node's chain (R-PAY-2): by the node's address index if it has one, and through its blocks
 * otherwise, which are checked (R-CHAIN-1). Errors: PAYOUT_THREAD_START, PAYOUT_CHAIN_MOVES, CHAIN_NODE_LIES, and what
 * the RPC client throws.
 */
export const readThread = async (query: ThreadQuery): Promise<ChainThread> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readThreadOnce(query)
    } catch (error) {
      if (!isSecnodeError(error, 'PAYOUT_CHAIN_MOVES') || attempt === maxAttempts) throw error
    }
  }
}

/** Reorganisations in a row that are waited out. */
const maxAttempts = 3
/** Between two reports of progress. */
const blocksPerReport = 200
const maxFetches = 8
/** A transaction of 1,000 payees is 70 kB of hex: 1.4 MB in one answer. */
const transactionsPerCall = 20

const readThreadOnce = async (query: ThreadQuery): Promise<ChainThread> => {
  const { network, rpc, start, signal } = query
  const tipHeight = await getBlockCount(rpc, { signal })
  const origin = (await lookUp(query, start.txid)) ?? (await scanForStart(query, tipHeight))
  if (origin.height === null) throw threadStartError(start, 'is in no block yet', 3)
  const output = origin.transaction.outputs[start.index]
  const payer = output === undefined ? null : payerOf(output, network.facts.family)
  if (output === undefined || payer === null) {
    throw threadStartError(start, 'is no output to a P2PKH or P2SH address', 2)
  }
  const walk = createWalk({ ...start, height: origin.height, output }, payer)
  await walkByAddress(walk, query, payer, origin.height, tipHeight)
  if (!walk.isCut && !(await isUnspent(rpc, walk.position(), signal))) {
    const { txid, height } = walk.position()
    const from = height ?? (await lookUp(query, txid))?.height
    if (from === undefined || from === null) throw chainMoves()
    await walkThroughBlocks(walk, query, from, tipHeight)
  }
  const taken = walk.taken.map(payoutTransactionOf)
  const thread = followThread(outpointKey(start.txid, start.index), payer, taken)
  const position = walk.position()
  return {
    thread,
    payer,
    tip: thread.tip === null ? null : { txid: position.txid, index: position.index, output: position.output },
    tipHeight,
  }
}

interface Position extends Outpoint {
  /** Null if the node's index of addresses led there, which does not say. */
  height: Height | null
  output: TransactionOutput
}

interface Walk {
  /** The steps, and what cut the thread. */
  readonly taken: readonly Transaction[]
  readonly isCut: boolean
  position(): Position
  /** In chain order, any transactions. */
  take(transaction: Transaction, height: Height | null): void
}

/** Goes from each thread output to the next as the transactions come by. */
const createWalk = (start: Position, payer: Payer): Walk => {
  let position = start
  const taken: Transaction[] = []
  let isCut = false
  return {
    taken,
    get isCut() {
      return isCut
    },
    position: () => position,
    take: (transaction, height) => {
      if (isCut) return
      const { inputs, outputs, txid } = transaction
      const spending = inputs.findIndex(
        ({ previousTxid, previousIndex }) =>
          previousIndex === position.index && equalBytes(previousTxid, position.txid),
      )
      if (spending < 0) return
      taken.push(transaction)
      isCut = spending > 0 || !isHandedOn(payoutTransactionOf(transaction), payer)
      if (!isCut) position = { txid, index: 0, height, output: outputs[0]! }
    },
  }
}

const isUnspent = async (rpc: RpcClient, { txid, index }: Outpoint, signal: AbortSignal): Promise<boolean> =>
  (await getTxOut(rpc, txid, index, { includeMempool: false, signal })) !== null

const payerOf = ({ script }: TransactionOutput, family: ChainFamily): Payer | null => {
  const template = classifyScript(script, family)
  return template.kind === 'p2pkh' || template.kind === 'p2sh'
    ? { kind: template.kind, hash160: template.hash160 }
    : null
}

/** Null if the node does not know the transaction: without -txindex most do not. Height null: not in the chain. */
const lookUp = async (
  { network, rpc, signal }: ThreadQuery,
  txid: Uint8Array,
): Promise<{ transaction: Transaction; height: Height | null } | null> => {
  const place = await getTransactionPlace(rpc, txid, { signal })
  if (place === null) return null
  const transaction = parseTransaction(place.hex, network.facts.family)
  if (!equalBytes(transaction.txid, txid)) return null
  const { height, blockhash } = place
  if (height !== undefined && height >= 0) return { transaction, height }
  const header = blockhash === undefined ? null : await getBlockHeader(rpc, blockhash, { signal })
  return { transaction, height: header !== null && header.confirmations >= 0 ? header.height : null }
}

const scanForStart = async (
  query: ThreadQuery,
  tipHeight: Height,
): Promise<{ transaction: Transaction; height: Height }> => {
  const { start, since } = query
  if (since === null) throw threadStartError(start, 'is not known to this node', 3)
  for await (const { block, height } of blocksFrom(query, since, tipHeight)) {
    const transaction = block.transactions.find(({ txid }) => equalBytes(txid, start.txid))
    if (transaction !== undefined) return { transaction, height }
  }
  throw threadStartError(start, `is in no block from ${since} to ${tipHeight}`, 3)
}

/** By the transactions of the payer's address, as far as the node has an index of addresses. */
const walkByAddress = async (
  walk: Walk,
  query: ThreadQuery,
  payer: Payer,
  from: Height,
  tipHeight: Height,
): Promise<void> => {
  try {
    for await (const transaction of transactionsOfAddress(query, payer, from, tipHeight)) {
      walk.take(transaction, null)
    }
  } catch (error) {
    if (!isIndexMissing(error)) throw error
  }
}

/** Whether a node refused because it has no index of addresses. */
export const isIndexMissing = (error: unknown): boolean =>
  isRpcError(error, 'RPC_REFUSED') || isRpcError(error, 'RPC_METHOD_UNKNOWN')

/** The transactions that pay an address or spend what it owns, in chain order, by the node's index of addresses. */
export async function* transactionsOfAddress(
  { network, rpc, signal }: Pick<ThreadQuery, 'network' | 'rpc' | 'signal'>,
  owner: Payer,
  from: Height,
  to: Height,
): AsyncGenerator<Transaction, void, undefined> {
  const address = encodeAddress(network.profile.genesis.chain, owner)
  // zend and zcashd take no height 0 here.
  const txids = await getAddressTxids(rpc, [address], Math.max(1, from), Math.max(1, to), { signal })
  for (let at = 0; at < txids.length; at += transactionsPerCall) {
    const params = txids.slice(at, at + transactionsPerCall).map((txid) => [hashText(txid), 0])
    for (const bytes of await rpc.callMany('getrawtransaction', params, Bytes, { signal })) {
      yield parseTransaction(bytes, network.facts.family)
    }
  }
}

/** Block by block, until the output it stands at is unspent. */
const walkThroughBlocks = async (
  walk: Walk,
  query: ThreadQuery,
  from: Height,
  tipHeight: Height,
): Promise<void> => {
  for await (const { block, height } of blocksFrom(query, from, tipHeight)) {
    const takenBefore = walk.taken.length
    for (const transaction of block.transactions) walk.take(transaction, height)
    if (walk.isCut) return
    const hasMoved = walk.taken.length > takenBefore
    if (hasMoved && (await isUnspent(query.rpc, walk.position(), query.signal))) return
  }
}

/** Checked blocks from a height to the tip. Throws PAYOUT_CHAIN_MOVES when the node reorganises meanwhile. */
async function* blocksFrom(
  { network, rpc, signal, onProgress }: ThreadQuery,
  from: Height,
  tipHeight: Height,
): AsyncGenerator<{ block: Block; height: Height }, void, undefined> {
  const blocks = createCheckedBlocks(rpc, network.facts.family)
  const count = tipHeight - from + 1
  let read = 0
  for await (const checked of blocks.range(from, count, { maxAhead: maxFetches, signal })) {
    yield checked
    if (++read % blocksPerReport === 0 || read === count) onProgress?.(checked.height, tipHeight)
  }
  if (read < count) throw chainMoves()
}

const chainMoves = (): SecnodeError =>
  new SecnodeError('PAYOUT_CHAIN_MOVES', 'the chain of the node was reorganised while it was read', {
    hint: 'Run it again.',
    exitCode: 3,
  })

const threadStartError = ({ txid, index }: Outpoint, what: string, exitCode: 2 | 3): SecnodeError =>
  new SecnodeError('PAYOUT_THREAD_START', `the start of the thread, ${hashText(txid)}:${index}, ${what}`, {
    hint:
      exitCode === 2
        ? 'Check `threads` in the profile.'
        : 'Ask a node with -txindex that is in step, or name a block at or before the start with --since <height>.',
    exitCode,
  })
