import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ErrorAnswer } from './api/schemas.ts'

/** A request that is answered with an error: the one shape of all of them. */
export class Refusal extends Error {
  readonly status: ContentfulStatusCode
  readonly code: string
  readonly hint: string | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: ContentfulStatusCode,
    code: string,
    message: string,
    options: { hint?: string; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.code = code
    this.hint = options.hint
    this.headers = options.headers ?? {}
  }
}

export const answerOf = ({ code, message, hint }: Refusal): ErrorAnswer => ({
  error: { code, message, ...(hint === undefined ? {} : { hint }) },
})

/** As JSON, whoever asked: what is refused here was sent by no page of ours. */
export const refuse = (context: Context, refusal: Refusal): Response => {
  for (const [name, value] of Object.entries(refusal.headers)) context.header(name, value)
  context.header('cache-control', 'no-store')
  return context.json(answerOf(refusal), refusal.status)
}
