import type { ErrorCode } from './error-codes.ts'

export { type ErrorCode, isErrorCode } from './error-codes.ts'

/** Longer ones hold what a stranger wrote: the name of a key, a file's id, a node's words. */
const maxMessageLength = 1_000
/** Some list twenty lines of a table. */
const maxHintLength = 8_000

/** Control and format characters move a terminal's cursor, hide text, or begin a line of a log that nobody wrote. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** A text that a stranger may have written, as one line of at most 1,000 characters. */
export const lineOf = (text: string): string =>
  (text.length <= maxMessageLength ? text : `${text.slice(0, maxMessageLength - 1)}…`).replaceAll(
    unprintable,
    '?',
  )

/**
 * The one error class of the shell. `code` is stable and part of the interface, `message` is one line,
 * `hint` says what to do. The command line prints both lines and sets the exit code. Both may hold what strangers wrote,
 * of any length and with any characters: they are cut and made printable here.
 */
export class SecnodeError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  /** 1 failed or mismatch, 2 usage, 3 not enough data. */
  readonly exitCode: 1 | 2 | 3

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown; exitCode?: 1 | 2 | 3 } = {},
  ) {
    super(lineOf(message), options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'SecnodeError'
    this.code = code
    this.hint = options.hint
      ?.slice(0, maxHintLength)
      .split('\n')
      .map((line) => lineOf(line))
      .join('\n')
    this.exitCode = options.exitCode ?? 1
  }
}

export const isSecnodeError = (error: unknown, code?: string): error is SecnodeError =>
  error instanceof SecnodeError && (code === undefined || error.code === code)

/** The text of whatever was thrown, in one line. */
export const messageOf = (error: unknown): string =>
  lineOf(firstLineOf(error instanceof Error ? error.message : String(error)))

const firstLineOf = (text: string): string => {
  const end = text.indexOf('\n')
  return end === -1 ? text : text.slice(0, end)
}
