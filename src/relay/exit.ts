import {
  bytesToHex,
  maxTransactionBytes,
  type RelayAnswer,
  refusalText,
  reversedHex,
} from '../../protocol/index.ts'
import { createPlaces } from '../admission/places.ts'
import { eitherOf } from '../async/abort.ts'
import { createLimit } from '../async/limit.ts'
import { ChainFormatError, createByteReader } from '../chain/formats/reader.ts'
import { readTransaction } from '../chain/formats/transaction.ts'
import type { ChainFamily } from '../chain/formats/types.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { isRpcError } from '../chain-node/rpc/errors.ts'
import { sendRawTransaction } from '../chain-node/rpc/methods.ts'
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
  // As many as there are places: whoever has one finds room here.
  const turns = createLimit({
    maxRunning: maxPrompt,
    maxWaiting,
    whenFull: () => givenUp('too many wait for their turn'),
  })
  const waiting = createExitPlaces(maxWaitingPerPeer, maxPrompt + maxWaiting)
  const late = createExitPlaces(maxLatePerPeer, maxLate)

  const send = async (bytes: Uint8Array, txid: Uint8Array, peer: string, gone: AbortSignal) => {
    const wait = new AbortController()
    const signal = eitherOf(gone, wait.signal)
    using atEnd = new DisposableStack()
    using turn = new DisposableStack()
    atEnd.defer(world.setTimer(nodeAnswerMs, () => wait.abort(givenUp('the node does not answer'))))
    turn.defer(waiting.take(peer, () => wait.abort(givenUp('too many wait for their turn'))))
    turn.use(await turns.enter(signal))
    const becomeLate = (): void => {
      turn.dispose()
      atEnd.defer(late.take(peer, () => wait.abort(givenUp('too many wait for what they spend'))))
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

/**
 * Places that neighbours share evenly (R-RELAY-6): where there is none for one that has fewer than another, the latest of
 * the one that has the most gives way, so that those who have waited for long come to their turn. A neighbour that has
 * as many as any other, or its quota, must wait until one is free.
 */
const createExitPlaces = (maxPerPeer: number, maxInAll: number) => {
  interface Call {
    peer: string
    /** Of its arrival. */
    number: number
    giveWay: () => void
  }
  let arrived = 0
  const places = createPlaces<Call>(
    { maxPlaces: maxInAll, levels: [{ maxPlaces: maxPerPeer, weight: 1 }], graceMs: 0 },
    ({ number }) => 1 / number,
  )
  return {
    /** Returns how to give it back. `giveWay` is called if there is none, or none any more. */
    take(peer: string, giveWay: () => void): () => void {
      const call = { peer, number: ++arrived, giveWay }
      const [displaced] = places.arrive(call, [peer], 0)
      if (displaced === undefined) return () => places.leave(call)
      if (displaced.peer !== peer && places.of(displaced.peer) >= places.of(peer)) {
        displaced.giveWay()
        return () => places.leave(call)
      }
      places.leave(call)
      places.arrive(displaced, [displaced.peer], 0)
      giveWay()
      return () => undefined
    },
  }
}
