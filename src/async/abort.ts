import { SecnodeError } from '../errors.ts'

/** Aborted with the first of them, and with its reason; never if none is given. */
export const eitherOf = (...signals: readonly (AbortSignal | undefined)[]): AbortSignal =>
  AbortSignal.any(signals.filter((signal) => signal !== undefined))

/** What the caller is told: the coded reason if there is one, as when the host stops, else NET_ABORTED. */
export const abortErrorOf = (signal: AbortSignal): SecnodeError =>
  signal.reason instanceof SecnodeError
    ? signal.reason
    : new SecnodeError('NET_ABORTED', 'the request was aborted', { cause: signal.reason })

export const throwIfAborted = (signal: AbortSignal | undefined): void => {
  if (signal?.aborted === true) throw abortErrorOf(signal)
}

/** Resolves once the signal aborts; at once if it has. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

/**
 * The promise, or what `errorOf` makes of the signal once that is aborted: its reason by default. The promise itself goes
 * on, and what it rejects with then is heard here.
 */
export const unlessAborted = <T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  errorOf: (signal: AbortSignal) => Error = reasonOf,
): Promise<T> =>
  new Promise((resolve, reject) => {
    const abort = () => reject(errorOf(signal!))
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal?.removeEventListener('abort', abort))
  })

const reasonOf = (signal: AbortSignal): Error => signal.reason as Error
