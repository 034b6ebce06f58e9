import { setTimeout as wait } from 'node:timers/promises'

/** Waits for the promise or the end of the attack, whichever is first. Never rejects. */
export const during = async (signal: AbortSignal, promise: Promise<unknown>): Promise<void> => {
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await Promise.race([
    promise.then(
      () => undefined,
      () => undefined,
    ),
    ended,
  ])
}

/** Does it again and again until the attack is over; what the victim refuses is tried again a little later. */
export const repeat = async (signal: AbortSignal, act: () => Promise<void>): Promise<void> => {
  while (!signal.aborted) {
    let isRefused = false
    await during(
      signal,
      act().catch(() => (isRefused = true)),
    )
    if (isRefused) await pause(signal, 50)
  }
}

export const pause = async (signal: AbortSignal, ms: number): Promise<void> => {
  await wait(ms, undefined, { signal }).catch(() => undefined)
}
