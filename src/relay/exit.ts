import {
  bytesToHex,
  maxTransactionBytes,
  type RelayAnswer,
  refusalText,
  reversedHex,
} from '../../protocol/index.ts'
import { ChainFormatError, createByteReader } from '../chain/formats/reader.ts'
import { readTransaction } from '../chain/formats/transaction.ts'
import type { ChainFamily } from '../chain/formats/types.ts'
import type { RpcClient } from '../chain/rpc/client.ts'
import { isRpcError } from '../chain/rpc/errors.ts'
import { createGate } from '../chain/rpc/gate.ts'
import { sendRawTransaction } from '../chain/rpc/methods.ts'
import { SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'
import { nodeAnswerMs } from './deadlines.ts'

/** The one thing that the last hop does for a client (R-RELAY-5). */
export interface Exit {
  /**
   * Hands a transaction, which came from this neighbour (its Ed25519 key), to the chain node. Never rejects, except when
   * `signal` is aborted.
   */
  broadcast(bytes: Uint8Array, peerKey: Uint8Array, signal: AbortSignal): Promise<RelayAnswer>
}

/** A chain node that is not there is not waited for: the client takes another exit. */
const retryMs = 2_000
/**
 * The follower and the challenges of others use the same chain node: so few transactions of the relay at a time, and so
 * many that wait, a quarter of them from one neighbour. To check one takes a chain node some tens of milliseconds.
 */
const maxPrompt = 2
const maxWaiting = 64
const maxWaitingPerPeer = 16
/**
 * A node that has not answered after so long does not work on the transaction, but waits for what it spends. Then the
 * next one has its turn, and this one takes one of a few other places, or is waited for no longer: so whoever sends
 * transactions that spend nothing keeps nobody else's from the node.
 */
const promptMs = 1_000
const maxLate = 16
const maxLatePerPeer = 4

/** Calls under way at once, at the most: `rpc` must have room for them beside its other ones. */
export const maxExitCalls = maxPrompt + maxLate

export const createExit = (family: ChainFamily, rpc: RpcClient, world: Pick<World, 'setTimer'>): Exit => {
  const turns = createGate(maxPrompt, maxWaiting, () => givenUp('too many wait for their turn'))
  const waiting = createPlaces(maxWaitingPerPeer, maxPrompt + maxWaiting)
  const late = createPlaces(maxLatePerPeer, maxLate)

  const send = async (bytes: Uint8Array, txid: Uint8Array, peer: string, gone: AbortSignal) => {
    const wait = new AbortController()
    const signal = AbortSignal.any([gone, wait.signal])
    using atEnd = new DisposableStack()
    using turn = new DisposableStack()
    atEnd.defer(world.setTimer(nodeAnswerMs, () => wait.abort(givenUp('the node does not answer'))))
    const leaveWaiting = waiting.take(peer)
    if (leaveWaiting === null) throw givenUp('too many of one neighbour wait for their turn')
    turn.defer(leaveWaiting)
    turn.defer(await turns.enter(signal))
    const becomeLate = (): void => {
      turn.dispose()
      const leave = late.take(peer)
      if (leave === null) wait.abort(givenUp('too many wait for what they spend'))
      else atEnd.defer(leave)
    }
    turn.defer(world.setTimer(promptMs, becomeLate))
    return await sendRawTransaction(rpc, bytes, txid, { signal, deadlineMs: retryMs })
  }

  return {
    async broadcast(bytes, peerKey, signal) {
      let txid: Uint8Array
      try {
        txid = txidOf(family, bytes)
      } catch (error) {
        if (!(error instanceof SecnodeError)) throw error
        return ['refused', error.code === 'TRANSACTION_TOO_LARGE' ? 'too-large' : 'malformed-transaction']
      }
      try {
        return ['sent', await send(bytes, txid, bytesToHex(peerKey), signal)]
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

const givenUp = (why: string): SecnodeError => new SecnodeError('EXIT_GIVEN_UP', why)

/** Places that a peer has at once or not at all: so many of each one, and so many of all together. */
const createPlaces = (maxPerPeer: number, maxInAll: number) => {
  const takenByPeer = new Map<string, number>()
  let taken = 0
  const change = (peer: string, by: 1 | -1): void => {
    const count = (takenByPeer.get(peer) ?? 0) + by
    if (count === 0) takenByPeer.delete(peer)
    else takenByPeer.set(peer, count)
    taken += by
  }
  return {
    /** Gives it back, to be called once; null if none is free. */
    take(peer: string): (() => void) | null {
      if (taken >= maxInAll || (takenByPeer.get(peer) ?? 0) >= maxPerPeer) return null
      change(peer, 1)
      return () => change(peer, -1)
    },
  }
}
