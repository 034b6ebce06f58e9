import type { World } from '../world.ts'
import type { AssembledNode } from '../service/assemble.ts'
import { counterTotal } from '../node/metrics.ts'
import { pause } from '../async/deadline.ts'

/**
 * A devnet has no wall-clock time of its own: the next block comes when all running nodes have done what a real
 * network has minutes for, however slow the machine is. A node that hangs holds the others up for a bounded time.
 */
export interface Pace {
  /** Followed the tip, no visit is under way, and nobody asks others what they know of him. */
  untilQuiet(
    nodes: () => readonly AssembledNode[],
    confirmedHeight: number,
    signal: AbortSignal,
  ): Promise<void>
  /** Every running node has compared its store with `exchanges` others since now. */
  untilSynced(nodes: () => readonly AssembledNode[], exchanges: number, signal: AbortSignal): Promise<void>
}

const lookMs = 20
const maxQuietMs = 60_000
/** A node that is cut off asks for ever: the others wait for it, and not as long at the next block. */
const maxRecoveryMs = 30_000
const maxLaterRecoveryMs = 2_000
const maxSyncMs = 60_000

export const createPace = (world: World): Pace => {
  /** Nodes that were waited for in vain. */
  const cutOff = new WeakSet<AssembledNode>()
  const until = async (isDone: () => boolean, maxMs: number, signal: AbortSignal): Promise<void> => {
    const deadline = world.monotonicMs() + maxMs
    while (!isDone() && world.monotonicMs() < deadline) {
      await pause(world, lookMs, signal)
    }
  }
  return {
    async untilQuiet(nodes, confirmedHeight, signal) {
      const isQuiet = ({ daemon, follower }: AssembledNode): boolean =>
        follower.confirmedHeight >= confirmedHeight &&
        daemon.handledHeight() >= confirmedHeight &&
        daemon.challenger.state()?.targets.every((work) => work.is !== 'visiting') !== false
      const recovering = (): AssembledNode[] => nodes().filter(({ daemon }) => daemon.isRecovering())
      await until(() => nodes().every(isQuiet), maxQuietMs, signal)
      if (recovering().length === 0) return
      const maxMs = recovering().every((node) => cutOff.has(node)) ? maxLaterRecoveryMs : maxRecoveryMs
      await until(() => recovering().length === 0, maxMs, signal)
      for (const node of recovering()) cutOff.add(node)
      await until(() => nodes().every(isQuiet), maxQuietMs, signal)
    },
    async untilSynced(nodes, exchanges, signal) {
      const wanted = new Map<AssembledNode, number>()
      for (const node of nodes()) wanted.set(node, (await exchangesOf(node)) + exchanges)
      const counts = new Map<AssembledNode, number>()
      const deadline = world.monotonicMs() + maxSyncMs
      while (world.monotonicMs() < deadline) {
        for (const node of nodes()) counts.set(node, await exchangesOf(node))
        if (nodes().every((node) => counts.get(node)! >= (wanted.get(node) ?? 0))) return
        await pause(world, lookMs, signal)
      }
    },
  }
}

/** Those that ended in agreement or in something fetched; failed ones do not count. */
const exchangesOf = async ({ daemon }: AssembledNode): Promise<number> =>
  (await counterTotal(daemon.metrics.syncExchanges, 'agreed')) +
  (await counterTotal(daemon.metrics.syncExchanges, 'differing'))
