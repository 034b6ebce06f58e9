import { bytesToHex } from '../../../protocol/index.ts'
import { hasValidMerkleRoot, parseBlock } from '../../chain/formats/block.ts'
import { ChainFormatError } from '../../chain/formats/reader.ts'
import type { Block, BlockHeader } from '../../chain/formats/types.ts'
import { checkBlock, checkBlockSpends } from './block-rules.ts'
import {
  type BlockUndo,
  type Coins,
  createCoins,
  emptyPools,
  emptyTrees,
  type PoolValues,
  shieldedDeltas,
  type TreeSizes,
} from './coins.ts'
import { type ChainParameters, maxBlockBytes } from './parameters.ts'
import { duplicate, invalid, type Rejection } from './rejection.ts'
import type { RuleContext } from './rule-context.ts'

/** A block that was accepted into the tree; on the best chain or not. */
export interface BlockEntry {
  readonly hash: Uint8Array
  readonly height: number
  /** Null for the genesis block. */
  readonly previous: BlockEntry | null
  readonly header: BlockHeader
  /** The whole block. */
  readonly bytes: Uint8Array
  readonly txids: readonly Uint8Array[]
  /** Money and note commitments after the block; known once it was connected. */
  readonly pools: PoolValues
  readonly trees: TreeSizes
}

/** What one change of the best chain took off (top first) and put on (bottom first). */
export interface TipChange {
  disconnected: readonly { entry: BlockEntry; block: Block }[]
  connected: readonly { entry: BlockEntry; block: Block }[]
}

export type BlockVerdict = { is: 'accept'; entry: BlockEntry } | { is: 'reject'; rejection: Rejection }

/**
 * Every block seen and which chain of them is best: the one with most work, which is the longest since all blocks
 * have the same difficulty; of two equally long the one whose tip was seen first.
 */
export interface BlockTree {
  readonly parameters: ChainParameters
  readonly genesis: BlockEntry
  readonly tip: BlockEntry
  /** State after the tip. */
  readonly coins: Coins
  entry(hash: Uint8Array): BlockEntry | undefined
  /** Of the best chain. */
  at(height: number): BlockEntry | undefined
  isActive(entry: BlockEntry): boolean
  /** Where on the best chain a transaction is. */
  locate(txid: Uint8Array): { entry: BlockEntry; position: number } | undefined
  parse(entry: BlockEntry): Block
  /** Median of the times of this block and the 10 before it, seconds since 1970. */
  medianTime(entry: BlockEntry): number
  /** For a transaction in the block after the tip. */
  nextContext(): RuleContext
  /** Judges a block, puts it into the tree, and moves the tip if it makes the best chain. */
  accept(bytes: Uint8Array): BlockVerdict
  /** Takes the block and all on top of it out of the running. Throws a RangeError for the genesis block. */
  invalidate(entry: BlockEntry): void
  /** Undoes `invalidate` for the block, its ancestors and all on top of it. */
  reconsider(entry: BlockEntry): void
  /** Entries in the order in which they were seen, each after its parent. */
  entries(): Iterable<BlockEntry>
  onTipChange(listener: (change: TipChange) => void): () => void
}

/** `entry` with what only the tree may touch. */
interface TreeNode extends BlockEntry {
  previous: TreeNode | null
  pools: PoolValues
  trees: TreeSizes
  invalidFor: Rejection | null
  undo: BlockUndo | null
}

const medianBlocks = 11

export const createBlockTree = (parameters: ChainParameters, genesisBytes: Uint8Array): BlockTree => {
  const coins = createCoins(parameters.family)
  const nodes = new Map<string, TreeNode>()
  const active: TreeNode[] = []
  const placeByTxid = new Map<string, { entry: TreeNode; position: number }>()
  const listeners = new Set<(change: TipChange) => void>()
  const signatureCache = new Set<string>()

  const tip = (): TreeNode => active.at(-1)!
  const isActive = (entry: BlockEntry): boolean => active[entry.height] === entry
  const nodeOf = (entry: BlockEntry): TreeNode => {
    const node = nodes.get(bytesToHex(entry.hash))
    if (node !== entry) throw new RangeError('a block of another chain')
    return node
  }

  const medianTime = (entry: BlockEntry): number => {
    const times: number[] = []
    for (let at: BlockEntry | null = entry; at !== null && times.length < medianBlocks; at = at.previous) {
      times.push(at.header.time)
    }
    return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!
  }

  const contextAfter = (entry: BlockEntry): RuleContext => ({
    parameters,
    height: entry.height + 1,
    medianTime: medianTime(entry),
    blockHashAt: (height) => active[height]?.hash,
    signatureCache,
  })

  const connect = (node: TreeNode, block: Block): Rejection | null => {
    const parent = tip()
    const verdict = checkBlockSpends(block, coins, contextAfter(parent))
    if (verdict !== null) return verdict
    node.undo = coins.connect(block.transactions, node.height)
    node.pools = poolsAfter(parent.pools, block, node.undo)
    node.trees = treesAfter(parent.trees, block)
    active.push(node)
    for (const [position, txid] of node.txids.entries()) {
      placeByTxid.set(bytesToHex(txid), { entry: node, position })
    }
    return null
  }

  const disconnectTip = (): { entry: TreeNode; block: Block } => {
    const node = active.pop()!
    const block = parseBlock(node.bytes, parameters.family)
    coins.disconnect(block.transactions, node.height, node.undo!)
    node.undo = null
    for (const txid of node.txids) placeByTxid.delete(bytesToHex(txid))
    return { entry: node, block }
  }

  /** The tip that ought to be: among the blocks with only valid ones below them, the highest, first seen. */
  const bestNode = (): TreeNode => {
    const excluded = new Set<TreeNode>()
    let best = active[0]!
    for (const node of nodes.values()) {
      if (node.invalidFor !== null || (node.previous !== null && excluded.has(node.previous)))
        excluded.add(node)
      else if (node.height > best.height) best = node
    }
    return best
  }

  /** Moves the tip to `target`, or as near as valid blocks allow, and tells the listeners once. */
  const activate = (firstTarget: TreeNode): void => {
    const disconnected: { entry: BlockEntry; block: Block }[] = []
    const connected: { entry: BlockEntry; block: Block }[] = []
    for (let target = firstTarget; tip() !== target; target = bestNode()) {
      const path: TreeNode[] = []
      for (let at = target; !isActive(at); at = at.previous!) path.push(at)
      const fork = path.at(-1)?.previous ?? target
      while (tip() !== fork) {
        const off = disconnectTip()
        // A branch that was put on and failed further up leaves no trace for the listeners.
        if (connected.at(-1)?.entry === off.entry) connected.pop()
        else disconnected.push(off)
      }
      for (const node of path.toReversed()) {
        const block = parseBlock(node.bytes, parameters.family)
        node.invalidFor = connect(node, block)
        if (node.invalidFor !== null) break
        if (disconnected.at(-1)?.entry === node) disconnected.pop()
        else connected.push({ entry: node, block })
      }
    }
    if (disconnected.length + connected.length === 0) return
    for (const listener of listeners) listener({ disconnected, connected })
  }

  const insert = (block: Block, bytes: Uint8Array, previous: TreeNode | null): TreeNode => {
    const node: TreeNode = {
      hash: block.header.hash,
      height: previous === null ? 0 : previous.height + 1,
      previous,
      header: block.header,
      bytes,
      txids: block.transactions.map(({ txid }) => txid),
      pools: emptyPools,
      trees: emptyTrees,
      invalidFor: null,
      undo: null,
    }
    nodes.set(bytesToHex(node.hash), node)
    return node
  }

  /** The rejection that keeps a block out, its own or one of a block below it. */
  const invalidityOf = (node: TreeNode): Rejection | null => {
    for (let at: TreeNode | null = node; at !== null && !isActive(at); at = at.previous) {
      if (at.invalidFor !== null) return at.invalidFor
    }
    return null
  }

  const accept = (bytes: Uint8Array): BlockVerdict => {
    const reject = (rejection: Rejection): BlockVerdict => ({ is: 'reject', rejection })
    if (bytes.length > maxBlockBytes) return reject(invalid('bad-blk-length'))
    const copy = Uint8Array.from(bytes)
    let block: Block
    try {
      block = parseBlock(copy, parameters.family)
    } catch (error) {
      if (error instanceof ChainFormatError) return reject(invalid('bad-blk-encoding'))
      throw error
    }
    if (!hasValidMerkleRoot(block)) return reject(invalid('bad-txnmrklroot'))
    if (nodes.has(bytesToHex(block.header.hash))) return reject(duplicate('duplicate'))
    const previous = nodes.get(bytesToHex(block.header.previousHash))
    if (previous === undefined) return reject(invalid('bad-prevblk'))
    if (invalidityOf(previous) !== null) return reject(invalid('bad-prevblk'))
    const rejection = checkBlock(block, contextAfter(previous))
    if (rejection !== null) return reject(rejection)
    const node = insert(block, copy, previous)
    if (node.height > tip().height) activate(node)
    const failure = invalidityOf(node)
    return failure === null ? { is: 'accept', entry: node } : reject(failure)
  }

  const genesisBlock = parseBlock(genesisBytes, parameters.family)
  const genesis = insert(genesisBlock, genesisBytes, null)
  // As in Bitcoin, the genesis block's outputs are no coins.
  genesis.undo = { spent: [] }
  active.push(genesis)

  return {
    parameters,
    genesis,
    get tip() {
      return tip()
    },
    coins,
    entry: (hash) => nodes.get(bytesToHex(hash)),
    at: (height) => active[height],
    isActive,
    locate: (txid) => placeByTxid.get(bytesToHex(txid)),
    parse: (entry) => parseBlock(entry.bytes, parameters.family),
    medianTime,
    nextContext: () => contextAfter(tip()),
    accept,
    invalidate: (entry) => {
      const node = nodeOf(entry)
      if (node.previous === null) throw new RangeError('the genesis block cannot be invalidated')
      node.invalidFor = invalid('invalidateblock')
      activate(bestNode())
    },
    reconsider: (entry) => {
      const node = nodeOf(entry)
      for (let at: TreeNode | null = node; at !== null; at = at.previous) at.invalidFor = null
      const above = new Set<TreeNode>([node])
      for (const other of nodes.values()) {
        if (other.previous === null || !above.has(other.previous)) continue
        above.add(other)
        other.invalidFor = null
      }
      activate(bestNode())
    },
    entries: () => nodes.values(),
    onTipChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

const poolsAfter = (pools: PoolValues, block: Block, undo: BlockUndo): PoolValues => {
  const after = { ...pools }
  for (const transaction of block.transactions) {
    const delta = shieldedDeltas(transaction)
    after.sprout += delta.sprout
    after.sapling += delta.sapling
    after.orchard += delta.orchard
    after.ironwood += delta.ironwood
    for (const { value } of transaction.outputs) after.transparent += value
  }
  for (const { value } of undo.spent) after.transparent -= value
  return after
}

const treesAfter = (trees: TreeSizes, block: Block): TreeSizes => {
  const after = { ...trees }
  for (const { saplingOutputs, orchard, ironwood } of block.transactions) {
    after.sapling += saplingOutputs.length
    after.orchard += orchard?.actions.length ?? 0
    after.ironwood += ironwood?.actions.length ?? 0
  }
  return after
}
