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
import {
  createStreamAdmission,
  type StreamClass,
  type StreamCounts,
  type StreamEvent,
} from '../admission/streams.ts'
import { unlessAborted } from '../async/abort.ts'
import { createDeadline } from '../async/deadline.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'
import type { NetMetrics } from './counters.ts'
import { answering, exchangeErrorOf } from './exchange.ts'
import { type Asker, IncomingRequest } from './incoming-request.ts'
import { addressGroup, addressOfMultiaddr, type PeerAddress, peerKeyOf } from './peer-address.ts'
import { createPuzzleGate, type GateOutcome, type GateStatus } from './puzzle-gate.ts'
import type { PenaltyCode } from './reputation.ts'

export interface HandlerLimits {
  maxRequestBytes: number
  maxResponseBytes: number
  /** From the moment the request was read and has its turn to the last byte of the answer. */
  timeoutMs: number
  /** Unfinished requests of one peer; its newest displaces its least advanced. */
  maxConcurrentPerPeer: number
  /**
   * Requests of registered peers without duty worked on at once, one of each; eight times as many wait in turn. Strangers
   * have places of their own beside them, half as many, and wait for one.
   */
  maxConcurrent: number
  /** What is answered above the limits; without it the stream is reset. */
  onBusy?: Uint8Array
  /** R-ADM-1: what this node owes the peer (hex of its key) on this protocol now. Without it, it owes nothing. */
  dutyOf?: (peer: string) => Duty
  /** Strangers have no business here: they are refused unread. */
  isForSeats?: boolean
  /** Lengths of all requests that are being read together, in bytes. */
  maxReadingBytes?: number
}

/** An answer (the lowest rank goes first under pressure), nothing, or no answer at all: the peer has no business here. */
export type Duty = { is: 'owed'; rank: number } | { is: 'none' } | { is: 'no-business' }

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
  /** The peer did what no honest peer does. */
  onFault: (peer: string, code: PenaltyCode) => void
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
  /** What all requests hold now. */
  counts(): StreamCounts
}

// The request follows the negotiation of its stream without a pause, so it is there within a round trip. Five seconds
// cover one of 250 ms with several losses; below 16 kB/s a proposal of 1.5 MB would take longer than its answer may.
const readMs = 5_000
const leastBytesPerMs = 16
// A request of a registered peer takes some ten milliseconds: eight times as many as are worked on wait a tenth of a second.
const waitingPerPlace = 8
const strangersReadingPerPlace = 4

export const createService = (
  protocolName: string,
  limits: HandlerLimits,
  handler: RequestHandler,
  options: ServiceOptions,
): Service => {
  const { isRegistered, metrics, logger, world } = options
  const asksForWork = paidProtocols.has(protocolName)
  const gate = createPuzzleGate({
    ...options,
    purpose: protocolName,
    asksForWork,
    limits: { places: Math.ceil(limits.maxConcurrent / 2) },
  })
  const admission = createStreamAdmission<IncomingRequest>({
    maxPerPeer: limits.maxConcurrentPerPeer,
    maxStrangersReading: strangersReadingPerPlace * limits.maxConcurrent,
    seatPlaces: limits.maxConcurrent,
    maxSeatsWaiting: waitingPerPlace * limits.maxConcurrent,
    maxSeatsAnswering: waitingPerPlace * limits.maxConcurrent,
    maxReadingBytes: limits.maxReadingBytes ?? Infinity,
  })
  /** Requests of strangers at the gate or behind it. */
  const served = createCounts()
  const exchangeLimits = {
    maxRequestBytes: limits.maxRequestBytes + (asksForWork ? paidRequestOverhead : 0),
    maxResponseBytes: Math.max(limits.maxResponseBytes, asksForWork ? puzzleAnswerCodec.maxBytes : 0),
    world,
  }

  const classOf = (peer: string): StreamClass => {
    const duty = limits.dutyOf?.(peer) ?? { is: 'none' }
    if (duty.is === 'no-business') return { is: 'outsider' }
    if (!isRegistered(peer)) return { is: limits.isForSeats === true ? 'outsider' : 'stranger' }
    return duty.is === 'owed' ? { is: 'duty', rank: duty.rank } : { is: 'seat' }
  }

  const step = (event: StreamEvent<IncomingRequest>): void => {
    for (const decision of admission.step(event, world.monotonicMs())) {
      if (decision.is === 'refuse') metrics.increment('streams_refused', `${protocolName} ${decision.code}`)
      decision.id.decide(decision)
    }
  }

  const busy = (): Uint8Array => {
    if (limits.onBusy === undefined) throw new SecnodeError('NET_BUSY', 'too many requests at a time')
    return limits.onBusy
  }

  /** R-PUZ-1: what is said to a stranger that is not let in. */
  const refusal = ({ code, puzzle }: Extract<GateOutcome, { is: 'refused' }>): Uint8Array =>
    puzzle === null ? busy() : puzzleAnswerCodec.encode(['puzzle', puzzle.cookie, puzzle.effort, code])

  /** A stranger's request goes through the gate first (R-PUZ-3), and keeps its place there until the stream ends. */
  const answerStranger = async (
    incoming: IncomingRequest,
    solution: Uint8Array | null,
    answer: () => Promise<Uint8Array>,
  ): Promise<Uint8Array> => {
    const { peer, peerKey } = incoming.asker
    served.change(peer, 1)
    incoming.onEnd(() => served.change(peer, -1))
    const entered = await gate.enter({
      client: peerKey,
      solution,
      signal: incoming.waitSignal,
      onTakenBack: () => incoming.cut(new SecnodeError('NET_BUSY', 'too slow while others wait')),
    })
    if (entered.is === 'entered') incoming.onEnd(entered.leave)
    incoming.waitSignal.throwIfAborted()
    if (entered.is === 'entered') return await answer()
    if (entered.isFault) options.onFault(peer, 'malformed-exchange')
    incoming.outcome = 'refused'
    return refusal(entered)
  }

  const answerOf = (
    incoming: IncomingRequest,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> => {
    // What begins like a paid request and is not one is refused by the handler's codec.
    const { solution, request } = (asksForWork ? readPaidRequest(bytes, limits.maxRequestBytes) : null) ?? {
      solution: null,
      request: bytes,
    }
    const { peer, peerKey, from } = incoming.asker
    const isKnown = isRegistered(peer)
    const answer = (): Promise<Uint8Array> =>
      handler(request, { peerKey, isRegistered: isKnown, from, signal })
    return incoming.isStranger ? answerStranger(incoming, solution, answer) : answer()
  }

  /** The request, or null if this node turned it away meanwhile. One that is not there in time is charged to its peer. */
  const read = async (
    incoming: IncomingRequest,
    take: (signal: AbortSignal, onLength: (bytes: number) => void) => Promise<Uint8Array>,
  ): Promise<Uint8Array | null> => {
    using deadline = createDeadline(world, readMs, incoming.signal, incoming.turnedAway)
    try {
      return await take(deadline.signal, (bytes) => {
        deadline.restart(readMs + Math.ceil(bytes / leastBytesPerMs))
        step({ is: 'sized', id: incoming, bytes })
      })
    } catch (error) {
      if (incoming.turnedAway.aborted) return null
      // Never of a stream that this node displaced, or whose connection ended.
      if (deadline.hasPassed()) options.onFault(incoming.asker.peer, 'flood')
      throw error
    }
  }

  /** Reads the request, waits for its turn, answers. Rejects with what broke the exchange. */
  const attend = async (incoming: IncomingRequest, stream: Stream): Promise<void> => {
    const exchange = answering(stream, exchangeLimits)
    const request = await read(incoming, (signal, onLength) => exchange.request(signal, onLength))
    if (request !== null) step({ is: 'read', id: incoming })
    using deadline = createDeadline(world, limits.timeoutMs, incoming.signal)
    const { signal } = deadline
    const { isWaiting } = incoming
    const mayWork = request !== null && (await incoming.turn(signal)) === 'work'
    if (!mayWork) incoming.outcome = 'busy'
    else if (isWaiting) deadline.restart(limits.timeoutMs)
    // A handler that does not heed the signal loses its place all the same.
    const response = mayWork ? await unlessAborted(answerOf(incoming, request, signal), signal) : busy()
    step({ is: 'answered', id: incoming })
    await exchange.respond(response, signal)
  }

  const onStream: Service['onStream'] = async (stream, connection, stopping) => {
    const asker = askerOf(connection)
    if (asker === null) {
      stream.abort(new Error('not served'))
      return
    }
    const { peer } = asker
    const of = classOf(peer)
    using incoming = new IncomingRequest({ asker, isStranger: of.is === 'stranger', stopping })
    stream.addEventListener('close', () => incoming.peerGone(), { once: true })
    incoming.onEnd(() => step({ is: 'ended', id: incoming }))
    try {
      step({ is: 'opened', id: incoming, peer, address: asker.group, of })
      incoming.signal.throwIfAborted()
      await attend(incoming, stream)
      metrics.increment('requests_served', incoming.outcome)
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
      const { code } = exchangeErrorOf(error)
      metrics.increment('requests_served', code)
      const { protocol } = stream
      logger.debug({ peer, protocol, code, reason: messageOf(error) }, 'request not answered')
    }
  }

  return {
    limits,
    onStream,
    isServed: (peer) => served.of(peer) > 0,
    status: () => gate.status(),
    counts: () => admission.counts(),
  }
}

const askers = new WeakMap<Connection, (Asker & { group: string }) | null>()

/** Who is at the other end, and the group of its address; null for a key of another kind. Said once for each connection. */
const askerOf = (connection: Connection): (Asker & { group: string }) | null => {
  const known = askers.get(connection)
  if (known !== undefined) return known
  const { remotePeer, remoteAddr } = connection
  const peerKey = peerKeyOf(remotePeer)
  const asker = peerKey && {
    peer: bytesToHex(peerKey),
    peerKey,
    from: addressOfMultiaddr(remoteAddr),
    group: addressGroup(remoteAddr),
  }
  askers.set(connection, asker)
  return asker
}

/** How many each peer has. */
const createCounts = () => {
  const countByPeer = new Map<string, number>()
  return {
    of: (peer: string): number => countByPeer.get(peer) ?? 0,
    change: (peer: string, by: 1 | -1): void => {
      const count = (countByPeer.get(peer) ?? 0) + by
      if (count === 0) countByPeer.delete(peer)
      else countByPeer.set(peer, count)
    },
  }
}
