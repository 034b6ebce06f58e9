import {
  createStream,
  defaultPrefixBits,
  drawUnasked,
  indexOfSeat,
  maxLookedUp,
  type Seat,
  type Snapshot,
  type SnapshotRow,
  startAsking,
  stepAsking,
} from '../../protocol/index.ts'
import { resolveObservedAddress } from '../net/resolve.ts'
import type { NodeContext } from './context.ts'

/** R-SYNC-2: whom a node asks next. */
export interface AskingOrder {
  /** Undefined if there is no other seat. */
  next(snapshot: Snapshot, signal: AbortSignal): Promise<SnapshotRow | undefined>
}

export const createAskingOrder = (
  node: Pick<NodeContext, 'ownSeat' | 'world' | 'resolveHost' | 'allowLoopback'>,
): AskingOrder => {
  /** Asked since all were. */
  const asked = new Set<Seat>()
  let recent: readonly Uint8Array[] = []
  // As for hops (R-RELAY-1): all loopback addresses share a prefix.
  const prefixBits = node.allowLoopback ? { ipv4: 32, ipv6: 128 } : defaultPrefixBits

  const addressOf = async (row: SnapshotRow, signal: AbortSignal): Promise<Uint8Array | null> => {
    const { resolveHost, allowLoopback } = node
    const resolution = await resolveObservedAddress(row.host, resolveHost, { allowLoopback, signal })
    return resolution.is === 'ok' ? resolution.address.bytes : null
  }

  return {
    async next(snapshot, signal) {
      const drawn = drawOthersOf(snapshot, node.ownSeat(), asked, node.world.randomBytes(32), maxLookedUp)
      // At once, so that whoever asks meanwhile is given others.
      for (const { seat } of drawn) asked.add(seat)
      if (drawn.length === 0) return undefined
      let step = startAsking(recent)
      while (step.effect.is === 'look-up') {
        const address = await addressOf(drawn[step.effect.place]!, signal)
        // Others may have looked up theirs meanwhile.
        step = stepAsking({ ...step, recent }, address, drawn.length, prefixBits)
      }
      recent = step.recent
      const chosen = drawn[step.effect.place]!
      for (const row of drawn) if (row !== chosen) asked.delete(row.seat)
      return chosen
    },
  }
}

/** Other seats that are not in `asked`, in an order drawn with a 32-byte seed. `asked` is emptied when it holds them all. */
export const drawOthersOf = (
  snapshot: Snapshot,
  own: Seat | undefined,
  asked: Set<Seat>,
  seed: Uint8Array,
  count: number,
): SnapshotRow[] => {
  const ownIndex = own === undefined ? -1 : indexOfSeat(snapshot, own)
  const stream = createStream(seed)
  const drawn: SnapshotRow[] = []
  const isOut = (index: number): boolean =>
    asked.has(snapshot[index]!.seat) || drawn.includes(snapshot[index]!)
  const draw = (): number => drawUnasked(snapshot.length, ownIndex, isOut, stream)
  let index = draw()
  if (index === -1) {
    asked.clear()
    index = draw()
  }
  while (index !== -1 && drawn.push(snapshot[index]!) < count) index = draw()
  return drawn
}
