import type { z } from 'zod'
import type { ServerCounts } from '../resources/server/view.ts'
import type { ViewParts } from '../view/parts.ts'

/** What a route answers from. */
export interface ApiRequest<Params, Query> {
  parts: ViewParts
  counts: ServerCounts
  params: Params
  query: Query
  /** Aborted when the client is gone, the server stops, or time is up. */
  signal: AbortSignal
}

/** One path of the API: the same schemas check requests and answers and describe them in the OpenAPI document. */
export interface ApiRoute {
  /** Below `/api/v1`, with `{name}` for parameters. */
  path: string
  summary: string
  description?: string
  tag: string
  params: z.ZodObject
  query: z.ZodObject
  answer: z.ZodType
  /** Its answer is of this moment: no ETag. */
  isMomentary: boolean
  handle(request: ApiRequest<unknown, unknown>): Promise<unknown>
}

/** Keeps the types of a route's parts together; the table knows them as schemas only. */
export const defineRoute = <
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Answer extends z.ZodType,
>(route: {
  path: string
  summary: string
  description?: string
  tag: string
  params: Params
  query: Query
  answer: Answer
  isMomentary?: boolean
  handle(request: ApiRequest<z.infer<Params>, z.infer<Query>>): Promise<z.input<Answer>> | z.input<Answer>
}): ApiRoute => ({
  isMomentary: false,
  ...route,
  handle: async (request) => await route.handle(request as ApiRequest<z.infer<Params>, z.infer<Query>>),
})
