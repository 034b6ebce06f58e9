import { type MessageStream, StreamMessageEvent } from '@libp2p/interface'
import type { World } from '../../world.ts'
import { type Bytes, HostileBytesError, putBack } from './hostile.ts'

/** What an inspector says of bytes that may not all pass now. */
export interface Held {
  /** So many may. Those behind are looked at again once the units are paid. */
  passes: number
  /** Work that the peer has no allowance for yet. */
  owes: number
}

/** Looks at all bytes once, in order. Null if all may pass, as nearly always. Throws a HostileBytesError. */
export type Inspector = (bytes: Bytes) => Held | null

export interface WatchOptions {
  inspect: Inspector
  /** True if the work that is owed may be done now. */
  pay: (units: number) => boolean
  onHostile: (error: HostileBytesError) => void
  onWait: () => void
  world: Pick<World, 'setTimer'>
}

/** How often a peer that waits is looked at. */
const retryMs = 20

/**
 * Has an inspector look at all that a stream or connection delivers, before any listener gets it. `dispatchEvent` is the one
 * door to the listeners of libp2p's streams, those that are added later too; a listener of our own would not do, since
 * buffered bytes are delivered to the first one that comes.
 */
export const watch = (stream: MessageStream, options: WatchOptions): void => {
  const { inspect, pay, onHostile, onWait, world } = options
  const deliver = stream.dispatchEvent.bind(stream)

  /** Stops reading until the work is paid for; what is sent meanwhile stays with the sender. */
  const wait = (units: number): void => {
    stream.pause()
    onWait()
    const retry = (): void => {
      // It may have ended meanwhile, or nobody reads from it any more.
      if (!('readStatus' in stream) || stream.readStatus !== 'paused') return
      if (pay(units)) stream.resume()
      else later(retry)
    }
    later(retry)
  }

  const later = (retry: () => void): void => {
    world.setTimer(retryMs, () => {
      try {
        retry()
      } catch (error) {
        breakUp(error)
      }
    })
  }

  /** The connection below may be gone while what it brought is still read: then there is nothing to stop or to go on with. */
  const breakUp = (error: unknown): void => {
    if (error instanceof HostileBytesError) onHostile(error)
    else stream.abort(error as Error)
  }

  stream.dispatchEvent = (event) => {
    if (!(event instanceof StreamMessageEvent)) return deliver(event)
    try {
      const held = inspect(event.data)
      if (held === null) return deliver(event)
      wait(held.owes)
      putBack(stream, event.data, held.passes)
      return deliver(new StreamMessageEvent(firstOf(event.data, held.passes)))
    } catch (error) {
      breakUp(error)
      return false
    }
  }
}

const firstOf = (bytes: Bytes, count: number): Bytes =>
  bytes instanceof Uint8Array ? bytes.subarray(0, count) : bytes.sublist(0, count)
