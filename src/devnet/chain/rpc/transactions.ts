import { bytesToHex, hexToBytes, reversedHex } from '../../../../protocol/index.ts'
import { nullDataScript } from '../../../chain/formats/script.ts'
import { ChainFormatError } from '../../../chain/formats/reader.ts'
import { parseTransaction, serializeTransaction } from '../../../chain/formats/transaction.ts'
import type { Transaction, TransactionInput, TransactionOutput } from '../../../chain/formats/types.ts'
import { parseAddressText } from '../addresses.ts'
import { newTransaction } from '../new-transaction.ts'
import { upgradeTable } from '../parameters.ts'
import { defaultExpiryDelta, outputTo } from '../payment.ts'
import { replayReference } from '../wallet.ts'
import { placeOf } from './block-json.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'
import { fail, rejectionError } from './errors.ts'
import {
  checkTypes,
  hexProblem,
  optional,
  readAmount,
  readArray,
  readHash,
  readHex,
  readInteger,
  readObject,
  readText,
  readVerbosity,
} from './params.ts'
import { signRawTransaction } from './sign-raw-transaction.ts'
import {
  type TransactionPlace,
  zebradTransactionJson,
  zendPlaceJson,
  zendTransactionJson,
} from './transaction-json.ts'

/** Transactions as bytes and as JSON, and sending them. */
export const transactionMethods = (context: NodeContext): RpcMethods => ({
  getrawtransaction: {
    usage: 'getrawtransaction "txid" ( verbose )',
    minParams: 1,
    // zebrad and zcashd take the hash of a block as a third.
    maxParams: 3,
    run: ([txid, verbose]) => getRawTransaction(context, txid, optional(verbose, readVerbosity, 0) > 0),
  },
  sendrawtransaction: {
    usage: 'sendrawtransaction "hexstring" ( allowhighfees )',
    minParams: 1,
    maxParams: 2,
    run: (params) => {
      checkTypes(params, ['string', 'boolean'])
      return sendRawTransaction(context, readTransactionHex(context, params[0]), params[1] === true)
    },
  },
})

/** Making and signing them. */
export const rawTransactionMethods = (context: NodeContext): RpcMethods => ({
  decoderawtransaction: {
    usage: 'decoderawtransaction "hexstring"',
    minParams: 1,
    maxParams: 1,
    run: (params) => {
      checkTypes(params, ['string'])
      const transaction = readTransactionHex(context, params[0])
      const { parameters } = context.chain
      return context.dialect === 'zend'
        ? zendTransactionJson(transaction, parameters)
        : zebradTransactionJson(transaction, null, parameters)
    },
  },
  createrawtransaction: {
    usage:
      'createrawtransaction [{"txid":"id","vout":n},...] {"address":amount,...} ( locktime ) ( expiryheight )',
    minParams: 2,
    maxParams: 4,
    run: (params) => createRawTransaction(context, params),
  },
  signrawtransaction: {
    usage:
      'signrawtransaction "hexstring" ( [{"txid":"id","vout":n,"scriptPubKey":"hex","redeemScript":"hex","amount":n},...] ["privatekey",...] sighashtype "branchid" )',
    minParams: 1,
    maxParams: 5,
    run: (params) => {
      checkTypes(params, ['string', 'array', 'array', 'string', 'string'])
      return signRawTransaction(context, readTransactionHex(context, params[0]), params.slice(1))
    },
  },
})

const getRawTransaction = (context: NodeContext, id: unknown, isVerbose: boolean): unknown => {
  const { chain, dialect } = context
  const text = readText(id)
  const problem = dialect === 'zebrad' ? hexProblem(text, 32) : null
  if (problem !== null) return fail('addressOrKey', problem)
  const found = findTransaction(context, readHash(id, 'parameter 1'))
  if (found === null) {
    return fail(
      'addressOrKey',
      dialect === 'zebrad'
        ? 'Transaction not found in mempool or best chain'
        : 'No information available about transaction',
    )
  }
  const { transaction, place } = found
  const hex = bytesToHex(transaction.bytes)
  if (!isVerbose) return hex
  return dialect === 'zebrad'
    ? zebradTransactionJson(transaction, place, chain.parameters)
    : { hex, ...zendTransactionJson(transaction, chain.parameters), ...zendPlaceJson(place) }
}

const findTransaction = (
  context: NodeContext,
  txid: Uint8Array,
): { transaction: Transaction; place: TransactionPlace | null } | null => {
  const { mempool, tree } = context.chain
  const waiting = mempool.get(txid)
  if (waiting !== undefined) return { transaction: waiting.transaction, place: null }
  const located = tree.locate(txid)
  if (located === undefined) return null
  const { entry, position } = located
  return { transaction: tree.parse(entry).transactions[position]!, place: placeOf(context, entry) }
}

const sendRawTransaction = (
  context: NodeContext,
  transaction: Transaction,
  allowHighFees: boolean,
): string => {
  const { chain, dialect } = context
  const txid = reversedHex(transaction.txid)
  // zcashd and zend send it to their peers again; zebrad refuses.
  if (dialect === 'zend' && chain.mempool.get(transaction.txid) !== undefined) return txid
  // zebrad finds no fee too high.
  const verdict = chain.submitTransaction(transaction.bytes, {
    allowHighFees: allowHighFees || dialect === 'zebrad',
  })
  if (verdict.is === 'reject') throw rejectionError(verdict.rejection, dialect)
  return txid
}

const readTransactionHex = ({ chain, dialect }: NodeContext, value: unknown): Transaction => {
  const text = readText(value)
  const problem = hexProblem(text, null)
  if (problem !== null || text === '') {
    return fail('deserialization', dialect === 'zebrad' ? (problem ?? endOfBytes) : 'TX decode failed')
  }
  let transaction: Transaction
  try {
    transaction = parseTransaction(hexToBytes(text), chain.parameters.family)
  } catch (error) {
    if (!(error instanceof ChainFormatError)) throw error
    return fail('deserialization', dialect === 'zebrad' ? endOfBytes : 'TX decode failed')
  }
  const { consensusBranchId } = transaction
  const isBranch = upgradeTable.some(({ branchId }) => branchId === consensusBranchId)
  if (dialect === 'zebrad' && consensusBranchId !== null && !isBranch) {
    const branch = consensusBranchId.toString(16).padStart(8, '0')
    return fail('deserialization', `io error: invalid consensus branch id 0x${branch}`)
  }
  return transaction
}

/** What zebrad says of bytes that end too early; it has other words for other faults. */
const endOfBytes = 'io error: failed to fill whole buffer'

const createRawTransaction = (context: NodeContext, params: readonly unknown[]): string => {
  checkTypes(params, ['array', 'object', 'number', 'number'])
  const { chain } = context
  const { parameters } = chain
  const height = chain.tip.height + 1
  const lockTime = optional(params[2], readInteger, 0)
  if (lockTime < 0) return fail('parameter', 'Invalid parameter, locktime out of range')
  const inputs = readArray(params[0]).map((item) => readInput(item, lockTime))
  const outputs = Object.entries(readObject(params[1])).map(([name, value]) =>
    readOutput(context, name, value),
  )
  const fields = newTransaction(parameters, height)
  const expires = fields.versionGroupId !== null
  if (!expires && params[3] !== undefined) {
    return fail('parameter', 'Invalid parameter, expiryheight can only be used if Overwinter is active')
  }
  const expiryHeight = expires ? optional(params[3], readInteger, height + defaultExpiryDelta) : 0
  if (expiryHeight < 0 || expiryHeight >= 500_000_000) {
    return fail('parameter', 'Invalid parameter, expiryheight must be nonnegative and less than 500000000')
  }
  return bytesToHex(serializeTransaction({ ...fields, inputs, outputs, lockTime, expiryHeight }))
}

const readInput = (item: unknown, lockTime: number): TransactionInput => {
  const input = readObject(item)
  const vout = input['vout']
  if (typeof vout !== 'number') return fail('parameter', 'Invalid parameter, missing vout key')
  const index = readInteger(vout)
  if (index < 0) return fail('parameter', 'Invalid parameter, vout must be positive')
  // A final sequence would switch the lock time off.
  const sequence = input['sequence'] ?? (lockTime === 0 ? 0xffffffff : 0xfffffffe)
  if (typeof sequence !== 'number' || !Number.isInteger(sequence) || sequence < 0 || sequence > 0xffffffff) {
    return fail('parameter', 'Invalid parameter, sequence number is out of range')
  }
  return {
    previousTxid: readHash(input['txid'], 'txid'),
    previousIndex: index,
    script: new Uint8Array(),
    sequence,
  }
}

/** Of `"address": amount`, or `"data": "hex"` for an OP_RETURN without value. */
const readOutput = ({ chain }: NodeContext, name: string, value: unknown): TransactionOutput => {
  const reference = replayReference(chain.tree)
  if (name === 'data') {
    const data = readHex(value, 'data')
    if (data.length > 80) return fail('parameter', 'Invalid parameter, data is longer than 80 bytes')
    return { value: 0n, script: nullDataScript(data, reference) }
  }
  const address = parseAddressText(chain.parameters, name)
  if (address === null) return fail('addressOrKey', `Invalid Zcash address: ${name}`)
  return outputTo(address.kind, address.hash160, readAmount(value), reference)
}
