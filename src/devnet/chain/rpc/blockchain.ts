import { bytesToHex, hexToBytes, reversedHex } from '../../../../protocol/index.ts'
import type { BlockEntry } from '../block-tree.ts'
import type { Coin } from '../coin.ts'
import { outpointKey, unconfirmedHeight } from '../coins.ts'
import { branchIdAt } from '../parameters.ts'
import { coinsJson } from './amount-json.ts'
import {
  blockHeaderJson,
  blockJson,
  chainwork,
  confirmationsOf,
  difficulty,
  poolJson,
  supplyJson,
  zebradPoolsJson,
} from './block-json.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'
import { fail } from './errors.ts'
import {
  hexProblem,
  optional,
  readBoolean,
  readHash,
  readInteger,
  readText,
  readVerbosity,
} from './params.ts'
import { scriptPublicKeyJson } from './script-json.ts'

/** Reading the chain. */
export const blockchainMethods = (context: NodeContext): RpcMethods => {
  const { chain } = context
  const { tree } = chain
  return {
    getblockchaininfo: {
      usage: 'getblockchaininfo',
      minParams: 0,
      maxParams: 0,
      run: () => (context.dialect === 'zend' ? zendInfo(context) : zebradInfo(context)),
    },
    getblockcount: { usage: 'getblockcount', minParams: 0, maxParams: 0, run: () => chain.tip.height },
    getbestblockhash: {
      usage: 'getbestblockhash',
      minParams: 0,
      maxParams: 0,
      run: () => reversedHex(chain.tip.hash),
    },
    getdifficulty: { usage: 'getdifficulty', minParams: 0, maxParams: 0, run: () => difficulty },
    getblockhash: {
      usage: 'getblockhash index',
      minParams: 1,
      maxParams: 1,
      run: ([index]) => reversedHex(entryOfIndex(context, readInteger(index)).hash),
    },
    getblockheader: {
      usage: 'getblockheader "hash" ( verbose )',
      minParams: 1,
      maxParams: 2,
      run: ([which, verbose]) => {
        const entry =
          context.dialect === 'zend'
            ? entryOf(context, readHash(which, 'hash'))
            : findEntry(context, which, 'block height not in best chain')
        return optional(verbose, readBoolean, true)
          ? blockHeaderJson(context, entry)
          : bytesToHex(entry.header.bytes)
      },
    },
    getblock: {
      usage: 'getblock "hash|height" ( verbosity )',
      minParams: 1,
      maxParams: 2,
      run: ([which, verbosity]) => {
        const level = optional(verbosity, verbosityOf(context), 1)
        const entry = findEntry(
          context,
          which,
          level === 0 ? 'Block not found' : 'block height not in best chain',
        )
        return level === 0 ? bytesToHex(entry.bytes) : blockJson(context, entry, level === 1 ? 1 : 2)
      },
    },
    gettxout: {
      usage: 'gettxout "txid" n ( includemempool )',
      minParams: 2,
      // zend has a fourth for immature backward transfers of sidechains.
      maxParams: 4,
      run: ([txid, index, includeMempool]) => {
        const outpoint = outpointKey(readTxid(context, txid), readIndex(context, index))
        const view = optional(includeMempool, readBoolean, true) ? chain.mempool.view : tree.coins
        const coin = view.coin(outpoint)
        return coin === undefined ? null : coinJson(context, coin)
      },
    },
  }
}

/** The best chain's block of a height. zebrad counts negative heights from the tip, -1 being the tip. */
const entryAt = ({ chain, dialect }: NodeContext, height: number): BlockEntry | undefined =>
  chain.tree.at(dialect === 'zebrad' && height < 0 ? chain.tip.height + 1 + height : height)

/** Of `getblockhash`. */
const entryOfIndex = (context: NodeContext, index: number): BlockEntry => {
  const entry = entryAt(context, index)
  if (entry !== undefined) return entry
  if (context.dialect === 'zend') return fail('parameter', 'Block height out of range')
  return index < 0
    ? fail('misc', 'Provided negative index ends up with a negative height')
    : fail('misc', 'Provided index is greater than the current tip')
}

const entryOf = ({ chain }: NodeContext, hash: Uint8Array): BlockEntry =>
  chain.tree.entry(hash) ?? fail('addressOrKey', 'Block not found')

/**
 * A block by its hash, or by its height written as a string: a JSON number is an error on all nodes of the family.
 * zebrad says `whenUnknown`: -8 for a raw block, however it was asked for, and by what is asked else.
 */
const findEntry = (context: NodeContext, which: unknown, whenUnknown: string): BlockEntry => {
  const { chain, dialect } = context
  const text = readText(which)
  if (/^[0-9a-fA-F]{64}$/.test(text)) {
    const entry = chain.tree.entry(hexToBytes(text).reverse())
    if (entry !== undefined) return entry
    const isRaw = dialect === 'zebrad' && whenUnknown === 'Block not found'
    return fail(isRaw ? 'parameter' : 'addressOrKey', dialect === 'zebrad' ? whenUnknown : 'Block not found')
  }
  const isHeight = dialect === 'zebrad' ? /^-?\d{1,9}$/.test(text) : /^\d{1,9}$/.test(text)
  if (!isHeight) {
    return fail(
      'parameter',
      dialect === 'zebrad'
        ? 'parse error: could not convert the input string to a hash or height'
        : 'Invalid block height parameter',
    )
  }
  const entry = entryAt(context, Number(text))
  return entry ?? fail('parameter', dialect === 'zebrad' ? whenUnknown : 'Block height out of range')
}

/** zebrad takes no boolean, and a third level that adds what was spent; here it is the second. */
const verbosityOf =
  ({ dialect }: NodeContext) =>
  (value: unknown): number => {
    if (dialect === 'zend') return readVerbosity(value)
    const level = readInteger(value)
    return level < 0 || level > 3 ? fail('parameter', 'invalid verbosity value') : level
  }

const readTxid = ({ dialect }: NodeContext, value: unknown): Uint8Array => {
  const problem = dialect === 'zebrad' ? hexProblem(readText(value), 32) : null
  return problem === null ? readHash(value, 'txid') : fail('parameter', problem)
}

/** Negative ones zebrad takes for a wrong type. */
const readIndex = ({ dialect }: NodeContext, value: unknown): number => {
  const index = readInteger(value)
  return index < 0 && dialect === 'zebrad' ? fail('misc', 'Invalid params') : index
}

const chainNames = { main: 'main', test: 'test', regtest: 'regtest' } as const
/** zebrad names a regtest like the test network. */
const zebradChainNames = { ...chainNames, regtest: 'test' } as const

const zendInfo = ({ chain }: NodeContext): unknown => {
  const { tip, parameters } = chain
  return {
    chain: chainNames[parameters.network],
    blocks: tip.height,
    headers: tip.height,
    bestblockhash: reversedHex(tip.hash),
    difficulty,
    verificationprogress: 1,
    chainwork: chainwork(tip),
    pruned: false,
    commitments: 0,
    valuePools: [poolJson('sprout', tip.pools.sprout, null)],
    softforks: [2, 3, 4].map((version) => ({
      id: { 2: 'bip34', 3: 'bip66', 4: 'bip65' }[version],
      version,
      enforce: { status: true, found: 1000, required: 750, window: 1000 },
      reject: { status: true, found: 1000, required: 950, window: 1000 },
    })),
  }
}

const zebradInfo = ({ chain }: NodeContext): unknown => {
  const { tip, parameters } = chain
  return {
    chain: zebradChainNames[parameters.network],
    blocks: tip.height,
    headers: tip.height,
    difficulty,
    verificationprogress: 1,
    chainwork: 0,
    pruned: false,
    size_on_disk: 0,
    commitments: tip.trees.sapling + tip.trees.orchard + tip.trees.ironwood,
    bestblockhash: reversedHex(tip.hash),
    estimatedheight: tip.height,
    chainSupply: supplyJson(tip.pools),
    valuePools: zebradPoolsJson(tip.pools, null),
    upgrades: Object.fromEntries(
      parameters.upgrades.map(({ name, branchId, height }) => [
        branchText(branchId),
        { name, activationheight: height, status: height <= tip.height ? 'active' : 'pending' },
      ]),
    ),
    consensus: {
      chaintip: branchText(branchIdAt(parameters, tip.height)),
      nextblock: branchText(branchIdAt(parameters, tip.height + 1)),
    },
  }
}

const branchText = (branchId: number): string => branchId.toString(16).padStart(8, '0')

/** zend keeps silent about immature coinbases; zebrad and zcashd do not. */
const coinJson = (context: NodeContext, coin: Coin): unknown => {
  const { chain, dialect } = context
  const { parameters, tip } = chain
  const isUnconfirmed = coin.height === unconfirmedHeight
  const confirmations = isUnconfirmed ? 0 : confirmationsOf(context, chain.tree.at(coin.height)!)
  if (dialect === 'zend' && coin.isCoinbase && confirmations < parameters.coinbaseMaturity) return null
  const version = transactionVersion(context, coin)
  const common = {
    bestblock: reversedHex(tip.hash),
    confirmations,
    value: coinsJson(coin.value),
    scriptPubKey: scriptPublicKeyJson(coin.script, parameters),
    version,
  }
  return dialect === 'zend'
    ? { ...common, certificate: false, coinbase: coin.isCoinbase, backwardtransfer: false }
    : { ...common, coinbase: coin.isCoinbase }
}

const transactionVersion = ({ chain }: NodeContext, coin: Coin): number => {
  const waiting = chain.mempool.get(coin.txid)
  if (waiting !== undefined) return waiting.transaction.version
  const { entry, position } = chain.tree.locate(coin.txid)!
  return chain.tree.parse(entry).transactions[position]!.version
}
