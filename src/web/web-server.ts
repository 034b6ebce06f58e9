import { createAdaptorServer } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import type { Server } from 'node:http'
import { type AddressInfo, isIPv6 } from 'node:net'
import type { Logger } from 'pino'
import { isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import type { AssembledNode } from '../service/assemble.ts'
import type { Config } from '../service/config.ts'
import { readAssets } from './assets.ts'
import { createApi } from './api/api.ts'
import { createGuard, testAlertsPath, type WebEnv } from './guard.ts'
import { createLive, maxLive, maxOperatorLive } from './live.ts'
import { createOperatorSession, entryPath } from './operator-session.ts'
import { errorPage } from './pages/api-page.ts'
import { layout } from './pages/layout.ts'
import { createPages, frameOf } from './pages/pages.ts'
import { Refusal, refuse } from './refusal.ts'
import { createResponder } from './respond.ts'
import { boundSockets } from './sockets.ts'
import { createViewParts, NotFound, type ViewParts } from './view/parts.ts'

export type WebConfig = Exclude<Config['web'], false>

/**
 * The operator's page, the JSON API and the metrics of one daemon, for this machine unless configured otherwise. It is
 * read; all that it does is to send a test of the alerts.
 */
export interface WebServer {
  /** Errors: WEB_CANNOT_LISTEN. */
  start(): Promise<void>
  /** Idempotent. */
  stop(): Promise<void>
  /** `http://127.0.0.1:9736`, once started. */
  url(): string
  /** The same with the path that begins the operator's own session. */
  operatorUrl(): string
}

/** Starts what the configuration asks for; null for none. A page that cannot be served takes no node down. */
export const startWebServer = async (
  node: AssembledNode,
  config: Config['web'],
  logger: Logger,
): Promise<WebServer | null> => {
  if (config === false) return null
  const server = createWebServer(node, config, logger)
  try {
    await server.start()
    return server
  } catch (error) {
    await server.stop()
    if (!isSecnodeError(error, 'WEB_CANNOT_LISTEN')) throw error
    logger.error({ reason: error.message, code: error.code, hint: error.hint }, 'no page')
    return null
  }
}

/** Nothing here has a body, and no header of a browser is longer. */
const maxHeaderBytes = 8_192
const requestTimeoutMs = 10_000
/** How often it is looked whether a request, or its headers, take too long: by default twice a minute only. */
const lookMs = 1_000

const serverOptions = {
  maxHeaderSize: maxHeaderBytes,
  requestTimeout: requestTimeoutMs,
  headersTimeout: requestTimeoutMs,
  connectionsCheckingInterval: lookMs,
  keepAliveTimeout: 5_000,
}

export const createWebServer = (node: AssembledNode, config: WebConfig, logger: Logger): WebServer => {
  const { world } = node.daemon.node
  const stopping = new AbortController()
  const parts = createViewParts(node)
  const live = createLive(() => parts.stamp(), world)
  const session = createOperatorSession(world)
  const startedMs = world.monotonicMs()
  let requests = 0
  let refused = 0
  const hosts = new Set<string>()
  const respond = createResponder(
    parts,
    () => ({ startedMs, requests, refused, live: live.count(), maxLive: maxLive + maxOperatorLive }),
    stopping.signal,
  )

  const app = new Hono<WebEnv>()
  app.use(secure)
  app.use(async (_context, next) => {
    requests++
    await next()
  })
  app.use(createGuard({ hosts, session, world, onRefused: () => refused++ }))
  app.get(entryPath, (context) => {
    if (!context.get('isOperator'))
      throw new Refusal(403, 'SESSION_REFUSED', 'that is not the key of this session')
    context.header('set-cookie', session.cookie(portOf(server)))
    context.header('cache-control', 'no-store')
    return context.redirect('/', 303)
  })
  app.get('/live', (context) => {
    if (context.req.method === 'HEAD') throw new Refusal(405, 'METHOD_NOT_ALLOWED', 'a stream has no head')
    return live.handle(context)
  })
  app.get('/metrics', async (context) => {
    const { registry } = node.daemon.metrics
    context.header('cache-control', 'no-store')
    return context.body(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })
  app.post(testAlertsPath, async (context) => {
    await node.alerter.test(stopping.signal)
    // What came of it stands on the page, which can be loaded again without sending another one.
    return context.redirect('/#alerts', 303)
  })
  app.route('/api/v1', createApi(respond))
  app.route('/', createPages(respond))

  const answerError = createErrorAnswer(parts, stopping.signal, logger)
  app.notFound((context) => answerError(context, new Refusal(404, 'NOT_FOUND', 'there is no such page')))
  app.onError((error, context) => answerError(context, error))

  // Of HTTP/1: no other was asked for.
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions,
  }) as Server
  boundSockets(server, {
    isOperator: (request) => session.isOwn(request),
    world,
    metrics: node.daemon.metrics.net,
    logger,
  })
  let stage: 'new' | 'running' | 'stopped' = 'new'
  let url = ''

  return {
    async start() {
      if (stage !== 'new') return
      stage = 'running'
      for (const { name, type, body } of await readAssets()) {
        app.get(`/assets/${name}`, (context) => respond.fixed(context, body, type))
      }
      await listen(server, config)
      const port = portOf(server)
      for (const host of hostsOf(config, port)) hosts.add(host)
      url = `http://${bracketed(config.address)}:${port}`
      logger.info({ url: `${url}/` }, 'the page is served')
    },
    async stop() {
      if (stage === 'stopped') return
      const wasRunning = stage === 'running'
      stage = 'stopped'
      stopping.abort(new Error('stopping'))
      live.stop()
      if (wasRunning) {
        await new Promise<void>((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        })
      }
      await parts.stop()
    },
    url: () => url,
    operatorUrl: () => `${url}${session.entry}`,
  }
}

/** What a request is answered that failed: a page for people, JSON for programs. */
const createErrorAnswer =
  (parts: ViewParts, stopping: AbortSignal, logger: Logger) =>
  async (context: Context<WebEnv>, error: unknown): Promise<Response> => {
    const refusal = refusalOf(error, stopping, logger)
    // People read pages, programs read JSON; what the guard refuses was asked for by neither.
    const isForPeople = context.req.header('accept')?.includes('text/html') === true
    if (!isForPeople || [403, 405, 414, 421, 429].includes(refusal.status)) return refuse(context, refusal)
    const title = refusal.status === 404 ? 'Not found' : 'That did not work'
    const main = errorPage(refusal.message, refusal.hint)
    const page = layout(await frameOf(parts), { title, place: null, main })
    context.header('cache-control', 'no-store')
    return context.html(await page, refusal.status)
  }

const refusalOf = (error: unknown, stopping: AbortSignal, logger: Logger): Refusal => {
  if (error instanceof Refusal) return error
  if (error instanceof NotFound) return new Refusal(404, 'NOT_FOUND', error.message, { hint: error.hint })
  if (stopping.aborted) return new Refusal(503, 'STOPPING', 'the daemon stops')
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new Refusal(503, 'NOT_READY', 'this takes longer than a page waits', {
      headers: { 'retry-after': '30' },
      hint: 'It goes on being worked out: ask again in a while.',
    })
  }
  // What it was is for the log: it may name files, addresses or what a chain node said.
  logger.error({ err: error }, 'a page could not be made')
  return new Refusal(500, 'INTERNAL', 'that failed; the log of the daemon says why')
}

const listen = async (server: Server, { port, address }: WebConfig): Promise<void> => {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, address, resolve)
    })
  } catch (error) {
    throw new SecnodeError('WEB_CANNOT_LISTEN', `the page cannot be served: ${messageOf(error)}`, {
      hint: 'Give it another `web: { port }` in the configuration, or turn it off with `web: false`.',
      cause: error,
    })
  }
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port

/** No script but our own file, nothing from elsewhere, in no frame, and no word to other sites of where one was. */
const secure = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
  crossOriginResourcePolicy: 'same-origin',
  crossOriginOpenerPolicy: 'same-origin',
  // With none at all a browser would not say either that a form of ours was sent by our own page.
  referrerPolicy: 'same-origin',
  xContentTypeOptions: 'nosniff',
  xFrameOptions: 'DENY',
  permissionsPolicy: { camera: [], microphone: [], geolocation: [] },
  // Plain HTTP on loopback: a promise of TLS would be none.
  strictTransportSecurity: false,
})

const bracketed = (address: string): string => (isIPv6(address) ? `[${address}]` : address)

/** What a browser may write into the Host header: where it listens, and the names that the configuration adds. */
const hostsOf = ({ address, hosts }: WebConfig, port: number): string[] => {
  const own = [bracketed(address), ...(isLoopback(address) ? ['localhost'] : [])]
  return [...own.map((host) => `${host}:${port}`), ...hosts.flatMap((host) => [host, `${host}:${port}`])]
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')
