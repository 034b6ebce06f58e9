import { unlessAborted } from '../../async/abort.ts'
import type { Height } from '../../../protocol/index.ts'
import type { SecnodeError } from '../../errors.ts'
import type { World } from '../../world.ts'

/** What the follower does just now. */
export type FollowerStatus =
  /** Not started, or stopped. */
  | { is: 'idle' }
  | { is: 'catching-up'; height: Height; target: Height; blocksPerSecond: number; secondsLeft: number | null }
  /** At the last confirmed block; `tip` is the node's. */
  | { is: 'following'; height: Height; tip: Height }
  /** The node is on our chain, but has not come as far as we are: it syncs or was rolled back. */
  | { is: 'node-behind'; height: Height; tip: Height }
  /** No usable answer; tried again until there is one. */
  | { is: 'node-unreachable'; error: SecnodeError }
  /** CHAIN_NODE_LIES or CHAIN_OTHER_CHAIN; tried again as well. */
  | { is: 'node-lies'; error: SecnodeError }
  /** The store failed or the program is wrong: following has ended. */
  | { is: 'failed'; error: unknown }

/** At the last confirmed block, though its last step may have been to read one that has just come. */
export const isAtTip = (status: FollowerStatus): boolean =>
  status.is === 'following' || (status.is === 'catching-up' && status.height >= status.target)

/** Blocks per second over the last while. */
export interface Rate {
  count(blocks: number): void
  perSecond(): number
}

const rateWindowMs = 20_000
const maxSamples = 64

export const createRate = (world: World): Rate => {
  let samples: { atMs: number; blocks: number }[] = [{ atMs: world.monotonicMs(), blocks: 0 }]
  return {
    count: (blocks) => {
      const atMs = world.monotonicMs()
      samples.push({ atMs, blocks })
      // The first sample only marks where the window begins.
      while (samples.length > 2 && (samples.length > maxSamples || samples[0]!.atMs < atMs - rateWindowMs)) {
        samples = samples.slice(1)
      }
    },
    perSecond: () => {
      const first = samples[0]!
      const last = samples.at(-1)!
      const blocks = samples.slice(1).reduce((sum, sample) => sum + sample.blocks, 0)
      const elapsedMs = last.atMs - first.atMs
      return elapsedMs > 0 ? (blocks * 1_000) / elapsedMs : 0
    },
  }
}

/** The present status, and waiting for one that fits. */
export const createStatusSlot = () => {
  let status: FollowerStatus = { is: 'idle' }
  let change = Promise.withResolvers<void>()
  return {
    now: (): FollowerStatus => status,
    set: (next: FollowerStatus): void => {
      status = next
      change.resolve()
      change = Promise.withResolvers()
    },
    /** Resolves with the first status that fits, the present one included. */
    when: async (fits: (status: FollowerStatus) => boolean, signal: AbortSignal): Promise<FollowerStatus> => {
      while (!fits(status)) await unlessAborted(change.promise, signal)
      return status
    },
  }
}
