import type { SnapshotRow } from '../../protocol/index.ts'
import { isSecnodeError } from '../errors.ts'
import type { PeerAddress } from '../net/peer-address.ts'
import { resolveObservedAddress } from '../net/resolve.ts'
import type { Provider } from '../week/ports.ts'
import type { NodeContext } from './context.ts'

/** Where a seat's node is found: what is asked of it goes to its announced host. */
export type SeatAddress = Pick<SnapshotRow, 'peer' | 'host' | 'p2p'>

export interface AskOptions {
  timeoutMs: number
  maxResponseBytes: number
  signal: AbortSignal
}

const searchTimeoutMs = 5_000

/**
 * One request to a seat's node, at its announced host; where nobody is there, at the address that the DHT knows: a
 * node that moved is asked, though it fails its challenges until it announces itself anew. Errors: those of
 * `Host.request`.
 */
export const askSeat = async (
  node: NodeContext,
  seat: SeatAddress,
  protocol: string,
  request: Uint8Array,
  options: AskOptions,
): Promise<Uint8Array> => {
  const ask = async (address: PeerAddress | null): Promise<Uint8Array> =>
    await node.host.request({ peerKey: seat.peer, address }, protocol, request, options)
  const announced = await announcedAddress(node, seat, options.signal)
  try {
    return await ask(announced)
  } catch (error) {
    if (!isSecnodeError(error, 'NET_UNREACHABLE')) throw error
    const moved = await movedTo(node, seat, announced, options.signal)
    if (moved === null) throw error
    return await ask(moved)
  }
}

/** A seat's node as somebody who may have what is missing. */
export const providerOfSeat = (node: NodeContext, seat: SeatAddress, timeoutMs: number): Provider => ({
  name: seat.host,
  ask: (protocol, request, maxResponseBytes, signal) =>
    askSeat(node, seat, protocol, request, { timeoutMs, maxResponseBytes, signal }),
})

/** Connects to a seat's node, at its announced host or where the DHT knows it. Errors: those of `Host.dial`. */
export const dialSeat = async (node: NodeContext, seat: SeatAddress, signal: AbortSignal): Promise<void> => {
  const dial = async (address: PeerAddress | null): Promise<void> =>
    await node.host.dial({ peerKey: seat.peer, address }, { signal })
  const announced = await announcedAddress(node, seat, signal)
  try {
    await dial(announced)
  } catch (error) {
    if (!isSecnodeError(error, 'NET_UNREACHABLE')) throw error
    const moved = await movedTo(node, seat, announced, signal)
    if (moved === null) throw error
    await dial(moved)
  }
}

/** R-PROBE-2, with the announced port; null if the name has no address that counts. */
export const announcedAddress = async (
  node: NodeContext,
  seat: Pick<SeatAddress, 'host' | 'p2p'>,
  signal: AbortSignal,
): Promise<PeerAddress | null> => {
  const resolution = await resolveObservedAddress(seat.host, node.resolveHost, {
    allowLoopback: node.allowLoopback,
    signal,
  })
  return resolution.is === 'ok' ? { ip: resolution.address.ip, port: seat.p2p } : null
}

const movedTo = async (
  node: NodeContext,
  seat: SeatAddress,
  announced: PeerAddress | null,
  signal: AbortSignal,
): Promise<PeerAddress | null> => {
  const found = await node.host.findPeer(seat.peer, { timeoutMs: searchTimeoutMs, signal })
  return found.find(({ ip, port }) => ip !== announced?.ip || port !== announced.port) ?? null
}
