import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { World } from '../world.ts'
import type { WebEnv } from './guard.ts'
import { Refusal } from './refusal.ts'

/** Tells pages that are open when something has changed, over server-sent events. */
export interface Live {
  handle(context: Context<WebEnv>): Response
  count(): number
  stop(): void
}

/** More than an operator has windows; each holds a socket. */
export const maxLive = 24
/** Besides these: of the operator's own session. */
export const maxOperatorLive = 12
/** How often it is looked whether anything changed: one look for all. */
const lookMs = 1_000
/** So that a connection that is gone is noticed, and proxies keep the others. */
const beatLooks = 25
/** After an hour the browser connects anew by itself. */
const maxLooks = 3_600

export const createLive = (stampOf: () => string, world: World): Live => {
  const clients = new Map<(stamp: string) => void, { isOperator: boolean }>()
  let cancel: (() => void) | null = null
  let isStopped = false

  const look = (): void => {
    cancel = null
    const stamp = stampOf()
    for (const tell of clients.keys()) tell(stamp)
    if (clients.size > 0) schedule()
  }
  const schedule = (): void => {
    if (cancel === null && !isStopped) cancel = world.setTimer(lookMs, look)
  }

  return {
    handle(context) {
      const isOperator = context.get('isOperator')
      const alike = [...clients.values()].filter((client) => client.isOperator === isOperator).length
      if (isStopped || alike >= (isOperator ? maxOperatorLive : maxLive)) {
        throw new Refusal(429, 'LIVE_FULL', `${alike} pages are being kept up to date already`, {
          headers: { 'retry-after': '30' },
          hint: 'The page works without; load it again to see what is new.',
        })
      }
      const ended = Promise.withResolvers<void>()
      let looks = 0
      let told = stampOf()
      let send: (stamp: string) => void = () => undefined
      const tell = (stamp: string): void => {
        looks++
        if (isStopped || looks >= maxLooks) return ended.resolve()
        if (stamp === told && looks % beatLooks !== 0) return
        told = stamp
        send(stamp)
      }
      // Counted before the stream begins: a thousand requests at once must not all find room.
      clients.set(tell, { isOperator })
      context.header('x-accel-buffering', 'no')
      const answer = streamSSE(context, async (stream) => {
        send = (stamp) => {
          stream.writeSSE({ event: 'state', data: stamp }).catch(() => ended.resolve())
        }
        stream.onAbort(() => ended.resolve())
        try {
          send(told)
          schedule()
          await ended.promise
        } finally {
          clients.delete(tell)
        }
      })
      // A client that is gone before its stream began is told of by nobody else.
      const forget = (): void => {
        clients.delete(tell)
        ended.resolve()
      }
      context.env.outgoing.once('close', forget)
      return answer
    },
    count: () => clients.size,
    stop() {
      isStopped = true
      cancel?.()
      for (const tell of clients.keys()) tell('')
    },
  }
}
