import { Hono } from 'hono'
import type { z } from 'zod'
import type { WebEnv } from '../guard.ts'
import { singleValues } from '../query.ts'
import { Refusal } from '../refusal.ts'
import type { Responder } from '../respond.ts'
import { openApiOf } from './openapi.ts'
import { readBy, routerPath } from './request.ts'
import type { ApiRoute } from './route.ts'
import { apiRoutes } from './routes.ts'

/** Everything below `/api/v1`. */
export const createApi = (respond: Responder): Hono<WebEnv> => {
  const app = new Hono<WebEnv>()
  const document = JSON.stringify(openApiOf(apiRoutes))
  app.get('/openapi.json', (context) => respond.fixed(context, document, 'application/json'))
  for (const route of apiRoutes) {
    app.get(routerPath(route.path), async (context) => {
      const params = checked(route.params, context.req.param(), 'path')
      const query = checked(route.query, singleValues(context.req.queries()), 'query')
      return await respond.made(context, 'application/json', route.isMomentary, async (request) =>
        JSON.stringify(answerOf(route, await route.handle({ ...request, params, query }))),
      )
    })
  }
  app.all('*', () => {
    throw new Refusal(404, 'NOT_FOUND', 'there is no such path', {
      hint: 'GET /api/v1/openapi.json has all.',
    })
  })
  return app
}

/** An answer that is not as described is a fault of ours, and nobody's to read. */
const answerOf = (route: ApiRoute, answer: unknown): unknown => route.answer.parse(answer)

const checked = (schema: z.ZodObject, values: unknown, where: string): unknown => {
  const read = readBy(schema, values)
  if (read.is === 'read') return read.value
  throw new Refusal(400, 'BAD_PARAMETER', `${where}: ${read.fault}`)
}
