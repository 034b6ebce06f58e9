import { z } from 'zod'
import type { HttpAnswer } from './http.ts'
import { RpcError, rpcCodes } from './errors.ts'

/** zcashd and zend answer `{result, error, id}` with one of the two null; zebrad leaves the other out. */
const Envelope = z.looseObject({
  id: z.union([z.number(), z.string(), z.null()]).optional(),
  result: z.unknown().optional(),
  error: z
    .looseObject({ code: z.number(), message: z.string() })
    .nullish()
    .transform((error) => error ?? null),
})
export type Envelope = z.infer<typeof Envelope>

/** JSON of an answer, after the statuses and texts that are no JSON-RPC have been told apart. */
export const readJson = (answer: HttpAnswer, method: string): unknown => {
  const { status, text } = answer
  if (status === 401 || status === 403) {
    throw new RpcError('RPC_AUTH', `the node refused our user and password (HTTP ${status})`, {
      method,
      hint: 'Check --rpc-user and --rpc-password, or --rpc-cookie, against the configuration of the node.',
    })
  }
  // httpserver.cpp of the family: HTTP 500 with this plain text when all worker threads and queue places are taken.
  if (/work queue depth exceeded/i.test(text)) throw busy(method, 'work queue depth exceeded')
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    // 429 refuses; behind a proxy's 502 to 504 the node may have worked.
    if (status === 429 || (status >= 502 && status <= 504))
      throw busy(method, `HTTP ${status}`, status !== 429)
    throw new RpcError('RPC_BAD_ANSWER', `${method}: HTTP ${status} with something that is no JSON`, {
      method,
      mayHaveRun: true,
      hint: 'Is --rpc the address of the JSON-RPC port of a chain node?',
      cause: error,
    })
  }
}

const busy = (method: string, what: string, mayHaveRun = false): RpcError =>
  new RpcError('RPC_BUSY', `the node is overloaded: ${what}`, {
    method,
    isTransient: true,
    mayHaveRun,
    hint: 'Give the node more rpcthreads and a larger rpcworkqueue, or ask it less.',
  })

/** One answer object: checks its shape and id. */
export const readEnvelope = (json: unknown, method: string, expectedId: number): Envelope => {
  const parsed = Envelope.safeParse(json)
  if (!parsed.success) {
    throw new RpcError('RPC_BAD_ANSWER', `${method}: the answer is no JSON-RPC object`, {
      method,
      mayHaveRun: true,
      cause: parsed.error,
    })
  }
  // A server that could not read the request answers with id null, and an error.
  const { id } = parsed.data
  if (id !== expectedId && !((id ?? null) === null && parsed.data.error !== null)) {
    throw new RpcError('RPC_BAD_ANSWER', `${method}: the answer belongs to another request`, {
      method,
      mayHaveRun: true,
    })
  }
  return parsed.data
}

/** The result in the shape that the method promises; the node's refusal as an error. */
export const readResult = <T>(envelope: Envelope, method: string, schema: z.ZodType<T>): T => {
  if (envelope.error !== null) throw refusal(method, envelope.error.code, envelope.error.message)
  const parsed = schema.safeParse(envelope.result ?? null)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  const field = issue.path.length === 0 ? 'the result' : `field ${issue.path.map(String).join('.')}`
  throw new RpcError('RPC_WRONG_SHAPE', `${method}: ${field} of the answer: ${issue.message}`, {
    method,
    mayHaveRun: true,
    hint: 'Is this a node of the Zcash family in a supported version?',
    cause: parsed.error,
  })
}

const refusal = (method: string, rpcCode: number, rpcMessage: string): RpcError => {
  const options = { method, rpcCode, rpcMessage }
  if (rpcCode === rpcCodes.warmingUp) {
    return new RpcError('RPC_WARMING_UP', `the node is still starting: ${rpcMessage}`, {
      ...options,
      isTransient: true,
    })
  }
  if (rpcCode === rpcCodes.methodNotFound) {
    return new RpcError('RPC_METHOD_UNKNOWN', `the node does not know the method ${method}`, {
      ...options,
      hint: 'Another node of the family, another version, or an option such as -addressindex may offer it.',
    })
  }
  return new RpcError('RPC_REFUSED', `${method}: ${rpcMessage} (code ${rpcCode})`, options)
}
