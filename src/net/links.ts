import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { bytesToHex } from '../../protocol/index.ts'
import { SecnodeError, messageOf } from '../errors.ts'
import type { World } from '../world.ts'
import { abortErrorOf, throwIfAborted, unlessAborted } from '../async/abort.ts'
import { createDeadline } from '../async/deadline.ts'
import type { NetMetrics } from './counters.ts'
import { exchangeErrorOf } from './exchange.ts'
import { isOwnError } from './own-error.ts'
import { addressOfMultiaddr, multiaddrOf, peerIdOfPeerKey, type PeerAddress } from './peer-address.ts'

/** Whom to ask: the peer, and the address where it must answer, or null for wherever it is connected or known. */
export interface RequestTarget {
  /** Ed25519, 32 bytes. */
  peerKey: Uint8Array
  address: PeerAddress | null
}

export interface Links {
  /**
   * An open stream to the target. Errors: NET_UNREACHABLE (refused, no route, another peer there, no connection in
   * `dialTimeoutMs`), NET_UNABLE (this side could not even try), NET_PROTOCOL_UNSUPPORTED, NET_TIMEOUT, NET_CLOSED,
   * NET_ABORTED.
   */
  openStream(target: RequestTarget, protocol: string, options: OpenOptions): Promise<OpenedStream>
  /** A connection to the peer at that address, or wherever it is known if null. Errors as above. */
  connect(
    target: RequestTarget,
    options: { dialTimeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<Connection>
  /**
   * Whether the peer answers at that address now, whatever connections to it there are: opens a connection and closes
   * it again. Errors: NET_UNREACHABLE, NET_UNABLE, NET_ABORTED.
   */
  knock(
    target: DialTarget,
    options: { dialTimeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<void>
}

/** A target whose address is known. */
export interface DialTarget extends RequestTarget {
  address: PeerAddress
}

export interface OpenOptions {
  dialTimeoutMs: number
  /** For all that follows, once connected. */
  timeoutMs: number
  maxStreams: number
  signal?: AbortSignal | undefined
}

export interface OpenedStream {
  stream: Stream
  /** Aborted when `timeoutMs` are over, and with the caller's signal. */
  signal: AbortSignal
  /** To be called when the stream is done with: a connection opened beside another only for it is closed. */
  release: () => void
}

export interface LinksOptions {
  metrics: NetMetrics
  world: World
  /** How long a connection opened beside another one stays when no request uses it. */
  idleExtraMs: number
}

export const createLinks = (node: Libp2p, options: LinksOptions): Links => {
  const { metrics } = options
  /** Dials under way, by peer and address, so that two requests share one. */
  const dials = new Map<string, Promise<Connection>>()
  /** Streams open on connections that were opened beside another one to the same peer. */
  const usesOfExtra = new WeakMap<Connection, number>()
  /** Not to be used again: closing (which says `open` until its last stream has ended), or without answer lately. */
  const unfit = new WeakSet<Connection>()

  const existing = (peer: PeerId, address: PeerAddress | null): Connection | undefined =>
    node
      .getConnections(peer)
      .filter((connection) => connection.status === 'open' && !unfit.has(connection))
      .find((connection) => address === null || isDialledAt(connection, address))

  const dial = async (peer: PeerId, address: PeerAddress | null, timeoutMs: number): Promise<Connection> => {
    using deadline = createDeadline(options.world, timeoutMs)
    const { signal } = deadline
    try {
      if (address === null) return await node.dial(peer, { signal })
      // libp2p joins dials of one peer, whatever their addresses; the result may be of another one.
      for (let tries = 0; tries < 3; tries++) {
        const hadOthers = node.getConnections(peer).length > 0
        const connection = await node.dial(multiaddrOf(address, peer), { signal, force: true })
        if (isDialledAt(connection, address)) {
          if (hadOthers) usesOfExtra.set(connection, 0)
          return connection
        }
      }
      throw new Error('other dials to the same peer are in the way')
    } catch (error) {
      throw await dialErrorOf(error, peer, address, signal.aborted ? timeoutMs : null)
    }
  }

  const connect: Links['connect'] = async ({ peerKey, address }, { dialTimeoutMs, signal }) => {
    throwIfAborted(signal)
    const peer = peerIdOfPeerKey(peerKey)
    const open = existing(peer, address)
    if (open !== undefined) return open
    const name = nameOf(peerKey, address)
    const dialled =
      dials.get(name) ??
      dial(peer, address, dialTimeoutMs)
        .then(
          (connection) => {
            metrics.increment('dials', 'ok')
            return connection
          },
          (error: unknown) => {
            metrics.increment('dials', error instanceof SecnodeError ? error.code : 'failed')
            throw error
          },
        )
        .finally(() => dials.delete(name))
    dials.set(name, dialled)
    // The dial goes on for others that wait for it.
    return signal === undefined ? dialled : unlessAborted(dialled, signal, abortErrorOf)
  }

  const knock: Links['knock'] = async ({ peerKey, address }, { dialTimeoutMs, signal: given }) => {
    throwIfAborted(given)
    const peer = peerIdOfPeerKey(peerKey)
    const before = new Set(node.getConnections(peer))
    using deadline = createDeadline(options.world, dialTimeoutMs, given)
    const { signal } = deadline
    let opened: Connection | undefined
    try {
      // libp2p joins dials of one peer, whatever their addresses; the result may be of another one.
      for (let tries = 0; tries < 3 && opened === undefined; tries++) {
        const connection = await node.dial(multiaddrOf(address, peer), { signal, force: true })
        if (isDialledAt(connection, address) && !before.has(connection)) opened = connection
      }
      if (opened === undefined) throw new Error('other dials to the same peer are in the way')
    } catch (error) {
      throwIfAborted(given)
      throw await dialErrorOf(error, peer, address, signal.aborted ? dialTimeoutMs : null)
    }
    // A dial that another request shares stays open for that.
    if (dials.has(nameOf(peerKey, address)) || (usesOfExtra.get(opened) ?? 0) > 0) return
    usesOfExtra.set(opened, 0)
    closeIfIdle(opened)
  }

  /** Keeps a count of who uses a connection that was opened only for requests; to be released by each. */
  const hold = (connection: Connection): (() => void) => {
    if (!usesOfExtra.has(connection)) return () => undefined
    const change = (by: 1 | -1): number => {
      const uses = (usesOfExtra.get(connection) ?? 0) + by
      usesOfExtra.set(connection, uses)
      return uses
    }
    change(1)
    return () => {
      if (change(-1) === 0) options.world.setTimer(options.idleExtraMs, () => closeIfIdle(connection))
    }
  }

  const closeIfIdle = (connection: Connection): void => {
    // Gossip is on the connection that was there before. Should that one be gone meanwhile, the router does not move
    // over by itself, so this one goes, too, and a new connection brings both.
    const hasGossip = connection.streams.some((stream) => stream.protocol.startsWith('/meshsub/'))
    if (connection.status !== 'open' || usesOfExtra.get(connection) !== 0 || hasGossip) return
    unfit.add(connection)
    void connection.close().catch((error: Error) => connection.abort(error))
  }

  const openOn = async (
    connection: Connection,
    protocol: string,
    { timeoutMs, maxStreams, signal: given }: OpenOptions,
  ): Promise<OpenedStream> => {
    const release = hold(connection)
    const deadline = createDeadline(options.world, timeoutMs, given)
    const { signal } = deadline
    const releaseBoth = (): void => {
      deadline[Symbol.dispose]()
      release()
    }
    try {
      const stream = await connection.newStream(protocol, { signal, maxOutboundStreams: maxStreams })
      return { stream, signal, release: releaseBoth }
    } catch (error) {
      releaseBoth()
      throwIfAborted(given)
      const coded = exchangeErrorOf(error)
      // Perhaps the peer is slow, perhaps the connection died unnoticed: the next attempt dials anew.
      if (coded.code === 'NET_TIMEOUT') unfit.add(connection)
      throw coded
    }
  }

  return {
    connect,
    knock,
    openStream: async (target, protocol, open) => {
      const connection = await connect(target, open)
      try {
        return await openOn(connection, protocol, open)
      } catch (error) {
        // The other side may have been closing it, which is no answer to us: once more, on a new one.
        const wasClosing = error instanceof SecnodeError && error.code === 'NET_CLOSED'
        if (!wasClosing) throw error
        unfit.add(connection)
        // A connection whose muxer is gone may go on saying that it is open.
        if (error.cause instanceof Error && error.cause.name === 'ConnectionClosedError')
          connection.abort(error.cause)
        return openOn(await connect(target, open), protocol, open)
      }
    },
  }
}

/** One name for a peer at an address, or anywhere. */
const nameOf = (peerKey: Uint8Array, address: PeerAddress | null): string =>
  `${bytesToHex(peerKey)} ${address === null ? '' : `${address.ip} ${address.port}`}`

/** Outgoing, and to that very address: an incoming connection says nothing of where its peer can be reached. */
const isDialledAt = (connection: Connection, address: PeerAddress): boolean => {
  if (connection.direction !== 'outbound') return false
  const remote = addressOfMultiaddr(connection.remoteAddr)
  return remote !== null && remote.ip === address.ip && remote.port === address.port
}

const dialErrorOf = async (
  failure: unknown,
  peer: PeerId,
  address: PeerAddress | null,
  timedOutAfterMs: number | null,
): Promise<SecnodeError> => {
  const where = address === null ? `peer ${peer.toString()}` : `${address.ip} port ${address.port}`
  if (timedOutAfterMs !== null) {
    return new SecnodeError('NET_UNREACHABLE', `${where}: no connection within ${timedOutAfterMs} ms`, {
      cause: failure,
    })
  }
  const causes = failure instanceof AggregateError ? (failure.errors as unknown[]) : [failure]
  const areOwn = await Promise.all(causes.map((cause) => isOwnError(codeOf(cause), address?.ip)))
  if (areOwn.length > 0 && areOwn.every(Boolean)) {
    return new SecnodeError('NET_UNABLE', `cannot dial ${where}: ${messageOf(causes[0])}`, {
      hint: 'The fault is on this side: no route of that address family, or no free file descriptor or port.',
      cause: failure,
    })
  }
  return new SecnodeError('NET_UNREACHABLE', `${where}: ${messageOf(causes[0] ?? failure)}`, {
    cause: failure,
  })
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code
