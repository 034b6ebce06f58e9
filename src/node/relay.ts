import { relayProtocol } from '../../protocol/index.ts'
import { createPuzzleGate } from '../net/puzzle-gate.ts'
import type { Exit } from '../relay/exit.ts'
import { createRelayHop, type RelayHop } from '../relay/hop.ts'
import { announcedAddress } from './ask-seat.ts'
import type { NodeContext } from './context.ts'

/**
 * Circuits of strangers at a time: those that this node is the first hop of. A client holds its place a second, so 64 are
 * some 60 transactions a second from users of this one node.
 */
const gateLimits = { places: 64, maxWaiting: 256 }

/** The relay's hop of a node: it extends to the seats of the current epoch's snapshot (R-RELAY-4). */
export const createNodeRelay = (node: NodeContext, exit: Exit | null): RelayHop =>
  createRelayHop({
    host: node.host,
    ownPeer: node.keys.peerKey,
    async seatOf(seat) {
      const current = node.epochs.current()
      const context = current === null ? undefined : await node.epochs.get(current)
      return context?.rowOf(seat)
    },
    addressOf: (seat, signal) => announcedAddress(node, seat, signal),
    exit,
    gate: createPuzzleGate({
      networkId: node.networkId,
      purpose: relayProtocol,
      server: node.keys.peerKey,
      limits: gateLimits,
      world: node.world,
      metrics: node.metrics.net,
    }),
    world: node.world,
  })
