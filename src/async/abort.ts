import { SecnodeError } from '../errors.ts'

/** Aborted with the first of them, and with its reason; never if none is given. Where there is an end, `follow` costs less. */
export const eitherOf = (...signals: readonly (AbortSignal | undefined)[]): AbortSignal => {
  const given = signals.filter((signal) => signal !== undefined)
  return given.length === 1 ? given[0]! : AbortSignal.any(given)
}

/** Aborts with the first of the signals and its reason, until the function that it gives is called. */
export const follow = (
  controller: AbortController,
  ...signals: readonly (AbortSignal | undefined)[]
): (() => void) => {
  const abort = ({ target }: Event): void => controller.abort((target as AbortSignal).reason)
  for (const signal of signals) {
    if (signal?.aborted === true) controller.abort(signal.reason)
    else signal?.addEventListener('abort', abort)
  }
  return () => {
    for (const signal of signals) signal?.removeEventListener('abort', abort)
  }
}

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
    else signal?.addEventListener('abort', abort)
    promise.then(
      (value) => {
        signal?.removeEventListener('abort', abort)
        resolve(value)
      },
      (error: unknown) => {
        signal?.removeEventListener('abort', abort)
        reject(error as Error)
      },
    )
  })

const reasonOf = (signal: AbortSignal): Error => signal.reason as Error
