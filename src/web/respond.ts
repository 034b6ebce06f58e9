import type { Context } from 'hono'
import { createHash } from 'node:crypto'
import type { HtmlEscapedString } from 'hono/utils/html'
import type { WebEnv } from './guard.ts'
import type { ServerCounts } from './resources/server/view.ts'
import type { ViewParts } from './view/parts.ts'
import { createDeadline } from '../async/deadline.ts'

/** What an answer is made from. */
export interface MadeRequest {
  parts: ViewParts
  counts: ServerCounts
  signal: AbortSignal
}

/** How answers go out: with an ETag, and 304 for who has it already. */
export interface Responder {
  /** Made on request; unless it is momentary the state of the node is its ETag. */
  made(
    context: Context<WebEnv>,
    type: string,
    isMomentary: boolean,
    make: (request: MadeRequest) => Promise<string | HtmlEscapedString>,
  ): Promise<Response>
  /** The same for the life of the server. */
  fixed(context: Context<WebEnv>, body: string, type: string): Response
}

/** The first look at a week of the largest network takes long; nobody waits longer than this for a page. */
const deadlineMs = 60_000

export const createResponder = (
  parts: ViewParts,
  counts: () => ServerCounts,
  stopping: AbortSignal,
): Responder => {
  const isKnown = (context: Context<WebEnv>, etag: string): boolean =>
    (context.req.header('if-none-match') ?? '')
      .split(',')
      .some((one) => one.trim().replace(/^W\//, '') === etag.replace(/^W\//, ''))

  const send = (context: Context<WebEnv>, body: string, type: string, etag: string | null): Response => {
    context.header('cache-control', etag === null ? 'no-store' : 'no-cache, private')
    if (etag !== null) context.header('etag', etag)
    return context.body(body, 200, { 'content-type': `${type}; charset=utf-8` })
  }
  const notModified = (context: Context<WebEnv>, etag: string): Response => {
    context.header('cache-control', 'no-cache, private')
    context.header('etag', etag)
    return context.body(null, 304)
  }

  return {
    async made(context, type, isMomentary, make) {
      const etagNow = (): string => `W/"${parts.stamp()}"`
      const before = etagNow()
      if (!isMomentary && isKnown(context, before)) return notModified(context, before)
      const { world } = parts.node.daemon.node
      using deadline = createDeadline(world, deadlineMs, stopping, context.req.raw.signal)
      const { signal } = deadline
      const body = (await make({ parts, counts: counts(), signal })).toString()
      // What moved while the answer was made may be in it or not: only one made in a single state is marked with it.
      return send(context, body, type, isMomentary || etagNow() !== before ? null : before)
    },
    fixed(context, body, type) {
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
      return isKnown(context, etag) ? notModified(context, etag) : send(context, body, type, etag)
    },
  }
}
