import { createHmac } from 'node:crypto'
import { createDeadline } from '../../async/deadline.ts'
import { SecnodeError, messageOf } from '../../errors.ts'
import type { World } from '../../world.ts'
import type { Alert } from './alert.ts'
import { type AlertTarget, targetId } from './target.ts'

export interface WebhookOptions {
  /** https, or http to this machine. */
  url: string
  /** Shared with the receiver: every request carries the HMAC-SHA256 of its body under it. */
  secret?: string | undefined
  timeoutMs: number
  world: Pick<World, 'setTimer'>
}

/** Hex HMAC-SHA256 of the body under the shared secret, after `sha256=`. */
export const signatureHeader = 'secnode-signature'

/** Loopback addresses and names: whatever goes there stays on the machine. */
const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** Alerts tell who is down and why: they do not travel in the clear. */
export const isWebhookUrl = (text: string): boolean => {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && loopback.test(url.hostname))
}

export const signatureOf = (secret: string, body: string): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

/** POSTs an alert as JSON. Any answer from 200 to 299 means that it was taken; redirects are not followed. */
export const createWebhook = ({ url, secret, timeoutMs, world }: WebhookOptions): AlertTarget => ({
  kind: 'webhook',
  // Paths and queries hold the tokens of chat services.
  name: new URL(url).host,
  id: targetId('webhook', url),
  async deliver(alert, signal) {
    const body = JSON.stringify(alert)
    using deadline = createDeadline(world, timeoutMs, signal)
    let response: Response
    try {
      response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        body,
        headers: headersOf(alert, body, secret),
        signal: deadline.signal,
      })
    } catch (error) {
      signal.throwIfAborted()
      const why = deadline.hasPassed() ? `no answer within ${timeoutMs / 1_000} seconds` : causeOf(error)
      throw new SecnodeError('WEBHOOK_FAILED', why, { cause: error })
    }
    // Nothing of the answer is needed, and it may have no end.
    await response.body?.cancel().catch(() => undefined)
    if (!response.ok) throw new SecnodeError('WEBHOOK_REFUSED', refusalOf(response))
  },
})

const headersOf = (alert: Alert, body: string, secret: string | undefined): Record<string, string> => ({
  'content-type': 'application/json',
  'user-agent': 'secnode',
  'secnode-alert-id': alert.id,
  ...(secret === undefined ? {} : { [signatureHeader]: signatureOf(secret, body) }),
})

const refusalOf = ({ status }: Response): string =>
  status >= 300 && status < 400
    ? `it answers ${status}, a redirect: configure the address that it leads to`
    : `it answers ${status}`

/** fetch hides the reason one level down. */
const causeOf = (error: unknown): string =>
  messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error)
