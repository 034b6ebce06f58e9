import { bytesToHex, reversedHex } from '../../../../protocol/index.ts'
import type { BlockEntry } from '../block-tree.ts'
import type { PoolValues } from '../coins.ts'
import { isUpgradeActive } from '../parameters.ts'
import { coinsJson } from './amount-json.ts'
import type { NodeContext } from './context.ts'
import { type TransactionPlace, zebradTransactionJson, zendTransactionJson } from './transaction-json.ts'

type Json = Record<string, unknown>

const zeroHash = '00'.repeat(32)

/** Blocks from this one to the tip, itself counted; -1 off the best chain. */
export const confirmationsOf = ({ chain }: NodeContext, entry: BlockEntry): number =>
  chain.tree.isActive(entry) ? chain.tip.height - entry.height + 1 : -1

export const placeOf = (context: NodeContext, entry: BlockEntry): TransactionPlace => ({
  entry,
  isActive: context.chain.tree.isActive(entry),
  confirmations: Math.max(0, confirmationsOf(context, entry)),
})

/** `getblockheader` with verbose = true. */
export const blockHeaderJson = (context: NodeContext, entry: BlockEntry): Json => {
  const { header, height } = entry
  return {
    hash: reversedHex(entry.hash),
    confirmations: confirmationsOf(context, entry),
    height,
    version: header.version,
    merkleroot: reversedHex(header.merkleRoot),
    ...(context.dialect === 'zebrad' ? commitmentsJson(entry) : {}),
    time: header.time,
    nonce: reversedHex(header.nonce),
    solution: bytesToHex(header.solution),
    bits: bitsText(entry),
    difficulty,
    ...(context.dialect === 'zend' ? { chainwork: chainwork(entry), ...sidechainJson(entry) } : {}),
    ...neighboursJson(context, entry),
  }
}

/** `getblock` with verbosity 1 (txids) or 2 (transactions). */
export const blockJson = (context: NodeContext, entry: BlockEntry, verbosity: 1 | 2): Json =>
  context.dialect === 'zend'
    ? zendBlockJson(context, entry, verbosity)
    : zebradBlockJson(context, entry, verbosity)

const zendBlockJson = (context: NodeContext, entry: BlockEntry, verbosity: 1 | 2): Json => {
  const { header } = entry
  const { parameters, tree } = context.chain
  const { scCumTreeHash, scTxsCommitment } = sidechainJson(entry)
  return {
    hash: reversedHex(entry.hash),
    confirmations: confirmationsOf(context, entry),
    size: entry.bytes.length,
    height: entry.height,
    version: header.version,
    merkleroot: reversedHex(header.merkleRoot),
    scTxsCommitment,
    tx:
      verbosity === 1
        ? entry.txids.map(reversedHex)
        : tree.parse(entry).transactions.map((transaction) => zendTransactionJson(transaction, parameters)),
    time: header.time,
    nonce: reversedHex(header.nonce),
    solution: bytesToHex(header.solution),
    bits: bitsText(entry),
    difficulty,
    chainwork: chainwork(entry),
    anchor: zeroHash,
    scCumTreeHash,
    valuePools: [poolJson('sprout', entry.pools.sprout, deltaOf(entry, 'sprout'))],
    ...neighboursJson(context, entry),
  }
}

const zebradBlockJson = (context: NodeContext, entry: BlockEntry, verbosity: 1 | 2): Json => {
  const { header } = entry
  const { parameters, tree } = context.chain
  const place = placeOf(context, entry)
  return {
    hash: reversedHex(entry.hash),
    confirmations: confirmationsOf(context, entry),
    size: entry.bytes.length,
    height: entry.height,
    version: header.version,
    merkleroot: reversedHex(header.merkleRoot),
    ...commitmentsJson(entry),
    ...(isUpgradeActive(parameters, 'NU5', entry.height) ? { finalorchardroot: zeroHash } : {}),
    nTx: entry.txids.length,
    tx:
      verbosity === 1
        ? entry.txids.map(reversedHex)
        : tree
            .parse(entry)
            .transactions.map((transaction) => zebradTransactionJson(transaction, place, parameters)),
    time: header.time,
    nonce: reversedHex(header.nonce),
    solution: bytesToHex(header.solution),
    bits: bitsText(entry),
    difficulty,
    chainSupply: supplyJson(entry.pools),
    valuePools: zebradPoolsJson(entry.pools, entry.previous?.pools ?? null),
    trees: Object.fromEntries(
      Object.entries(entry.trees)
        .filter(([, size]) => size > 0)
        .map(([pool, size]) => [pool, { size }]),
    ),
    ...neighboursJson(context, entry),
  }
}

/** The pools in zebrad's order. `before` gives the deltas of a block; null leaves them out. */
export const zebradPoolsJson = (pools: PoolValues, before: PoolValues | null): Json[] =>
  (['transparent', 'sprout', 'sapling', 'orchard', 'lockbox', 'ironwood'] as const).map((id) =>
    id === 'lockbox'
      ? poolJson(id, 0n, before === null ? null : 0n)
      : poolJson(id, pools[id], before === null ? null : pools[id] - before[id]),
  )

export const supplyJson = (pools: PoolValues): Json => {
  const total = Object.values(pools).reduce((sum, value) => sum + value, 0n)
  return { chainValue: coinsJson(total), chainValueZat: Number(total), monitored: total > 0n }
}

export const poolJson = (id: string, value: bigint, delta: bigint | null): Json => ({
  id,
  monitored: value > 0n,
  chainValue: coinsJson(value),
  chainValueZat: Number(value),
  ...(delta === null ? {} : { valueDelta: coinsJson(delta), valueDeltaZat: Number(delta) }),
})

const deltaOf = (entry: BlockEntry, pool: keyof PoolValues): bigint =>
  entry.pools[pool] - (entry.previous?.pools[pool] ?? 0n)

/** The trees of note commitments are not kept, so their roots are zeros (`block-assembly.ts`). */
const commitmentsJson = ({ header }: BlockEntry): Json => ({
  blockcommitments: reversedHex(header.commitment),
  finalsaplingroot: zeroHash,
})

const sidechainJson = ({ header }: BlockEntry): { scTxsCommitment: string; scCumTreeHash: string } => ({
  scTxsCommitment: reversedHex(header.commitment),
  scCumTreeHash: zeroHash,
})

const neighboursJson = ({ chain }: NodeContext, entry: BlockEntry): Json => {
  const next = chain.tree.isActive(entry) ? chain.tree.at(entry.height + 1) : undefined
  return {
    ...(entry.previous === null ? {} : { previousblockhash: reversedHex(entry.previous.hash) }),
    ...(next === undefined ? {} : { nextblockhash: reversedHex(next.hash) }),
  }
}

const bitsText = ({ header }: BlockEntry): string => header.bits.toString(16).padStart(8, '0')

/** Every block has the least difficulty of the network. */
export const difficulty = 1

/** floor(2^256 / (target + 1)) of bits 0x200f0f0f. */
const workPerBlock = 17n

export const chainwork = (entry: BlockEntry): string =>
  (workPerBlock * BigInt(entry.height + 1)).toString(16).padStart(64, '0')
