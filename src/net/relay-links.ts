import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { bytesToHex, type NetworkId, relayProtocol } from '../../protocol/index.ts'
import { throwIfAborted } from '../async/abort.ts'
import type { World } from '../world.ts'
import { CellStream, type LinkEnd } from './cell-stream.ts'
import type { Links, RequestTarget } from './links.ts'
import { peerKeyOf } from './peer-address.ts'
import type { Session, SessionMaker } from './sessions.ts'
import { createTurns } from './turns.ts'

/** A stream of cells between two neighbours of a circuit (R-RELAY-3). */
export interface RelayLink {
  /** Ed25519 key of the neighbour, 32 bytes; proved by the connection. */
  peerKey: Uint8Array
  /** Resolves when the link is over, whoever ended it; the stream is closed or will be within a second. */
  ended: Promise<LinkEnd>
  /** Cells so far, in both directions. */
  cells(): { received: number; sent: number }
  end(code: string): void
}

/** A link that another peer opened. Nothing behind its first cell is looked at before `admit`. */
export interface InboundLink extends RelayLink {
  isRegistered: boolean
  admit(): void
  /** Says what must be paid first, and ends. */
  askToll(payload: Uint8Array): void
  /** The session with whoever built the circuit up to here. */
  session(signal: AbortSignal): Promise<Session>
}

export interface OutboundLink extends RelayLink {
  session(peerKey: Uint8Array, signal: AbortSignal): Promise<Session>
  /** Joined with the session of the link before it. */
  join(session: Session): void
}

export interface OpenLinkOptions {
  dialTimeoutMs: number
  timeoutMs: number
  /** What was asked for in a toll; empty if nothing was. */
  payment: Uint8Array
  signal: AbortSignal
}

export interface LinkLimits {
  /** Links from one registered peer: above it streams are reset, before anything is read. */
  maxPerPeer: number
  /** The same for strangers. */
  maxPerStranger: number
  /** For the first cell. */
  openTimeoutMs: number
}

export interface InboundHandler {
  /** A link was opened, with this in its first cell. */
  onLink(link: InboundLink, payment: Uint8Array): void
  /** A neighbour broke R-RELAY-3, on a link that was handed over or before. */
  onFault(peerKey: Uint8Array): void
}

/** The relay's links of a host. Outlives starts and stops of the node. */
export interface RelayLinks {
  handle(limits: LinkLimits, handler: InboundHandler): void
  isHandled(protocol: string): boolean
  /** Whether this peer has a link here, or waits to be admitted. */
  isServed(peer: string): boolean
  serve(node: Libp2p, stopping: AbortSignal): Promise<void>
  /** Errors: as of `Links.openStream`. */
  open(
    links: Links,
    stopping: AbortSignal,
    target: RequestTarget,
    options: OpenLinkOptions,
  ): Promise<OutboundLink>
}

export interface RelayLinksOptions {
  networkId: NetworkId
  isRegistered: (peer: string) => boolean
  sessions: () => Promise<SessionMaker>
  world: Pick<World, 'setTimer'>
}

const maxOutboundStreams = 64

export const createRelayLinks = (options: RelayLinksOptions): RelayLinks => {
  const { world } = options
  const protocol = `/secnode/${options.networkId}/${relayProtocol}`
  const turns = createTurns()
  const streams = createCounts()
  const opened = createCounts()
  let service: { limits: LinkLimits; handler: InboundHandler } | null = null

  const onStream = (stream: Stream, connection: Connection, stopping: AbortSignal): void => {
    const peerKey = peerKeyOf(connection.remotePeer)
    const peer = peerKey === null ? '' : bytesToHex(peerKey)
    const isRegistered = options.isRegistered(peer)
    const isFull = (limits: LinkLimits): boolean =>
      streams.of(peer) >= (isRegistered ? limits.maxPerPeer : limits.maxPerStranger)
    if (service === null || peerKey === null || isFull(service.limits)) {
      stream.abort(new Error('not served'))
      return
    }
    const { limits, handler } = service
    streams.change(peer, 1)
    const ended = Promise.withResolvers<LinkEnd>()
    let isOpened = false
    const onOpen = (payment: Uint8Array): void => {
      stopWaiting()
      isOpened = true
      opened.change(peer, 1)
      handler.onLink(link, payment)
    }
    const cells = new CellStream(stream, { turns, world, onOpen, onEnd: ended.resolve })
    const stopWaiting = world.setTimer(limits.openTimeoutMs, () => cells.end('nothing-came'))
    const onStop = (): void => cells.end('stopping')
    stopping.addEventListener('abort', onStop, { once: true })
    void ended.promise.then(({ fault }) => {
      if (fault === 'link') handler.onFault(peerKey)
      stopWaiting()
      stopping.removeEventListener('abort', onStop)
      streams.change(peer, -1)
      if (isOpened) opened.change(peer, -1)
    })
    const link: InboundLink = {
      peerKey,
      isRegistered,
      ended: ended.promise,
      cells: () => cells.cells,
      end: (code) => cells.end(code),
      admit: () => cells.admit(),
      askToll: (payload) => cells.askToll(payload),
      session: async (signal) => (await options.sessions()).inbound(cells, signal),
    }
  }

  return {
    handle: (limits, handler) => {
      service = { limits, handler }
    },
    isHandled: (name) => name === protocol,
    isServed: (peer) => opened.of(peer) > 0,
    serve: async (node, stopping) => {
      if (service === null) return
      await node.handle(
        protocol,
        (stream, connection) => onStream(stream, connection, stopping),
        // One more, so that it is we who refuse.
        { maxInboundStreams: service.limits.maxPerPeer + 1, maxOutboundStreams },
      )
    },
    open: async (links, stopping, target, { payment, ...open }) => {
      const { stream, release } = await links.openStream(target, protocol, {
        ...open,
        maxStreams: maxOutboundStreams,
      })
      const ended = Promise.withResolvers<LinkEnd>()
      const cells = new CellStream(stream, { turns, world, onEnd: ended.resolve })
      const onStop = (): void => cells.end('stopping')
      stopping.addEventListener('abort', onStop, { once: true })
      void ended.promise.then(() => {
        stopping.removeEventListener('abort', onStop)
        release()
      })
      const link: OutboundLink = {
        peerKey: target.peerKey,
        ended: ended.promise,
        cells: () => cells.cells,
        end: (code) => cells.end(code),
        session: async (peerKey, signal) => (await options.sessions()).outbound(cells, peerKey, signal),
        join: (session) => session.splice(cells),
      }
      throwIfAborted(stopping)
      cells.open(payment)
      return link
    },
  }
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
