/**
 * A long computation that pauses now and then and says nothing there: whoever drives it may do something else meanwhile,
 * or nothing. It reads only what it was given at the start, so what comes out does not depend on the pauses.
 */
export type Steps<T> = Generator<void, T, void>

/** All of it without a pause. */
export const finish = <T>(steps: Steps<T>): T => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
