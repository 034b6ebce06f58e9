import { z } from 'zod'
import type { RpcCallOptions, RpcClient } from './client.ts'
import { isRpcError, rpcCodes } from './errors.ts'
import { Amount, Bytes, coins, Hash, hashText, Satoshis } from './values.ts'

/** Hashes go in and come out in internal byte order, amounts as base units in bigint, raw data as bytes. */

const Count = z.int().min(0).max(0xffff_ffff)

const BlockchainInfo = z.looseObject({
  chain: z.string(),
  blocks: Count,
  headers: Count.optional(),
  bestblockhash: Hash,
  verificationprogress: z.number().optional(),
  pruned: z.boolean().optional(),
  /** Zcash since Overwinter; ZEN has none. */
  upgrades: z.record(z.string(), z.looseObject({ name: z.string(), activationheight: Count })).optional(),
  consensus: z.looseObject({ chaintip: z.string(), nextblock: z.string() }).optional(),
})
export type BlockchainInfo = z.infer<typeof BlockchainInfo>

export const getBlockchainInfo = async (rpc: RpcClient, options?: RpcCallOptions): Promise<BlockchainInfo> =>
  rpc.call('getblockchaininfo', [], BlockchainInfo, options)

const NetworkInfo = z.looseObject({
  version: z.number(),
  /** `/zen:2.0.18/`, `/MagicBean:6.2.0/`, `/Zebra:4.1.0/`. */
  subversion: z.string(),
  protocolversion: z.number(),
  connections: Count.optional(),
})
export type NetworkInfo = z.infer<typeof NetworkInfo>

export const getNetworkInfo = async (rpc: RpcClient, options?: RpcCallOptions): Promise<NetworkInfo> =>
  rpc.call('getnetworkinfo', [], NetworkInfo, options)

/** Height of the tip. */
export const getBlockCount = async (rpc: RpcClient, options?: RpcCallOptions): Promise<number> =>
  rpc.call('getblockcount', [], Count, options)

export const getBestBlockHash = async (rpc: RpcClient, options?: RpcCallOptions): Promise<Uint8Array> =>
  rpc.call('getbestblockhash', [], Hash, options)

/** Null above the tip. */
export const getBlockHash = async (
  rpc: RpcClient,
  height: number,
  options?: RpcCallOptions,
): Promise<Uint8Array | null> => {
  try {
    return await nullIfUnknown(rpc.call('getblockhash', [height], Hash, options))
  } catch (error) {
    if (isAboveTip(error)) return null
    throw error
  }
}

/** Of `count` heights from `from` on; all of them must be there. */
export const getBlockHashes = async (
  rpc: RpcClient,
  from: number,
  count: number,
  options?: RpcCallOptions,
): Promise<Uint8Array[]> =>
  rpc.callMany(
    'getblockhash',
    Array.from({ length: count }, (_, i) => [from + i]),
    Hash,
    options,
  )

/**
 * The serialised block on the node's best chain at this height, or null above the tip. The same bytes on every node,
 * unlike the verbose forms. The height goes as a string: zend and zcashd take a number for a type error.
 */
export const getRawBlock = async (
  rpc: RpcClient,
  height: number,
  options?: RpcCallOptions,
): Promise<Uint8Array | null> => nullIfUnknown(rpc.call('getblock', [String(height), 0], Bytes, options))

/** The same for a block of this hash; null if the node does not have it. */
export const getRawBlockByHash = async (
  rpc: RpcClient,
  hash: Uint8Array,
  options?: RpcCallOptions,
): Promise<Uint8Array | null> => nullIfUnknown(rpc.call('getblock', [hashText(hash), 0], Bytes, options))

const BlockHeaderInfo = z.looseObject({
  hash: Hash,
  /** −1 off the best chain. */
  confirmations: z.int(),
  height: Count,
  merkleroot: Hash,
  time: Count,
  previousblockhash: Hash.optional(),
  nextblockhash: Hash.optional(),
})
export type BlockHeaderInfo = z.infer<typeof BlockHeaderInfo>

/** Null for a block that the node does not know. */
export const getBlockHeader = async (
  rpc: RpcClient,
  hash: Uint8Array,
  options?: RpcCallOptions,
): Promise<BlockHeaderInfo | null> =>
  nullIfUnknown(rpc.call('getblockheader', [hashText(hash), true], BlockHeaderInfo, options))

/** Null for one that the node does not know; without -txindex that is most of them. */
export const getRawTransaction = async (
  rpc: RpcClient,
  txid: Uint8Array,
  options?: RpcCallOptions,
): Promise<Uint8Array | null> =>
  nullIfUnknown(rpc.call('getrawtransaction', [hashText(txid), 0], Bytes, options))

const TransactionPlace = z.looseObject({
  hex: Bytes,
  blockhash: Hash.optional(),
  /** −1 or absent in the memory pool or off the best chain. */
  height: z.int().optional(),
  confirmations: z.int().optional(),
})
export type TransactionPlace = z.infer<typeof TransactionPlace>

export const getTransactionPlace = async (
  rpc: RpcClient,
  txid: Uint8Array,
  options?: RpcCallOptions,
): Promise<TransactionPlace | null> =>
  nullIfUnknown(rpc.call('getrawtransaction', [hashText(txid), 1], TransactionPlace, options))

const UnspentOutput = z.looseObject({
  bestblock: Hash,
  confirmations: Count,
  value: Amount,
  scriptPubKey: z.looseObject({ hex: Bytes }),
  coinbase: z.boolean(),
})
export type UnspentOutput = z.infer<typeof UnspentOutput>

/**
 * Null if spent, unknown, or (zend) an immature coinbase. What only the memory pool spends counts as spent, unless
 * `includeMempool` is false.
 */
export const getTxOut = async (
  rpc: RpcClient,
  txid: Uint8Array,
  index: number,
  options: RpcCallOptions & { includeMempool?: boolean } = {},
): Promise<UnspentOutput | null> => {
  const { includeMempool = true, ...call } = options
  return rpc.call('gettxout', [hashText(txid), index, includeMempool], UnspentOutput.nullable(), call)
}

/**
 * zebrad waits a minute for inputs that it does not know before it refuses, and says of the same transaction sent
 * again meanwhile only that it is queued.
 */
const sendTimes = { attemptMs: 90_000, deadlineMs: 120_000 }

/** How zcashd, zend and zebrad (the last two) say that they have exactly this transaction. */
const isKnownPattern =
  /already[- ](exists[- ])?in[- ](mempool|chain|block|state)|transaction was committed to the best chain/i

/** The txid. A transaction that is in the chain or the pool already is no error: sending again is safe. */
export const sendRawTransaction = async (
  rpc: RpcClient,
  bytes: Uint8Array,
  txid: Uint8Array,
  options?: RpcCallOptions,
): Promise<Uint8Array> => {
  const params = [Buffer.from(bytes).toString('hex')]
  try {
    return await rpc.call('sendrawtransaction', params, Hash, { ...sendTimes, ...options })
  } catch (error) {
    const isKnown =
      isRpcError(error, 'RPC_REFUSED') &&
      (error.rpcCode === rpcCodes.alreadyInChain || isKnownPattern.test(error.rpcMessage ?? ''))
    if (isKnown) return txid
    throw error
  }
}

const AddressUtxo = z.looseObject({
  address: z.string(),
  txid: Hash,
  outputIndex: Count,
  script: Bytes,
  satoshis: Satoshis,
  height: Count,
})
export type AddressUtxo = z.infer<typeof AddressUtxo>

/** Needs -addressindex (zend), -insightexplorer (zcashd); zebrad always has it. */
export const getAddressUtxos = async (
  rpc: RpcClient,
  addresses: readonly string[],
  options?: RpcCallOptions,
): Promise<AddressUtxo[]> => rpc.call('getaddressutxos', [{ addresses }], z.array(AddressUtxo), options)

/** In chain order, of the blocks from `start` to `end`; needs the same index. */
export const getAddressTxids = async (
  rpc: RpcClient,
  addresses: readonly string[],
  start: number,
  end: number,
  options?: RpcCallOptions,
): Promise<Uint8Array[]> => rpc.call('getaddresstxids', [{ addresses, start, end }], z.array(Hash), options)

const AddressBalance = z.looseObject({ balance: Satoshis, received: Satoshis })
export type AddressBalance = z.infer<typeof AddressBalance>

export const getAddressBalance = async (
  rpc: RpcClient,
  addresses: readonly string[],
  options?: RpcCallOptions,
): Promise<AddressBalance> => rpc.call('getaddressbalance', [{ addresses }], AddressBalance, options)

const AddressCheck = z.looseObject({
  isvalid: z.boolean(),
  address: z.string().optional(),
  isscript: z.boolean().optional(),
  ismine: z.boolean().optional(),
})
export type AddressCheck = z.infer<typeof AddressCheck>

export const validateAddress = async (
  rpc: RpcClient,
  address: string,
  options?: RpcCallOptions,
): Promise<AddressCheck> => rpc.call('validateaddress', [address], AddressCheck, options)

/** Base64 of 65 bytes; the wallet of the node must hold the address's key. */
export const signMessage = async (
  rpc: RpcClient,
  address: string,
  message: string,
  options?: RpcCallOptions,
): Promise<string> => rpc.call('signmessage', [address, message], z.string(), options)

/** A fresh transparent address of the node's wallet. */
export const getNewAddress = async (rpc: RpcClient, options?: RpcCallOptions): Promise<string> =>
  rpc.call('getnewaddress', [], z.string(), { ...options, isRepeatable: false })

/** Pays from the transparent wallet; the txid. */
export const sendMany = async (
  rpc: RpcClient,
  amountByAddress: Readonly<Record<string, bigint>>,
  minConfirmations: number,
  options?: RpcCallOptions,
): Promise<Uint8Array> => {
  const amounts = Object.fromEntries(
    Object.entries(amountByAddress).map(([address, amount]) => [address, coins(amount)]),
  )
  return rpc.call('sendmany', ['', amounts, minConfirmations], Hash, { ...options, isRepeatable: false })
}

export interface ShieldedPayment {
  from: string
  recipients: readonly { address: string; amount: bigint; memo?: Uint8Array }[]
  minConfirmations?: number
  /** Base units; null lets the wallet choose (zcashd since 5.5 and Zallet want that). */
  fee?: bigint | null
  /** zcashd and Zallet: a privacy policy; zend: whether change goes back to its source. */
  last?: string | boolean
}

/** The id of the wallet's operation; ask `zGetOperationResult` for its outcome. */
export const zSendMany = async (
  rpc: RpcClient,
  payment: ShieldedPayment,
  options?: RpcCallOptions,
): Promise<string> => {
  const recipients = payment.recipients.map(({ address, amount, memo }) => ({
    address,
    amount: coins(amount),
    ...(memo === undefined ? {} : { memo: Buffer.from(memo).toString('hex') }),
  }))
  const { fee } = payment
  const params: unknown[] = [payment.from, recipients, payment.minConfirmations ?? 1]
  if (fee !== undefined || payment.last !== undefined) {
    params.push(fee === undefined || fee === null ? null : coins(fee))
  }
  if (payment.last !== undefined) params.push(payment.last)
  return rpc.call('z_sendmany', params, z.string(), { ...options, isRepeatable: false })
}

const Operation = z.looseObject({
  id: z.string(),
  status: z.enum(['queued', 'executing', 'success', 'failed', 'cancelled']),
  result: z.looseObject({ txid: Hash.optional() }).nullish(),
  error: z.looseObject({ code: z.number(), message: z.string() }).nullish(),
})
export type Operation = z.infer<typeof Operation>

/** Of these operations, or of all; finished ones stay listed. */
export const zGetOperationStatus = async (
  rpc: RpcClient,
  ids?: readonly string[],
  options?: RpcCallOptions,
): Promise<Operation[]> =>
  rpc.call('z_getoperationstatus', ids === undefined ? [] : [ids], z.array(Operation), options)

/** Only finished ones, which the node then forgets: an answer that is lost is lost, so this is never repeated. */
export const zGetOperationResult = async (
  rpc: RpcClient,
  ids?: readonly string[],
  options?: RpcCallOptions,
): Promise<Operation[]> =>
  rpc.call('z_getoperationresult', ids === undefined ? [] : [ids], z.array(Operation), {
    ...options,
    isRepeatable: false,
  })

/** Regtest: mines blocks; their hashes. */
export const generate = async (
  rpc: RpcClient,
  count: number,
  options?: RpcCallOptions,
): Promise<Uint8Array[]> => rpc.call('generate', [count], z.array(Hash), { ...options, isRepeatable: false })

/** Null if the node took the block, else its reason. */
export const submitBlock = async (
  rpc: RpcClient,
  bytes: Uint8Array,
  options?: RpcCallOptions,
): Promise<string | null> =>
  rpc.call('submitblock', [Buffer.from(bytes).toString('hex')], z.string().nullable(), options)

export const invalidateBlock = async (
  rpc: RpcClient,
  hash: Uint8Array,
  options?: RpcCallOptions,
): Promise<void> => {
  await rpc.call('invalidateblock', [hashText(hash)], z.unknown(), options)
}

export const reconsiderBlock = async (
  rpc: RpcClient,
  hash: Uint8Array,
  options?: RpcCallOptions,
): Promise<void> => {
  await rpc.call('reconsiderblock', [hashText(hash)], z.unknown(), options)
}

/** zebrad answers `getblockhash` above its tip with its code for everything else, −1, and these words. */
const isAboveTip = (error: unknown): boolean =>
  isRpcError(error, 'RPC_REFUSED') &&
  error.rpcCode === rpcCodes.misc &&
  /greater than the current tip/i.test(error.rpcMessage ?? '')

/**
 * zcashd and zend answer −8 for a height and −5 for a hash or txid that they do not know. zebrad does the same, but for
 * a raw block asked for by its hash: −8.
 */
const nullIfUnknown = async <T>(answer: Promise<T>): Promise<T | null> => {
  try {
    return await answer
  } catch (error) {
    const isUnknown =
      isRpcError(error, 'RPC_REFUSED') &&
      (error.rpcCode === rpcCodes.invalidParameter || error.rpcCode === rpcCodes.invalidAddressOrKey)
    if (isUnknown) return null
    throw error
  }
}
