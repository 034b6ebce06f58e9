import { SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'
import { follow } from './abort.ts'

type Timers = Pick<World, 'setTimer'>

/** A signal that aborts when time is up. Disposing it cancels the timer; the signal then never aborts by itself. */
export interface Deadline extends Disposable {
  signal: AbortSignal
  /** Whether time was up, and not another signal aborted. */
  hasPassed(): boolean
  /** Begins anew with so many milliseconds from now. */
  restart(ms: number): void
}

/**
 * Aborts after `ms` milliseconds with a TimeoutError, as `AbortSignal.timeout` does, but by the injected clock and without
 * a timer that outlives the work. Aborts earlier, with their reason, if one of `others` does before it is disposed of.
 */
export const createDeadline = (
  world: Timers,
  ms: number,
  ...others: readonly (AbortSignal | undefined)[]
): Deadline => {
  const controller = new AbortController()
  const unfollow = follow(controller, ...others)
  let hasPassed = false
  const begin = (forMs: number): (() => void) =>
    world.setTimer(forMs, () => {
      hasPassed = !controller.signal.aborted
      controller.abort(new DOMException(`no end after ${forMs} ms`, 'TimeoutError'))
    })
  let cancel = begin(ms)
  return {
    signal: controller.signal,
    hasPassed: () => hasPassed,
    restart: (forMs) => {
      cancel()
      cancel = begin(forMs)
    },
    [Symbol.dispose]: () => {
      cancel()
      unfollow()
    },
  }
}

/** Runs `work` with a signal that aborts as that of `createDeadline` does. Errors: those of `work`. */
export const withDeadline = async <T>(
  world: Timers,
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  using deadline = createDeadline(world, ms, signal)
  return await work(deadline.signal)
}

/** Resolves after `ms` milliseconds of the injected clock. Errors: the reason of the signal, as soon as that aborts. */
export const pause = (world: Timers, ms: number, signal?: AbortSignal): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  if (signal?.aborted === true) {
    reject(signal.reason)
    return promise
  }
  const cancel = world.setTimer(ms, () => {
    signal?.removeEventListener('abort', abort)
    resolve()
  })
  const abort = (): void => {
    cancel()
    reject(signal!.reason)
  }
  signal?.addEventListener('abort', abort, { once: true })
  return promise
}

/** Whether an error says that a deadline passed, ours or that of a library. */
export const isTimeout = (error: unknown): boolean =>
  error instanceof SecnodeError
    ? isTimeout(error.cause)
    : error instanceof Error && error.name === 'TimeoutError'
