import { z } from 'zod'
import { daemonVersion } from '../../node/daemon.ts'
import type { ApiRoute } from './route.ts'
import { components, ErrorAnswer } from './schemas.ts'

type Json = Record<string, unknown>

const refTo = (schema: z.ZodType): Json => {
  const entry = components.get(schema)
  if (entry === undefined) throw new Error('an answer without a name')
  return { $ref: `#/components/schemas/${entry.id}` }
}

const withoutIds = ({ $schema: _schema, $id: _id, ...schema }: Json): Json => schema

/** JSON Schema 2020-12, which is what OpenAPI 3.1 speaks. */
const parameterSchema = (schema: z.ZodType): Json =>
  withoutIds(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json)

const parametersOf = (shape: Readonly<Record<string, unknown>>, where: 'path' | 'query'): Json[] =>
  Object.entries(shape).map(([name, schema]) => ({
    name,
    in: where,
    required: where === 'path' || !(schema as z.ZodType).safeParse(undefined).success,
    schema: parameterSchema(schema as z.ZodType),
  }))

const json = (schema: z.ZodType): Json => ({ 'application/json': { schema: refTo(schema) } })

const errors: Readonly<Record<string, string>> = {
  400: 'A parameter or the path is not as described',
  403: 'Another site asked',
  404: 'There is no such thing, or nothing can be told of it',
  405: 'It is only read: GET and HEAD',
  414: 'The address is too long',
  421: 'The Host header names another server',
  429: 'Too many requests; Retry-After says when',
  500: 'A fault of this node; its log says which',
  503: 'Not ready yet, or stopping',
}

const operationOf = (route: ApiRoute): Json => ({
  operationId: route.path
    .replaceAll(/[/{}]+/g, ' ')
    .trim()
    .replaceAll(' ', '-'),
  summary: route.summary,
  ...(route.description === undefined ? {} : { description: route.description }),
  tags: [route.tag],
  parameters: [...parametersOf(route.params.shape, 'path'), ...parametersOf(route.query.shape, 'query')],
  responses: {
    200: {
      description: route.summary,
      ...(route.isMomentary
        ? {}
        : { headers: { ETag: { schema: { type: 'string' }, description: 'Of the state of this node' } } }),
      content: json(route.answer),
    },
    ...(route.isMomentary ? {} : { 304: { description: 'Nothing has changed since (If-None-Match)' } }),
    ...Object.fromEntries(
      Object.entries(errors).map(([status, description]) => [
        status,
        { description, content: json(ErrorAnswer) },
      ]),
    ),
  },
})

/** The OpenAPI 3.1 document of a table of routes. */
export const openApiOf = (routes: readonly ApiRoute[]): Json => {
  const { schemas } = z.toJSONSchema(components, {
    uri: (id) => `#/components/schemas/${id}`,
  })
  return {
    openapi: '3.1.0',
    info: {
      title: 'Secnode',
      version: daemonVersion,
      description:
        'What one node of the network knows. Read-only. Amounts are base units as decimal texts (1 coin = 1e8), hashes of blocks and transactions as people write them, times those of the chain in UTC.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/api/v1' }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths: Object.fromEntries(routes.map((route) => [route.path, { get: operationOf(route) }])),
    components: {
      schemas: Object.fromEntries(
        Object.entries(schemas).map(([id, schema]) => [id, withoutIds(schema as Json)]),
      ),
    },
  }
}
