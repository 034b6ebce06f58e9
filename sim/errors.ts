/** The one error class of the simulator: a stable code, one line, and what to do. */
export class SimulationError extends Error {
  readonly code: string
  readonly hint: string | undefined

  constructor(code: string, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SimulationError'
    this.code = code
    this.hint = hint
  }
}
