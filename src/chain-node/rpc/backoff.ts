import type { World } from '../../world.ts'

export interface Backoff {
  firstMs: number
  maxMs: number
}

/**
 * Milliseconds to wait before try `attempt` + 1 (attempts count from 1): doubled each time up to `maxMs`, of which a
 * random half is taken away, so that many clients of one node do not come back at the same moment.
 */
export const backoffMs = (backoff: Backoff, attempt: number, world: World): number => {
  const full = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt - 1, 30))
  const bytes = world.randomBytes(4)
  const chance = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32
  return full / 2 + (full / 2) * chance
}
