import {
  createStream,
  defaultPrefixBits,
  isApart,
  type Seat,
  shuffledIndexes,
  type Snapshot,
  type SnapshotRow,
} from '../../protocol/index.ts'
import { resolveObservedAddress } from '../net/resolve.ts'
import type { NodeContext } from './context.ts'

/** R-SYNC-2: whom a node asks next. */
export interface AskingOrder {
  /** Undefined if there is no other seat. */
  next(snapshot: Snapshot, signal: AbortSignal): Promise<SnapshotRow | undefined>
}

/** Looked up for one question at most: where all seats live behind few prefixes, the first one drawn is asked. */
const maxLookedUp = 4
/** Addresses asked last, of which the next one is apart. */
const maxRecent = 8

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
      const drawn = drawUnasked(snapshot, node.ownSeat(), asked, node.world.randomBytes(32), maxLookedUp)
      // At once, so that whoever asks meanwhile is given others.
      for (const { seat } of drawn) asked.add(seat)
      let chosen = drawn[0]
      for (const row of drawn) {
        const address = await addressOf(row, signal)
        if (address === null || !isApart(address, recent, prefixBits)) continue
        recent = [...recent, address].slice(-maxRecent)
        chosen = row
        break
      }
      for (const row of drawn) if (row !== chosen) asked.delete(row.seat)
      return chosen
    },
  }
}

/** Other seats that are not in `asked`, in an order drawn with a 32-byte seed. `asked` is emptied when it holds them all. */
export const drawUnasked = (
  snapshot: Snapshot,
  own: Seat | undefined,
  asked: Set<Seat>,
  seed: Uint8Array,
  count: number,
): SnapshotRow[] => {
  const others = snapshot.filter(({ seat }) => seat !== own)
  let left = others.filter(({ seat }) => !asked.has(seat))
  if (left.length === 0) {
    asked.clear()
    left = others
  }
  const order = shuffledIndexes(createStream(seed), left.length)
  return [...order.subarray(0, count)].map((index) => left[index]!)
}
