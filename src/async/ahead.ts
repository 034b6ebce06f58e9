/**
 * Results of `fetch(0)`, …, `fetch(count − 1)` in order, with at most `maxAhead` under way or waiting to be taken.
 * Leaving early aborts the rest and waits for it.
 */
export async function* fetchAhead<T>(
  count: number,
  maxAhead: number,
  signal: AbortSignal,
  fetch: (index: number, signal: AbortSignal) => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  const leaving = new AbortController()
  const both = AbortSignal.any([signal, leaving.signal])
  const ahead: Promise<T>[] = []
  let next = 0
  try {
    while (next < count || ahead.length > 0) {
      while (next < count && ahead.length < maxAhead) {
        const result = fetch(next++, both)
        // Avoids an unhandled rejection: the error surfaces when this result is awaited in its turn.
        result.catch(() => undefined)
        ahead.push(result)
      }
      yield await ahead.shift()!
    }
  } finally {
    leaving.abort(new Error('no longer wanted'))
    await Promise.allSettled(ahead)
  }
}
