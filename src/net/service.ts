import type { Connection, Stream } from '@libp2p/interface'
import type { Logger } from 'pino'
import {
  bytesToHex,
  type NetworkId,
  paidProtocols,
  paidRequestOverhead,
  puzzleAnswerCodec,
  readPaidRequest,
} from '../../protocol/index.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'
import { eitherOf } from '../async/abort.ts'
import type { NetMetrics } from './counters.ts'
import { answer, exchangeErrorOf } from './exchange.ts'
import { addressOfMultiaddr, type PeerAddress, peerKeyOf } from './peer-address.ts'
import { createPuzzleGate, type GateOutcome, type GateStatus } from './puzzle-gate.ts'

export interface HandlerLimits {
  maxRequestBytes: number
  maxResponseBytes: number
  /** From the opening of the stream to the last byte of the answer. */
  timeoutMs: number
  /** Whoever it is. */
  maxConcurrentPerPeer: number
  /** Of registered peers. Strangers have places of their own beside them, half as many, and wait for one. */
  maxConcurrent: number
  /** What is answered above the limits; without it the stream is reset. */
  onBusy?: Uint8Array
}

export interface RequestContext {
  /** Ed25519, 32 bytes; proved by the handshake. */
  peerKey: Uint8Array
  isRegistered: boolean
  /** The other end of the connection that the request came over; null if it is no plain TCP. */
  from: PeerAddress | null
  /** Aborted when time is up or the host stops. */
  signal: AbortSignal
}

/** Whatever it throws is a reset to the asker: a refusal with a reason is an answer. */
export type RequestHandler = (request: Uint8Array, context: RequestContext) => Promise<Uint8Array>

export interface ServiceOptions {
  networkId: NetworkId
  /** This node's key. */
  server: Uint8Array
  isRegistered: (peer: string) => boolean
  /** Somebody sent what no honest peer sends. */
  onFault: (peer: string) => void
  world: World
  metrics: NetMetrics
  logger: Logger
}

/** What a node does on one request protocol, for how many at a time, and for whom first. */
export interface Service {
  limits: HandlerLimits
  onStream(stream: Stream, connection: Connection, stopping: AbortSignal): Promise<void>
  /** Whether a stranger has a place, or waits for one. */
  isServed(peer: string): boolean
  status(): GateStatus
}

export const createService = (
  protocolName: string,
  limits: HandlerLimits,
  handler: RequestHandler,
  options: ServiceOptions,
): Service => {
  const { isRegistered, metrics, logger } = options
  const asksForWork = paidProtocols.has(protocolName)
  const gate = createPuzzleGate({
    ...options,
    purpose: protocolName,
    asksForWork,
    limits: { places: Math.ceil(limits.maxConcurrent / 2) },
  })
  const open = createOpenCount()
  const served = createOpenCount()

  const busy = (): Uint8Array => {
    if (limits.onBusy === undefined) throw new SecnodeError('NET_BUSY', 'too many requests at a time')
    return limits.onBusy
  }

  /** R-PUZ-1: what is said to a stranger who is not let in. */
  const refusal = ({ code, puzzle }: Extract<GateOutcome, { is: 'refused' }>): Uint8Array =>
    puzzle === null ? busy() : puzzleAnswerCodec.encode(['puzzle', puzzle.cookie, puzzle.effort, code])

  const onStream: Service['onStream'] = async (stream, connection, stopping) => {
    const peerKey = peerKeyOf(connection.remotePeer)
    if (peerKey === null) {
      stream.abort(new Error('not served'))
      return
    }
    const peer = bytesToHex(peerKey)
    const isKnown = isRegistered(peer)
    const isBusy =
      open.of(peer) >= limits.maxConcurrentPerPeer || (isKnown && open.registered() >= limits.maxConcurrent)
    if (!isBusy) open.add(peer, isKnown, 1)
    const takenBack = new AbortController()
    const gone = new AbortController()
    const signal = eitherOf(stopping, AbortSignal.timeout(limits.timeoutMs), takenBack.signal)
    stream.addEventListener('close', () => gone.abort(), { once: true })
    let leave = (): void => undefined
    let said = 'ok'

    const serve = async (bytes: Uint8Array): Promise<Uint8Array> => {
      if (isBusy) {
        said = 'busy'
        return busy()
      }
      // What begins like a paid request and is none is refused by the handler's codec.
      const { solution, request } = (asksForWork ? readPaidRequest(bytes, limits.maxRequestBytes) : null) ?? {
        solution: null,
        request: bytes,
      }
      if (!isKnown) {
        served.add(peer, isKnown, 1)
        const entered = await gate.enter({
          client: peerKey,
          solution,
          signal: eitherOf(signal, gone.signal),
          onTakenBack: () => takenBack.abort(new SecnodeError('NET_BUSY', 'too slow while others wait')),
        })
        leave = once(() => {
          served.add(peer, isKnown, -1)
          if (entered.is === 'entered') entered.leave()
        })
        // It may have come when nobody waited for it any more.
        if (gone.signal.aborted) leave()
        gone.signal.throwIfAborted()
        if (entered.is === 'refused') {
          if (entered.isFault) options.onFault(peer)
          said = 'refused'
          return refusal(entered)
        }
      }
      const from = addressOfMultiaddr(connection.remoteAddr)
      return handler(request, { peerKey, isRegistered: isKnown, from, signal })
    }

    try {
      const maxRequestBytes = limits.maxRequestBytes + (asksForWork ? paidRequestOverhead : 0)
      const maxResponseBytes = Math.max(limits.maxResponseBytes, asksForWork ? puzzleAnswerCodec.maxBytes : 0)
      await answer(stream, { maxRequestBytes, maxResponseBytes, signal }, serve)
      metrics.increment('requests_served', said)
    } catch (error) {
      const { code } = exchangeErrorOf(error)
      metrics.increment('requests_served', code)
      const { protocol } = stream
      logger.debug({ peer, protocol, code, reason: messageOf(error) }, 'request not answered')
    } finally {
      gone.abort()
      leave()
      if (!isBusy) open.add(peer, isKnown, -1)
    }
  }

  return { limits, onStream, isServed: (peer) => served.of(peer) > 0, status: () => gate.status() }
}

const once = (action: () => void): (() => void) => {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    action()
  }
}

interface OpenCount {
  of(peer: string): number
  registered(): number
  /** `isRegistered` as it was when the request came. */
  add(peer: string, isRegistered: boolean, change: 1 | -1): void
}

const createOpenCount = (): OpenCount => {
  const countByPeer = new Map<string, number>()
  let registered = 0
  return {
    of: (peer) => countByPeer.get(peer) ?? 0,
    registered: () => registered,
    add: (peer, isRegistered, change) => {
      if (isRegistered) registered += change
      const count = (countByPeer.get(peer) ?? 0) + change
      if (count === 0) countByPeer.delete(peer)
      else countByPeer.set(peer, count)
    },
  }
}
