import type { SnapshotRow } from '../../protocol/index.ts'
import { resolveObservedAddress } from '../net/resolve.ts'
import type { NodeContext } from './context.ts'

/** Where a seat's node is found: what is asked of it goes to its announced host. */
export type SeatAddress = Pick<SnapshotRow, 'peer' | 'host' | 'p2p'>

/** One request to a seat's node. Errors: those of `Host.request`. */
export const askSeat = async (
  node: NodeContext,
  seat: SeatAddress,
  protocol: string,
  request: Uint8Array,
  options: { timeoutMs: number; maxResponseBytes: number; signal: AbortSignal },
): Promise<Uint8Array> => {
  const resolution = await resolveObservedAddress(seat.host, node.resolveHost, {
    allowLoopback: node.allowLoopback,
    signal: options.signal,
  })
  return await node.host.request(
    {
      peerKey: seat.peer,
      address: resolution.is === 'ok' ? { ip: resolution.address.ip, port: seat.p2p } : null,
    },
    protocol,
    request,
    options,
  )
}
