/** Keeps the process alive until it is disposed: timers of a World do not. One is enough for a process; `main` has it. */
export const keepAlive = (): Disposable => {
  const timer = setInterval(() => undefined, 60_000)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
