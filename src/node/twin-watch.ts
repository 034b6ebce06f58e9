import type { Epoch, Seat } from '../../protocol/index.ts'
import { resolveObservedAddress } from '../net/resolve.ts'
import { createSelfLook, type SelfSeen } from '../net/self-look.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import { askOutside } from './ask-outside.ts'
import type { NodeContext } from './context.ts'
import type { Role } from './role.ts'
import type { Tasks } from './tasks.ts'

/** R-ATT-7: looks in every epoch whether another daemon answers at the announced address with this node's key. */
export interface TwinWatch extends Role {
  /** Who answers at the announced address of the seat with its key; null if it has no address. */
  look(context: EpochContext, seat: Seat, signal: AbortSignal): Promise<(SelfSeen & { at: string }) | null>
}

/** Seats that look for this node in an epoch where it does not reach its own address. */
const lookingSeats = 3

export const createTwinWatch = (node: NodeContext, tasks: Tasks): TwinWatch => {
  let lastEpoch: Epoch | null = null
  const selfLook = createSelfLook({
    peerKey: node.seatKeys.peerKey,
    instance: node.instance,
    networkId: node.networkId,
    roots: node.roots,
    verify: node.verifier.verify,
    localAddress: node.localAddress,
    world: node.world,
  })

  const look: TwinWatch['look'] = async (context, seat, signal) => {
    const row = context.rowOf(seat)
    if (row === undefined) return null
    const resolution = await resolveObservedAddress(row.host, node.resolveHost, {
      allowLoopback: node.allowLoopback,
      signal,
    })
    if (resolution.is !== 'ok') return null
    const { ip } = resolution.address
    const seen = await selfLook.look({ host: row.host, ip, port: row.tls }, signal)
    node.logger.debug({ ip, port: row.tls, seen }, 'looked who answers at the address of the seat')
    return { ...seen, at: `${ip} port ${row.tls}` }
  }

  const lookForTwin = async (signal: AbortSignal): Promise<void> => {
    const current = node.epochs.current()
    const seat = node.ownSeat()
    const context = current === null ? undefined : await node.epochs.get(current)
    const row = seat === undefined ? undefined : context?.rowOf(seat)
    if (context === undefined || row === undefined) return
    const seen = await look(context, row.seat, signal)
    // One that does not sign may be a doctor that tries the ports of the next machine, or has stopped by R-ATT-7.
    if (seen?.is === 'another' && seen.signs) await node.signing.foundElsewhere(context.epoch, seen.at)
    // Behind a router that does not lead back, others see what this node cannot.
    if (seen?.is === 'unknown') await askOutside(node, context, row, signal, lookingSeats)
  }

  return {
    look,
    onHeight({ epoch }) {
      if (epoch !== lastEpoch) tasks.run('look for a twin', lookForTwin)
      lastEpoch = epoch
      return Promise.resolve()
    },
    forgetAbove() {
      lastEpoch = null
    },
  }
}
