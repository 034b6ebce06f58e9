import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import type { Logger } from 'pino'
import { bytesToHex, type NetworkId } from '../../protocol/index.ts'
import { SecnodeError, messageOf } from '../errors.ts'
import { eitherOf, throwIfAborted } from './abort.ts'
import type { NetMetrics } from './counters.ts'
import { answer, ask, exchangeErrorOf } from './exchange.ts'
import { dialTimeoutMs } from './libp2p-node.ts'
import type { Links, RequestTarget } from './links.ts'
import { addressOfMultiaddr, type PeerAddress, peerKeyOf } from './peer-address.ts'

export interface HandlerLimits {
  maxRequestBytes: number
  maxResponseBytes: number
  /** From the opening of the stream to the last byte of the answer. */
  timeoutMs: number
  maxConcurrentPerPeer: number
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

export interface RequestOptions {
  /** From the connection on, to the last byte of the answer. */
  timeoutMs: number
  maxResponseBytes: number
  /** For the connection, if there is none; 5 seconds by default. */
  dialTimeoutMs?: number
  signal?: AbortSignal
}

export interface RequestsOptions {
  networkId: NetworkId
  isRegistered: (peer: string) => boolean
  metrics: NetMetrics
  logger: Logger
}

/** One request, one answer: who is asked what, and how many at a time. Outlives starts and stops of the node. */
export interface Requests {
  protocolOf: (protocolName: string) => string
  /** Declares a handler; `serve` makes it known to a node. */
  add(protocolName: string, limits: HandlerLimits, handler: RequestHandler): void
  isHandled(protocol: string): boolean
  /** Registers all handlers, or that of one protocol name, with the node. */
  serve(node: Libp2p, stopping: AbortSignal, protocolName?: string): Promise<void>
  request(
    links: Links,
    stopping: AbortSignal,
    target: RequestTarget,
    protocolName: string,
    request: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array>
}

const maxOutboundStreams = 64

export const createRequests = ({ networkId, isRegistered, metrics, logger }: RequestsOptions): Requests => {
  const servicesByProtocol = new Map<string, Service>()
  const protocolOf = (protocolName: string): string => `/secnode/${networkId}/${protocolName}`

  const onStream = async (
    service: Service,
    stopping: AbortSignal,
    stream: Stream,
    connection: Connection,
  ): Promise<void> => {
    const { limits, handler, open } = service
    const peerKey = peerKeyOf(connection.remotePeer)
    if (peerKey === null) {
      stream.abort(new Error('not served'))
      return
    }
    const peer = bytesToHex(peerKey)
    const isBusy = open.of(peer) >= limits.maxConcurrentPerPeer || open.all() >= limits.maxConcurrent
    const signal = eitherOf(stopping, AbortSignal.timeout(limits.timeoutMs))
    if (!isBusy) open.add(peer, 1)
    try {
      await answer(stream, { ...limits, signal }, async (request) => {
        const from = addressOfMultiaddr(connection.remoteAddr)
        if (!isBusy) return handler(request, { peerKey, isRegistered: isRegistered(peer), from, signal })
        if (limits.onBusy === undefined) throw new SecnodeError('NET_BUSY', 'too many requests at a time')
        return limits.onBusy
      })
      metrics.increment('requests_served', isBusy ? 'busy' : 'ok')
    } catch (error) {
      const { code } = exchangeErrorOf(error)
      metrics.increment('requests_served', code)
      logger.debug(
        { peer, protocol: stream.protocol, code, reason: messageOf(error) },
        'request not answered',
      )
    } finally {
      if (!isBusy) open.add(peer, -1)
    }
  }

  const register = async (
    node: Libp2p,
    stopping: AbortSignal,
    protocol: string,
    service: Service,
  ): Promise<void> =>
    node.handle(protocol, (stream, connection) => onStream(service, stopping, stream, connection), {
      // Some more than are answered, so that the rest can be told that we are busy.
      maxInboundStreams: 2 * service.limits.maxConcurrentPerPeer + 8,
      maxOutboundStreams,
    })

  return {
    protocolOf,
    add: (protocolName, limits, handler) => {
      const protocol = protocolOf(protocolName)
      if (servicesByProtocol.has(protocol)) throw new Error(`${protocolName} is handled already`)
      servicesByProtocol.set(protocol, { limits, handler, open: createOpenCount() })
    },
    isHandled: (protocol) => servicesByProtocol.has(protocol),
    serve: async (node, stopping, protocolName) => {
      for (const [protocol, service] of servicesByProtocol) {
        const isMeant = protocolName === undefined || protocolOf(protocolName) === protocol
        if (isMeant) await register(node, stopping, protocol, service)
      }
    },
    request: async (links, stopping, target, protocolName, request, options) => {
      const interrupt = eitherOf(stopping, options.signal)
      try {
        const { stream, signal, release } = await links.openStream(target, protocolOf(protocolName), {
          dialTimeoutMs: options.dialTimeoutMs ?? dialTimeoutMs,
          timeoutMs: options.timeoutMs,
          maxStreams: maxOutboundStreams,
          signal: interrupt,
        })
        try {
          const response = await ask(stream, request, { maxResponseBytes: options.maxResponseBytes, signal })
          metrics.increment('requests_sent', 'ok')
          return response
        } catch (error) {
          throwIfAborted(interrupt)
          throw exchangeErrorOf(error)
        } finally {
          release()
        }
      } catch (error) {
        metrics.increment('requests_sent', error instanceof SecnodeError ? error.code : 'failed')
        throw error
      }
    },
  }
}

interface Service {
  limits: HandlerLimits
  handler: RequestHandler
  open: OpenCount
}

interface OpenCount {
  of(peer: string): number
  all(): number
  add(peer: string, change: 1 | -1): void
}

const createOpenCount = (): OpenCount => {
  const countByPeer = new Map<string, number>()
  let total = 0
  return {
    of: (peer) => countByPeer.get(peer) ?? 0,
    all: () => total,
    add: (peer, change) => {
      total += change
      const count = (countByPeer.get(peer) ?? 0) + change
      if (count === 0) countByPeer.delete(peer)
      else countByPeer.set(peer, count)
    },
  }
}
