import type { z } from 'zod'
import type { ServerCounts } from '../resources/server/view.ts'
import type { ViewParts } from '../view/parts.ts'

/** What a route of the port answers from. */
export interface ApiRequest<Params, Query> {
  parts: ViewParts
  counts: ServerCounts
  params: Params
  query: Query
  /** Aborted when the client is gone, the server stops, or time is up. */
  signal: AbortSignal
}

/** What a route of the control socket answers from. */
export interface SocketRequest<Params, Query, Body> {
  params: Params
  query: Query
  body: Body
  /** Aborted when the server stops. */
  signal: AbortSignal
}

/** One path: the same schemas check requests and answers, and describe them. */
interface RouteBase {
  /** With `{name}` for parameters; those of the port are below `/api/v1`. */
  path: string
  summary: string
  description?: string
  params: z.ZodObject
  query: z.ZodObject
}

/** Reached over HTTP on the port of the page: it is only read, and tells no secret. */
export interface ApiRoute extends RouteBase {
  reach: 'port'
  tag: string
  answer: z.ZodType
  /** Its answer is of this moment: no ETag. */
  isMomentary: boolean
  handle(request: ApiRequest<unknown, unknown>): Promise<unknown>
}

/** Reached over the control socket alone, which only the owner of the data directory may open. */
export interface SocketRoute extends RouteBase {
  reach: 'socket'
  /** Null for what is only read (GET); else it is posted. */
  body: { schema: z.ZodType; maxBytes: number; isText?: true } | null
  /** The schema of a JSON answer, or the type of one that goes out as it is. */
  answer: z.ZodType | { media: string }
  handle(request: SocketRequest<unknown, unknown, unknown>): unknown
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
  reach: 'port',
  handle: async (request) => await route.handle(request as ApiRequest<z.infer<Params>, z.infer<Query>>),
})

/** The same for a route of the control socket; `handle` gives JSON as `answer` describes it, else text or a stream. */
export const defineSocketRoute = <
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Answer extends z.ZodType | { media: string },
>(route: {
  path: string
  summary: string
  params: Params
  query: Query
  body: { schema: Body; maxBytes: number; isText?: true } | null
  answer: Answer
  handle(request: SocketRequest<z.infer<Params>, z.infer<Query>, z.infer<Body>>): AnswerOf<Answer>
}): SocketRoute => ({
  ...route,
  reach: 'socket',
  handle: (request) => route.handle(request as SocketRequest<z.infer<Params>, z.infer<Query>, z.infer<Body>>),
})

type AnswerOf<Answer> = Answer extends z.ZodType
  ? Promise<z.output<Answer>> | z.output<Answer>
  : Promise<string | ReadableStream<Uint8Array>>
