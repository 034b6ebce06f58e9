import { type MessageStream, StreamMessageEvent } from '@libp2p/interface'
import type { World } from '../../world.ts'
import { type Bytes, HostileBytesError, putBack } from './hostile.ts'

/** What an inspector says of bytes that came. */
export interface Inspection {
  /** So many may pass now. Those behind are looked at again once the units are paid. */
  passes: number
  /** Work that the peer has no allowance for yet; 0 if all bytes may pass. */
  owes: number
}

/** Looks at all bytes once, in order. Throws a HostileBytesError. */
export type Inspector = (bytes: Bytes) => Inspection

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
      else world.setTimer(retryMs, () => unlessBroken(retry))
    }
    world.setTimer(retryMs, () => unlessBroken(retry))
  }

  /** The connection below may be gone while what it brought is still read: then there is nothing to stop or to go on with. */
  const unlessBroken = (act: () => boolean | void): boolean => {
    try {
      return act() ?? true
    } catch (error) {
      if (error instanceof HostileBytesError) onHostile(error)
      else stream.abort(error as Error)
      return false
    }
  }

  stream.dispatchEvent = (event) => {
    if (!(event instanceof StreamMessageEvent)) return deliver(event)
    const { data } = event
    return unlessBroken(() => {
      const { passes, owes } = inspect(data)
      if (owes === 0) return deliver(event)
      wait(owes)
      putBack(stream, data, passes)
      return deliver(new StreamMessageEvent(firstOf(data, passes)))
    })
  }
}

const firstOf = (bytes: Bytes, count: number): Bytes =>
  bytes instanceof Uint8Array ? bytes.subarray(0, count) : bytes.sublist(0, count)
