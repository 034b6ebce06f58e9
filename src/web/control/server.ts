import { chmod, rm } from 'node:fs/promises'
import { createAdaptorServer } from '@hono/node-server'
import { type Context, type Handler, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Logger } from 'pino'
import type { z } from 'zod'
import { isSecnodeError, messageOf, SecnodeError } from '../../errors.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import { controlSocketOf, prepareControlSocket } from '../../service/control-socket.ts'
import { readBy, routerPath } from '../api/request.ts'
import type { SocketRoute } from '../api/route.ts'
import { singleValues } from '../query.ts'
import { explainRoutes } from './routes/explain.ts'
import { ownerRoutes } from './routes/owner.ts'
import { relayRoutes } from './routes/relay.ts'
import { takeoverRoutes } from './routes/takeover.ts'
import { watchRoutes } from './routes/watch.ts'
import { weekRoutes } from './routes/weeks.ts'
import type { ControlError } from './schemas.ts'

/**
 * The daemon's answers to the command line of its own machine, over a socket in the data directory that only its
 * owner may open: the store itself can be open once only.
 */
export interface ControlServer {
  start(): Promise<void>
  stop(): Promise<void>
}

/** `pageUrl`: where the operator finds the page of this node; null if none is served. */
export const createControlServer = (
  node: AssembledNode,
  dir: string,
  logger: Logger,
  pageUrl: () => string | null = () => null,
): ControlServer => {
  const stopping = new AbortController()
  const app = new Hono()
  for (const route of socketRoutes(node, logger, pageUrl)) mount(app, route, stopping.signal)
  app.onError((error, context) => {
    if (!isSecnodeError(error)) logger.error({ err: error }, 'a question of the command line failed')
    const answer: ControlError = isSecnodeError(error)
      ? {
          code: error.code,
          message: error.message,
          exitCode: error.exitCode,
          ...(error.hint === undefined ? {} : { hint: error.hint }),
        }
      : { code: 'CONTROL_FAILED', message: messageOf(error), exitCode: 1 }
    return context.json(answer, 500)
  })
  const server = createAdaptorServer({ fetch: app.fetch })
  const path = controlSocketOf(dir)
  return {
    async start() {
      await prepareControlSocket(dir)
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(path, resolve)
      })
      await chmod(path, 0o600)
    },
    async stop() {
      stopping.abort(new Error('stopping'))
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
      await rm(path, { force: true })
    },
  }
}

/** Everything that the control socket answers; nothing of it is on the port. */
export const socketRoutes = (
  node: AssembledNode,
  logger: Logger,
  pageUrl: () => string | null,
): readonly SocketRoute[] => [
  ...watchRoutes(node),
  ...weekRoutes(node, logger),
  ...explainRoutes(node),
  ...takeoverRoutes(node),
  ...relayRoutes(node),
  ...ownerRoutes(node, pageUrl),
]

const mount = (app: Hono, route: SocketRoute, signal: AbortSignal): void => {
  const { body, answer } = route
  const handle: Handler = async (context) => {
    const request = {
      params: checked(route.params, context.req.param(), 'path'),
      query: checked(route.query, singleValues(context.req.queries()), 'query'),
      body: body === null ? undefined : checked(body.schema, await bodyOf(context, body), 'body'),
      signal,
    }
    const made = await route.handle(request)
    if ('media' in answer) {
      return context.body(made as string | ReadableStream<Uint8Array>, 200, { 'content-type': answer.media })
    }
    return context.json(answer.parse(made) as object)
  }
  const path = routerPath(route.path)
  if (body === null) app.get(path, handle)
  else app.post(path, bodyLimit({ maxSize: body.maxBytes }), handle)
}

const bodyOf = async (context: Context, { isText }: { isText?: true }): Promise<unknown> =>
  isText === true ? await context.req.text() : await context.req.json()

const checked = (schema: z.ZodType, values: unknown, where: string): unknown => {
  const read = readBy(schema, values)
  if (read.is === 'read') return read.value
  throw new SecnodeError('CONTROL_BAD_REQUEST', `${where}: ${read.fault}`, {
    exitCode: 2,
    hint: 'The running node and this program may be of different versions: start the node again.',
  })
}
