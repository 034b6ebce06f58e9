import {
  bytesToHex,
  concatBytes,
  endCodeBack,
  endCodeForth,
  equalBytes,
  maxTransactionBytes,
  puzzleAnswerCodec,
  type RelayAnswer,
  relayAnswerCodec,
  type RelayRequest,
  relayRequestCodec,
  type Seat,
} from '../../protocol/index.ts'
import { createPlaces } from '../admission/places.ts'
import { aborted } from '../async/abort.ts'
import { withDeadline } from '../async/deadline.ts'
import { isSecnodeError } from '../errors.ts'
import type { Host } from '../net/host.ts'
import type { PeerAddress } from '../net/peer-address.ts'
import type { PuzzleGate } from '../net/puzzle-gate.ts'
import type { InboundLink, OutboundLink } from '../net/relay-links.ts'
import type { Session } from '../net/sessions.ts'
import type { World } from '../world.ts'
import { idleMs, maxAgeMs } from './deadlines.ts'
import type { Exit } from './exit.ts'

/** Where a seat is found, by this hop's own registry. */
export interface HopSeat {
  peer: Uint8Array
  host: string
  p2p: number
}

export interface HopLimits {
  /** Circuits of registered peers: what other hops pass on. Those of strangers have the gate's places. */
  maxRegistered: number
  /** Circuits of one registered neighbour. */
  maxPerPeer: number
  /** Of one stranger, who needs one at a time. */
  maxPerStranger: number
  /** A circuit without a cell for so long is ended. */
  idleMs: number
  /** However busy. */
  maxAgeMs: number
  /** For a handshake, for what the client wants then, and for a link to the next hop. */
  stepTimeoutMs: number
  /** For each further part of a transaction. */
  partTimeoutMs: number
}

/**
 * A circuit takes a second, a slow one ten, and few a minute: 192 at a time are some hundred transactions a second through
 * this one hop. A neighbour's are at most 64, a third. A circuit's buffers are bounded by the 512 cells that a link carries, 0.5 MB.
 * Places are shared evenly (R-RELAY-6): a neighbour that fills them has what those with fewer circuits do not ask for.
 */
export const defaultHopLimits: HopLimits = {
  maxRegistered: 192,
  maxPerPeer: 64,
  maxPerStranger: 4,
  idleMs,
  maxAgeMs,
  stepTimeoutMs: 5_000,
  partTimeoutMs: 30_000,
}

export interface RelayHopOptions {
  host: Pick<Host, 'serveRelay' | 'openRelayLink' | 'penalise'>
  /** This node's own key, to which no circuit is extended. */
  ownPeer: Uint8Array
  /** The active seats that this node knows of. */
  seatOf(seat: Seat): Promise<HopSeat | undefined>
  /** R-PROBE-2; null if the name has no address that counts. */
  addressOf(seat: HopSeat, signal: AbortSignal): Promise<PeerAddress | null>
  /** Null for a hop that is never the last. */
  exit: Exit | null
  gate: PuzzleGate
  world: Pick<World, 'setTimer'>
  limits?: Partial<HopLimits>
}

/** Numbers only: a hop keeps nothing of who asked for what (R-RELAY-6). */
export interface HopStatus {
  circuits: { strangers: number; registered: number; sinceStart: number }
  /** On links that are over. */
  cells: { received: number; sent: number }
  /** What did not go on, by code. */
  refusals: Record<string, number>
  transactionsSent: number
  /** Hashes that a stranger is asked for now, 0 for none, and who waits at the gate. */
  effort: number
  waiting: number
}

/** Serves circuits: one hop of theirs, or their last (R-RELAY-3…6). */
export interface RelayHop {
  /** Before the host's start. */
  start(): void
  stop(): Promise<void>
  status(): HopStatus
}

const sweepMs = 5_000
/** Streams of a neighbour beside its circuits: links whose first cell is still on its way. */
const maxOpening = 16

export const createRelayHop = (options: RelayHopOptions): RelayHop => {
  const { host, gate, world } = options
  const limits = { ...defaultHopLimits, ...options.limits }
  const circuits = new Set<Circuit>()
  const links = new Set<InboundLink>()
  const places = createPlaces<InboundLink>({
    maxPlaces: limits.maxRegistered,
    levels: [{ maxPlaces: limits.maxPerPeer, weight: 1 }],
    graceMs: 0,
  })
  const serving = new Set<Promise<void>>()
  const refusals = new Map<string, number>()
  const cells = { received: 0, sent: 0 }
  let sinceStart = 0
  let transactionsSent = 0
  let stopSweep: (() => void) | null = null

  const refused = (code: string): string => {
    refusals.set(code, (refusals.get(code) ?? 0) + 1)
    return code
  }

  const countOf = (isRegistered: boolean): number =>
    [...circuits].filter(({ link }) => link.isRegistered === isRegistered).length

  /** Nothing is kept of a link before it has come through here. */
  const onLink = (link: InboundLink, payment: Uint8Array): void => {
    links.add(link)
    void link.ended.then(({ fault }) => {
      links.delete(link)
      const { received, sent } = link.cells()
      cells.received += received
      cells.sent += sent
      if (fault === 'session') blameStranger(link)
    })
    const work = enter(link, payment).catch(() => link.end('failed'))
    serving.add(work)
    void work.finally(() => serving.delete(work))
  }

  const enter = async (link: InboundLink, payment: Uint8Array): Promise<void> => {
    if (link.isRegistered) return await enterRegistered(link)
    const gone = new AbortController()
    void link.ended.then(() => gone.abort(new Error('gone')))
    const solution = payment.length === 0 ? null : payment
    const entered = await gate.enter({
      client: link.peerKey,
      solution,
      signal: gone.signal,
      // Nobody holds a place with an idle circuit while others wait.
      onTakenBack: () => link.end(refused('busy')),
    })
    if (entered.is === 'refused') {
      const { code, isFault, puzzle } = entered
      refused(code)
      if (isFault) host.penalise(link.peerKey, 'malformed-exchange')
      if (puzzle === null) link.end(code)
      else link.askToll(puzzleAnswerCodec.encode(['puzzle', puzzle.cookie, puzzle.effort, code]))
      return
    }
    try {
      await serve(link)
    } finally {
      entered.leave()
    }
  }

  /** Where there is no room, the neighbour with the most circuits loses its oldest. Only their order matters, not the time. */
  const enterRegistered = async (link: InboundLink): Promise<void> => {
    for (const displaced of places.arrive(link, [bytesToHex(link.peerKey)], 0)) displaced.end(refused('busy'))
    if (!places.has(link)) return
    try {
      await serve(link)
    } finally {
      places.leave(link)
    }
  }

  const serve = async (link: InboundLink): Promise<void> => {
    const ended = new AbortController()
    const circuit: Circuit = { link, next: null, cellsSeen: -1, idleMs: 0, ageMs: 0 }
    void link.ended.then(({ code }) => {
      ended.abort(new Error(code))
      circuit.next?.end(endCodeForth)
    })
    circuits.add(circuit)
    sinceStart++
    sweepLater()
    try {
      link.admit()
      await converse(circuit, ended.signal)
    } catch (error) {
      if (!ended.signal.aborted) failed(link, error)
    } finally {
      circuit.next?.end(endCodeForth)
      circuits.delete(circuit)
    }
  }

  /**
   * What is inside a session comes from the client, and a registered neighbour only passes it on: it is not to blame. A
   * stranger is no hop, so he is the client.
   */
  const blameStranger = (link: InboundLink): void => {
    if (!link.isRegistered) host.penalise(link.peerKey, 'malformed-exchange')
  }

  const failed = (link: InboundLink, error: unknown): void => {
    const isMalformed = isSecnodeError(error, 'NET_MALFORMED') || isSecnodeError(error, 'NET_TOO_LARGE')
    if (isMalformed) blameStranger(link)
    link.end(refused(isMalformed ? 'malformed' : isSecnodeError(error, 'NET_TIMEOUT') ? 'late' : 'failed'))
  }

  const within = <T>(ms: number, signal: AbortSignal, work: (step: AbortSignal) => Promise<T>): Promise<T> =>
    withDeadline(world, ms, signal, work)

  const converse = async (circuit: Circuit, signal: AbortSignal): Promise<void> => {
    const { link } = circuit
    const session = await within(limits.stepTimeoutMs, signal, (step) => link.session(step))
    const request = await within(limits.stepTimeoutMs, signal, (step) => read(link, session, step))
    if (request === null) return
    if (request[0] === 'extend') await extend(circuit, session, request, signal)
    else if (request[0] === 'broadcast') await broadcast(link, session, request, signal)
    else link.end(refused('out-of-place'))
  }

  const read = async (
    link: InboundLink,
    session: Session,
    signal: AbortSignal,
  ): Promise<RelayRequest | null> => {
    const decoded = relayRequestCodec.decode(await session.read(signal))
    if (decoded.is === 'ok') return decoded.value
    blameStranger(link)
    link.end(refused('malformed'))
    return null
  }

  const refuse = async (link: InboundLink, session: Session, code: string, signal: AbortSignal) => {
    await within(limits.stepTimeoutMs, signal, (step) => say(session, ['refused', refused(code)], step))
    link.end(code)
  }

  /** R-RELAY-4: to a registered seat's announced host and port, and nowhere else. */
  const extend = async (
    circuit: Circuit,
    session: Session,
    [, seat, peer]: Extract<RelayRequest, ['extend', ...unknown[]]>,
    signal: AbortSignal,
  ): Promise<void> => {
    const { link } = circuit
    const opened = await within(2 * limits.stepTimeoutMs, signal, (step) => openNext(link, seat, peer, step))
    if (typeof opened === 'string') return await refuse(link, session, opened, signal)
    circuit.next = opened
    // The link before may have ended meanwhile.
    if (signal.aborted) return
    await within(limits.stepTimeoutMs, signal, (step) => say(session, ['extended'], step))
    opened.join(session)
    const first = await Promise.race([link.ended, opened.ended])
    link.end(endCodeBack(first.code))
    opened.end(endCodeForth)
    if ((await opened.ended).fault === 'link') host.penalise(opened.peerKey, 'malformed-exchange')
  }

  const openNext = async (
    link: InboundLink,
    seat: Seat,
    peer: Uint8Array,
    signal: AbortSignal,
  ): Promise<OutboundLink | string> => {
    const row = await options.seatOf(seat)
    if (row === undefined) return 'unknown-seat'
    if (!equalBytes(row.peer, peer)) return 'other-key'
    if (equalBytes(peer, options.ownPeer) || equalBytes(peer, link.peerKey)) return 'not-onwards'
    try {
      const address = await options.addressOf(row, signal)
      if (address === null) return 'unresolvable'
      const { stepTimeoutMs } = limits
      return await host.openRelayLink(
        { peerKey: peer, address },
        { dialTimeoutMs: stepTimeoutMs, timeoutMs: stepTimeoutMs, payment: new Uint8Array(), signal },
      )
    } catch {
      return 'unreachable'
    }
  }

  /** R-RELAY-5. */
  const broadcast = async (
    link: InboundLink,
    session: Session,
    [, size, first]: Extract<RelayRequest, ['broadcast', ...unknown[]]>,
    signal: AbortSignal,
  ): Promise<void> => {
    const { exit } = options
    if (exit === null) return await refuse(link, session, 'no-exit', signal)
    if (size > maxTransactionBytes) return await refuse(link, session, 'too-large', signal)
    const parts = [first]
    let bytes = first.length
    while (bytes < size) {
      const request = await within(limits.partTimeoutMs, signal, (step) => read(link, session, step))
      if (request === null) return
      if (request[0] !== 'part') return link.end(refused('out-of-place'))
      parts.push(request[1])
      bytes += request[1].length
    }
    if (bytes > size) return await refuse(link, session, 'malformed-transaction', signal)
    const answer = await exit.broadcast(concatBytes(...parts), link.peerKey, signal)
    if (answer[0] === 'sent') transactionsSent++
    else refused(answer[0] === 'refused' ? answer[1] : answer[0])
    await within(limits.stepTimeoutMs, signal, (step) => say(session, answer, step))
    // The client ends the circuit when it has its answer.
    await within(limits.stepTimeoutMs, signal, (step) => Promise.race([link.ended, aborted(step)]))
    link.end('done')
  }

  const sweepLater = (): void => {
    stopSweep ??= world.setTimer(sweepMs, () => {
      stopSweep = null
      for (const circuit of circuits) sweep(circuit)
      if (circuits.size > 0) sweepLater()
    })
  }

  const sweep = (circuit: Circuit): void => {
    const { received, sent } = circuit.link.cells()
    circuit.ageMs += sweepMs
    circuit.idleMs = received + sent === circuit.cellsSeen ? circuit.idleMs + sweepMs : 0
    circuit.cellsSeen = received + sent
    if (circuit.idleMs >= limits.idleMs) circuit.link.end(refused('idle'))
    else if (circuit.ageMs >= limits.maxAgeMs) circuit.link.end(refused('too-old'))
  }

  return {
    start: () => {
      const onFault = (peerKey: Uint8Array): void => host.penalise(peerKey, 'malformed-exchange')
      const { maxPerStranger, stepTimeoutMs } = limits
      const maxPerPeer = limits.maxPerPeer + maxOpening
      host.serveRelay({ maxPerPeer, maxPerStranger, openTimeoutMs: stepTimeoutMs }, { onLink, onFault })
    },
    async stop() {
      stopSweep?.()
      for (const link of links) link.end('stopping')
      await Promise.all(serving)
    },
    status: () => {
      const { effort, waiting } = gate.status()
      return {
        circuits: { strangers: countOf(false), registered: countOf(true), sinceStart },
        cells: { ...cells },
        refusals: Object.fromEntries(refusals),
        transactionsSent,
        effort,
        waiting,
      }
    },
  }
}

interface Circuit {
  link: InboundLink
  next: OutboundLink | null
  cellsSeen: number
  idleMs: number
  ageMs: number
}

const say = (session: Session, answer: RelayAnswer, signal: AbortSignal): Promise<void> =>
  session.write(relayAnswerCodec.encode(answer), signal)
