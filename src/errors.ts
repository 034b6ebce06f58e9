/**
 * The one error class of the shell. `code` is stable and part of the interface, `message` is one line,
 * `hint` says what to do. The command line prints both lines and sets the exit code.
 */
export class SecnodeError extends Error {
  readonly code: string
  readonly hint: string | undefined
  /** 1 failed or mismatch, 2 usage, 3 not enough data. */
  readonly exitCode: 1 | 2 | 3

  constructor(
    code: string,
    message: string,
    options: { hint?: string; cause?: unknown; exitCode?: 1 | 2 | 3 } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'SecnodeError'
    this.code = code
    this.hint = options.hint
    this.exitCode = options.exitCode ?? 1
  }
}

export const isSecnodeError = (error: unknown, code?: string): error is SecnodeError =>
  error instanceof SecnodeError && (code === undefined || error.code === code)

/** The text of whatever was thrown, in one line. */
export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
