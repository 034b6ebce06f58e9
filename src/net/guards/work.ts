import { createAllowance } from '../../async/allowance.ts'
import type { World } from '../../world.ts'

/**
 * Work that a peer can cause by a few bytes, before anything of ours can judge it, in units of about 25 µs of a core.
 * Measured as docs/libraries.md says.
 */
export const unitsOf = {
  /** A stream opened: negotiation, its objects, and its end. */
  stream: 16,
  /** A frame that carries hardly anything costs as much as one of a kilobyte. */
  smallFrame: 1,
  /** An encrypted packet without content. */
  emptyPacket: 1 / 2,
  /**
   * A message of the DHT or of identify: a lookup among the peers that are known, or addresses that are parsed, filtered and
   * merged, each of 10 bytes.
   */
  message: 32,
  messageByte: 1 / 8,
} as const

/**
 * Who may cause how much work. Each peer has an allowance of its own, and what is above comes out of a surplus for all:
 * a peer alone on a quiet node hardly feels a bound, and none can use up what others need. Nobody is cut off for work: who
 * has no allowance left is read from more slowly.
 */
export interface Work {
  /** True, and the units are spent; else the peer has to wait. */
  pay(peer: string, isRegistered: boolean, units: number): boolean
}

/** With a share below 1, of so much less work. */
export const createWork = (world: Pick<World, 'monotonicMs'>, share = 1): Work => {
  // 64 streams at once, then 32 a second (8 for strangers); of the surplus 1,024 a second, which is 40 % of a core.
  const burst = 1_024 * share
  const ownOfRegistered = createAllowance({ burst, everyMs: 1_000 / (512 * share), maxNames }, world)
  const ownOfStrangers = createAllowance({ burst, everyMs: 1_000 / (128 * share), maxNames }, world)
  const surplus = createAllowance({ burst: 4 * burst, everyMs: 1_000 / (16_384 * share), maxNames: 1 }, world)
  return {
    pay: (peer, isRegistered, units) =>
      (isRegistered ? ownOfRegistered : ownOfStrangers).take(peer, units) || surplus.take('', units),
  }
}

/** Far more than are ever connected: a peer is not forgotten, and its allowance full again, while it is here. */
const maxNames = 4_096
