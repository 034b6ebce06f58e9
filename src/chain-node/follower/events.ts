import type { RegistryChange } from '../../../protocol/index.ts'
import { unlessAborted } from '../../async/abort.ts'
import type { HeaderRow } from '../../store/chain-index.ts'

/** A block as the follower stored it. */
export interface FollowedBlock extends HeaderRow {
  previousHash: Uint8Array
  /** What it changed in the registry; null below the activation height. */
  change: RegistryChange | null
}

/** In the order of what happened: a reorganisation first disconnects blocks from the highest one down. */
export type ChainEvent =
  { kind: 'connected'; block: FollowedBlock } | { kind: 'disconnected'; block: HeaderRow }

export interface EventHub {
  /**
   * Events from this call on. Each subscriber has a queue of its own; when one is full the follower waits for it, so
   * nothing is lost and whoever no longer reads must leave the loop.
   */
  subscribe(): AsyncIterableIterator<ChainEvent>
  /** Puts an event into every queue, waiting while one is full. Rejects with the signal's reason. */
  publish(event: ChainEvent, signal: AbortSignal): Promise<void>
  /** Ends every subscription after what is queued. */
  close(): void
}

export const createEventHub = (maxQueued: number): EventHub => {
  const queues = new Set<EventQueue>()
  let isClosed = false
  return {
    subscribe: () => {
      const queue = createQueue(maxQueued, () => queues.delete(queue))
      if (isClosed) queue.end()
      else queues.add(queue)
      return queue.iterator
    },
    publish: async (event, signal) => {
      for (const queue of queues) await queue.push(event, signal)
    },
    close: () => {
      isClosed = true
      for (const queue of queues) queue.end()
    },
  }
}

interface EventQueue {
  push(event: ChainEvent, signal: AbortSignal): Promise<void>
  end(): void
  iterator: AsyncIterableIterator<ChainEvent>
}

const createQueue = (maxQueued: number, onLeft: () => void): EventQueue => {
  const events: ChainEvent[] = []
  let isOver = false
  /** Wakes whoever waits for room or for an event. */
  let wake: () => void = () => undefined
  let changed = new Promise<void>((resolve) => (wake = resolve))
  const notify = (): void => {
    const wakeWaiting = wake
    changed = new Promise((resolve) => (wake = resolve))
    wakeWaiting()
  }

  const leave = (): void => {
    isOver = true
    onLeft()
    notify()
  }

  return {
    push: async (event, signal) => {
      const mustWait = (): boolean => !isOver && events.length >= maxQueued
      while (mustWait()) await unlessAborted(changed, signal)
      if (isOver) return
      events.push(event)
      notify()
    },
    end: leave,
    iterator: {
      next: async () => {
        while (events.length === 0) {
          if (isOver) return { done: true, value: undefined }
          await changed
        }
        const value = events.shift()!
        notify()
        return { done: false, value }
      },
      return: async () => {
        events.length = 0
        leave()
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]() {
        return this
      },
    },
  }
}
