import type { Libp2p } from '@libp2p/interface'
import { paidProtocols, puzzleAnswerCodec } from '../../protocol/index.ts'
import type { StreamCounts } from '../admission/streams.ts'
import { SecnodeError } from '../errors.ts'
import { eitherOf, throwIfAborted } from '../async/abort.ts'
import { ask, exchangeErrorOf } from './exchange.ts'
import { dialTimeoutMs } from './libp2p-node.ts'
import type { Links, RequestTarget } from './links.ts'
import type { GateStatus } from './puzzle-gate.ts'
import type { PuzzleSolver } from './puzzle-solver.ts'
import {
  createService,
  type HandlerLimits,
  type RequestHandler,
  type Service,
  type ServiceOptions,
} from './service.ts'
import { createTolls } from './tolls.ts'

export interface RequestOptions {
  /** From the connection on, to the last byte of the answer; once more for each time that work is asked for (R-PUZ-1). */
  timeoutMs: number
  maxResponseBytes: number
  /** For the connection, if there is none; 5 seconds by default. */
  dialTimeoutMs?: number
  /** The most hashes that this request is worth, if less than the host's own bound. */
  maxEffort?: number
  signal?: AbortSignal
}

export interface RequestsOptions extends ServiceOptions {
  /** For what others ask of this node before they answer. */
  solver: PuzzleSolver
}

export interface HeldPlaces extends StreamCounts {
  /** The name of the protocol. */
  purpose: string
  /** Requests of registered peers without duty that are worked on at a time. */
  places: number
}

/** One request, one answer: who is asked what, and how many at a time. Outlives starts and stops of the node. */
export interface Requests {
  protocolOf: (protocolName: string) => string
  /** Declares a handler; `serve` makes it known to a node. */
  add(protocolName: string, limits: HandlerLimits, handler: RequestHandler): void
  isHandled(protocol: string): boolean
  /** Whether a stranger has a place on one of the protocols, or waits for one. */
  isServed(peer: string): boolean
  /** Whether this node owes the peer an answer on one of the protocols now. */
  hasDuty(peer: string): boolean
  /** How strangers fare on each protocol. */
  gates(): readonly GateStatus[]
  /** What requests hold on each protocol. */
  held(): readonly HeldPlaces[]
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

export const createRequests = (options: RequestsOptions): Requests => {
  const { networkId, metrics } = options
  const tolls = createTolls({ ...options, client: options.server })
  const servicesByProtocol = new Map<string, Service>()
  const protocolOf = (protocolName: string): string => `/secnode/${networkId}/${protocolName}`

  const register = async (
    node: Libp2p,
    stopping: AbortSignal,
    protocol: string,
    service: Service,
  ): Promise<void> =>
    node.handle(protocol, (stream, connection) => service.onStream(stream, connection, stopping), {
      // Some more than are answered, so that the rest can be told that we are busy.
      maxInboundStreams: 2 * service.limits.maxConcurrentPerPeer + 8,
      maxOutboundStreams,
    })

  return {
    protocolOf,
    add: (protocolName, limits, handler) => {
      const protocol = protocolOf(protocolName)
      if (servicesByProtocol.has(protocol)) throw new Error(`${protocolName} is handled already`)
      servicesByProtocol.set(protocol, createService(protocolName, limits, handler, options))
    },
    isHandled: (protocol) => servicesByProtocol.has(protocol),
    isServed: (peer) => [...servicesByProtocol.values()].some((service) => service.isServed(peer)),
    hasDuty: (peer) =>
      [...servicesByProtocol.values()].some(({ limits }) => limits.dutyOf?.(peer).is === 'owed'),
    held: () =>
      [...servicesByProtocol.values()].map((service) => ({
        purpose: service.status().purpose,
        places: service.limits.maxConcurrent,
        ...service.counts(),
      })),
    gates: () => [...servicesByProtocol.values()].map((service) => service.status()),
    serve: async (node, stopping, protocolName) => {
      for (const [protocol, service] of servicesByProtocol) {
        const isMeant = protocolName === undefined || protocolOf(protocolName) === protocol
        if (isMeant) await register(node, stopping, protocol, service)
      }
    },
    request: async (links, stopping, target, protocolName, request, asked) => {
      const { dialTimeoutMs: dialMs = dialTimeoutMs, timeoutMs, maxResponseBytes } = asked
      const interrupt = eitherOf(stopping, asked.signal)
      const exchange = async (bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> => {
        const open = { dialTimeoutMs: dialMs, timeoutMs, maxStreams: maxOutboundStreams, signal: interrupt }
        const { stream, signal, release } = await links.openStream(target, protocolOf(protocolName), open)
        try {
          return await ask(stream, bytes, { maxResponseBytes: maxBytes, signal, world: options.world })
        } catch (error) {
          throwIfAborted(interrupt)
          throw exchangeErrorOf(error)
        } finally {
          release()
        }
      }
      const exchangePaid = async (): Promise<Uint8Array> =>
        await tolls.exchange(
          { server: target.peerKey, purpose: protocolName },
          request,
          (bytes) => exchange(bytes, Math.max(maxResponseBytes, puzzleAnswerCodec.maxBytes)),
          { maxEffort: asked.maxEffort, signal: interrupt },
        )
      try {
        const isPaid = paidProtocols.has(protocolName)
        const response = isPaid ? await exchangePaid() : await exchange(request, maxResponseBytes)
        metrics.increment('requests_sent', 'ok')
        return response
      } catch (error) {
        metrics.increment('requests_sent', error instanceof SecnodeError ? error.code : 'failed')
        throw error
      }
    },
  }
}
