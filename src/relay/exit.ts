import { maxTransactionBytes, type RelayAnswer, refusalText, reversedHex } from '../../protocol/index.ts'
import { ChainFormatError, createByteReader } from '../chain/formats/reader.ts'
import { readTransaction } from '../chain/formats/transaction.ts'
import type { ChainFamily } from '../chain/formats/types.ts'
import type { RpcClient } from '../chain/rpc/client.ts'
import { isRpcError } from '../chain/rpc/errors.ts'
import { createGate } from '../chain/rpc/gate.ts'
import { sendRawTransaction } from '../chain/rpc/methods.ts'
import { SecnodeError } from '../errors.ts'

/** The one thing that the last hop does for a client (R-RELAY-5). */
export interface Exit {
  /** Hands a transaction to the chain node. Never rejects, except when `signal` is aborted. */
  broadcast(bytes: Uint8Array, signal: AbortSignal): Promise<RelayAnswer>
}

/** The client waits as long for its answer, and a little more. */
export const exitTimeoutMs = 10_000

/** A chain node that is not there is not waited for: the client takes another exit. */
const retryMs = 2_000
/**
 * The follower and the challenges of others use the same chain node: so few transactions of the relay at a time, and so
 * many that wait. To check one takes a chain node some tens of milliseconds.
 */
const maxConcurrent = 2
const maxWaiting = 64

export const createExit = (family: ChainFamily, rpc: RpcClient): Exit => {
  const gate = createGate(maxConcurrent, maxWaiting, () => {
    return new SecnodeError('EXIT_BUSY', `${maxWaiting} transactions wait already`)
  })
  const send = async (bytes: Uint8Array, txid: Uint8Array, signal: AbortSignal): Promise<Uint8Array> => {
    const leave = await gate.enter(signal)
    try {
      return await sendRawTransaction(rpc, bytes, txid, { signal, deadlineMs: retryMs })
    } finally {
      leave()
    }
  }
  return {
    async broadcast(bytes, signal) {
      let txid: Uint8Array
      try {
        txid = txidOf(family, bytes)
      } catch (error) {
        if (!(error instanceof SecnodeError)) throw error
        return ['refused', error.code === 'TRANSACTION_TOO_LARGE' ? 'too-large' : 'malformed-transaction']
      }
      try {
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(exitTimeoutMs)])
        return ['sent', await send(bytes, txid, deadline)]
      } catch (error) {
        signal.throwIfAborted()
        if (isRpcError(error, 'RPC_REFUSED')) {
          return ['node-refused', error.rpcCode ?? 0, refusalText(error.rpcMessage ?? '')]
        }
        // Of its own chain node's troubles a stranger learns that there are some.
        return ['refused', 'node-unavailable']
      }
    },
  }
}

/**
 * The txid, internal order, of bytes that are one whole transaction. Errors: TRANSACTION_TOO_LARGE,
 * TRANSACTION_MALFORMED.
 */
export const txidOf = (family: ChainFamily, bytes: Uint8Array): Uint8Array => {
  if (bytes.length > maxTransactionBytes) {
    throw new SecnodeError(
      'TRANSACTION_TOO_LARGE',
      `the transaction has ${bytes.length} bytes; chain nodes pass on at most ${maxTransactionBytes}`,
      { exitCode: 2 },
    )
  }
  const reader = createByteReader(bytes)
  let txid: Uint8Array
  try {
    txid = readTransaction(reader, family).txid
  } catch (error) {
    if (!(error instanceof ChainFormatError)) throw error
    throw malformed(error.message, error)
  }
  if (reader.bytesLeft > 0) {
    throw malformed(`${reader.bytesLeft} bytes are left over behind transaction ${reversedHex(txid)}`)
  }
  return txid
}

const malformed = (what: string, cause?: unknown): SecnodeError =>
  new SecnodeError('TRANSACTION_MALFORMED', `this is no transaction of the chain: ${what}`, {
    exitCode: 2,
    hint: 'It takes the raw bytes or hex of one signed transaction, as `signrawtransaction` prints it.',
    ...(cause === undefined ? {} : { cause }),
  })
