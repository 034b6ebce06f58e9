import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { groupsOfAddress } from '../net/peer-address.ts'
import type { World } from '../world.ts'
import type { OperatorSession } from './operator-session.ts'
import { Refusal } from './refusal.ts'
import { createTokenBuckets } from './token-buckets.ts'

/** What hono gets from Node's server with each request. */
export interface WebEnv {
  Bindings: HttpBindings
  Variables: {
    /** The request belongs to the operator's own session. */
    isOperator: boolean
  }
}

export interface GuardOptions {
  /** `host:port` as a browser writes them; whatever else is asked for is DNS rebinding, or a mistake. */
  hosts: ReadonlySet<string>
  session: Pick<OperatorSession, 'isOwn'>
  world: World
  onRefused: () => void
}

/** Longer than any page's own address by far. */
const maxTargetChars = 1_024
/** The one thing that the page does rather than shows: it sends a test to whoever is told of troubles. */
export const testAlertsPath = '/alerts/test'
/** A page loads with its style, script and icon: some seven pages a second, more than anyone reads. */
const limits = { burst: 300, perSecond: 30, maxClients: 1_024 }

/**
 * Turns away what no page of ours asks for, before anything is looked at: other methods and bodies, names that are not
 * this server's (DNS rebinding), requests that other sites make, odd paths, and whoever asks too often. What does
 * something is asked for by a page of ours, or not at all.
 */
export const createGuard = (options: GuardOptions): MiddlewareHandler<WebEnv> => {
  const { hosts, session, world, onRefused } = options
  const buckets = createTokenBuckets(limits, world)
  return async (context, next) => {
    const { incoming } = context.env
    try {
      const { method = '', url = '', headers } = incoming
      const isAction = url === testAlertsPath
      checkMethod(method, isAction)
      checkHost(hosts, incoming)
      checkTarget(url)
      checkSite(headers, url)
      if (isAction) checkOwnPage(headers)
      if (hasBody(headers)) throw new Refusal(400, 'BODY_NOT_ALLOWED', 'a request here has no body')
      const isOperator = session.isOwn(incoming)
      context.set('isOperator', isOperator)
      const client = isOperator ? 'operator' : `${clientOf(incoming.socket.remoteAddress)} ${kindOf(url)}`
      const seconds = buckets.take(client, costOf(url))
      if (seconds !== null) {
        throw new Refusal(429, 'RATE_LIMITED', 'too many requests', {
          headers: { 'retry-after': String(seconds) },
          hint:
            `Ask again in ${seconds} s; answers have ETags, and 304 is as good as an answer. ` +
            '`secnode page` prints a link whose requests no other program uses up.',
        })
      }
    } catch (error) {
      onRefused()
      throw error
    }
    await next()
  }
}

const checkMethod = (method: string, isAction: boolean): void => {
  const allowed = isAction ? ['POST'] : ['GET', 'HEAD']
  if (allowed.includes(method)) return
  const message = isAction ? 'this is only posted to' : 'this is only read'
  throw new Refusal(405, 'METHOD_NOT_ALLOWED', message, { headers: { allow: allowed.join(', ') } })
}

const checkHost = (hosts: ReadonlySet<string>, { headersDistinct }: IncomingMessage): void => {
  // Of several, Node shows the first only, and whatever stands between may have looked at another one.
  const [host, ...others] = headersDistinct['host'] ?? []
  if (host !== undefined && others.length === 0 && hosts.has(host.toLowerCase())) return
  throw new Refusal(421, 'HOST_REFUSED', 'this server does not go by that name', {
    hint: 'Use the address that the log names, or add the name to `web.hosts` of the configuration.',
  })
}

/** The raw target: what has been made canonical before a router sees it, is not asked for here. */
const checkTarget = (target: string): void => {
  if (target.length > maxTargetChars) throw new Refusal(414, 'TARGET_TOO_LONG', 'the address is too long')
  const [path = ''] = target.split('?', 1)
  const isPlain = path.startsWith('/') && !/\/\/|\\|\/\.|%(?:0|1|2[ef]|5c|7f)|[^!-~]/i.test(path)
  if (!isPlain) throw new Refusal(400, 'PATH_REFUSED', 'the path is not one of this server')
}

/**
 * Fetch metadata (W3C): nothing here is for other sites. A person may follow a link from elsewhere, an alert in a chat
 * for example, to a page; no script may, nor may a page be put into a frame.
 */
const checkSite = (headers: Record<string, string | string[] | undefined>, target: string): void => {
  const site = headers['sec-fetch-site']
  const isFollowedLink =
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document' &&
    headers['sec-fetch-user'] === '?1' &&
    !/^\/(?:api\/v1|live|metrics|assets)\b/.test(target)
  const isForeign = site !== undefined && site !== 'same-origin' && site !== 'none' && !isFollowedLink
  const isForeignOrigin = headers['origin'] !== undefined && !isOwnOrigin(headers)
  if (!isForeign && !isForeignOrigin) return
  throw new Refusal(403, 'CROSS_SITE', 'another site may not ask this server', {
    hint: 'Open the page itself; programs ask without an Origin header.',
  })
}

/** Every browser says of a form where it stood; who says nothing is no page of ours. */
const checkOwnPage = (headers: Record<string, string | string[] | undefined>): void => {
  if (isOwnOrigin(headers)) return
  throw new Refusal(403, 'CROSS_SITE', 'only a page of this server may ask for that', {
    hint: 'Programs use `secnode alert test`.',
  })
}

/** A proxy before this server may speak TLS. */
const isOwnOrigin = ({ origin, host }: Record<string, string | string[] | undefined>): boolean =>
  origin === `http://${String(host)}` || origin === `https://${String(host)}`

const hasBody = (headers: Record<string, string | string[] | undefined>): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0

/** An IPv6 host has its whole /64. */
const clientOf = (address = ''): string => groupsOfAddress(address)[0]

/** Programs that ask the API too often leave the pages to people. */
const kindOf = (target: string): 'programs' | 'pages' =>
  /^\/(?:api\/v1|metrics)\b/.test(target) ? 'programs' : 'pages'

/** A verdict's page asks another node for evidence, and reads the chain; a test calls on other services. */
const costOf = (target: string): number => {
  if (target === testAlertsPath) return 60
  return /\/(?:by|verdicts)\//.test(target) ? 10 : 1
}
