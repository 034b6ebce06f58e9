import * as http from 'node:http'
import * as https from 'node:https'
import type { z } from 'zod'
import { eitherOf } from '../../async/abort.ts'
import { pause } from '../../async/deadline.ts'
import { createLimit, type Limit } from '../../async/limit.ts'
import { SecnodeError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { type Backoff, backoffMs } from './backoff.ts'
import { createCredentials, type RpcAuth } from './credentials.ts'
import { readEnvelope, readJson, readResult } from './envelope.ts'
import { isRpcError, RpcError } from './errors.ts'
import { type HttpAnswer, HttpFailure, postJson } from './http.ts'

export interface RpcClientOptions {
  /** `http://` or `https://`, user and password allowed inside. */
  url: string
  /** Default: what the URL says, else none. */
  auth?: RpcAuth
  world: World
  /** Requests under way at once: zcashd and zend serve 4 threads by default and queue 16. */
  maxConcurrent?: number
  /** Calls that may wait for their turn; further ones fail with RPC_QUEUE_FULL. */
  maxWaiting?: number
  /** A block of 4 MB is 8 MB of hex. */
  maxAnswerBytes?: number
  /** For one try. */
  attemptMs?: number
  /** For all tries of a call together. */
  deadlineMs?: number
  maxAttempts?: number
  backoff?: Backoff
  /** Calls in one JSON-RPC batch. */
  maxBatchCalls?: number
}

export interface RpcCallOptions {
  signal?: AbortSignal
  attemptMs?: number
  deadlineMs?: number
  maxAnswerBytes?: number
  /**
   * False for what must not be done twice (sending money, mining): such a call uses a connection of its own and is
   * only sent again if the node cannot have seen it; else it fails with RPC_OUTCOME_UNKNOWN.
   */
  isRepeatable?: boolean
}

/** JSON-RPC over HTTP as zcashd, zend and zebrad speak it. Errors are RpcErrors, or the reason of the signal. */
export interface RpcClient extends AsyncDisposable {
  /** The URL without user and password, for messages. */
  readonly url: string
  call<T>(
    method: string,
    params: readonly unknown[],
    schema: z.ZodType<T>,
    options?: RpcCallOptions,
  ): Promise<T>
  /** The same method with many parameters: as batches where the node has them, else one by one. */
  callMany<T>(
    method: string,
    paramsOfCalls: readonly (readonly unknown[])[],
    schema: z.ZodType<T>,
    options?: RpcCallOptions,
  ): Promise<T[]>
  close(): Promise<void>
}

const defaults = {
  maxConcurrent: 8,
  maxWaiting: 1_024,
  maxAnswerBytes: 16 * 1024 * 1024,
  attemptMs: 30_000,
  deadlineMs: 90_000,
  maxAttempts: 6,
  backoff: { firstMs: 200, maxMs: 10_000 },
  maxBatchCalls: 100,
}

export const createRpcClient = (options: RpcClientOptions): RpcClient => {
  const { world } = options
  const settings = { ...defaults, ...options }
  const { url, authOfUrl } = parseRpcUrl(options.url)
  const credentials = createCredentials(options.auth ?? authOfUrl)
  const Agent = url.protocol === 'https:' ? https.Agent : http.Agent
  const agent = new Agent({ keepAlive: true, maxSockets: settings.maxConcurrent })
  const closing = new AbortController()
  const limit = createLimit({
    maxRunning: settings.maxConcurrent,
    maxWaiting: settings.maxWaiting,
    whenFull: () =>
      new RpcError('RPC_QUEUE_FULL', `${settings.maxWaiting} calls to the node wait already`, { method: '' }),
  })
  let hasBatches = true
  let lastId = 0

  const signalOf = (call: RpcCallOptions): AbortSignal => eitherOf(call.signal, closing.signal)

  const exchange = createExchange({ url, agent, credentials, limit, settings, signalOf, world })
  const withRetries = createRetries(settings, world, signalOf)

  const call: RpcClient['call'] = async (method, params, schema, callOptions = {}) =>
    withRetries(method, callOptions, async () => {
      const id = ++lastId
      const json = await exchange(method, requestText(id, method, params), callOptions)
      return readResult(readEnvelope(json, method, id), method, schema)
    })

  /** Null if the node does not answer with an array: it has no batches. */
  const callBatch = async <T>(
    method: string,
    paramsOfCalls: readonly (readonly unknown[])[],
    schema: z.ZodType<T>,
    callOptions: RpcCallOptions,
  ): Promise<T[] | null> =>
    withRetries(method, callOptions, async () => {
      const firstId = lastId + 1
      lastId += paramsOfCalls.length
      const requests = paramsOfCalls.map((params, i) => requestText(firstId + i, method, params))
      let json: unknown
      try {
        json = await exchange(method, `[${requests.join(',')}]`, callOptions)
      } catch (error) {
        if (isRpcError(error, 'RPC_BAD_ANSWER')) return null
        throw error
      }
      return readBatch(json, firstId, paramsOfCalls.length, method, schema)
    })

  const callMany = async <T>(
    method: string,
    paramsOfCalls: readonly (readonly unknown[])[],
    schema: z.ZodType<T>,
    callOptions: RpcCallOptions = {},
  ): Promise<T[]> => {
    const answers: T[] = []
    for (const chunk of chunksOf(paramsOfCalls, settings.maxBatchCalls)) {
      const answered =
        hasBatches && chunk.length > 1 ? await callBatch(method, chunk, schema, callOptions) : null
      if (answered === null) {
        if (chunk.length > 1) hasBatches = false
        answers.push(
          ...(await Promise.all(chunk.map(async (params) => call(method, params, schema, callOptions)))),
        )
      } else answers.push(...answered)
    }
    return answers
  }

  const close = async (): Promise<void> => {
    closing.abort(new RpcError('RPC_CLOSED', 'the client of the chain node is closed', { method: '' }))
    agent.destroy()
  }

  return { url: url.href, call, callMany, close, [Symbol.asyncDispose]: close }
}

interface ExchangeParts {
  url: URL
  agent: http.Agent
  credentials: ReturnType<typeof createCredentials>
  limit: Limit
  settings: { maxAnswerBytes: number; attemptMs: number }
  signalOf: (call: RpcCallOptions) => AbortSignal
  world: World
}

/** One HTTP exchange; a renewed cookie is worth a second one. */
const createExchange =
  ({ url, agent, credentials, limit, settings, signalOf, world }: ExchangeParts) =>
  async (method: string, body: string, call: RpcCallOptions): Promise<unknown> => {
    const { isRepeatable = true } = call
    const signal = signalOf(call)
    using _place = await limit.enter(signal)
    try {
      for (let isSecond = false; ; isSecond = true) {
        let answer: HttpAnswer
        try {
          answer = await postJson(
            {
              url,
              body,
              signal,
              // A kept-alive connection may be closed by the node in the very moment of sending: then nobody knows
              // whether the call was seen.
              agent: isRepeatable ? agent : false,
              authorization: await credentials.header(method),
              maxAnswerBytes: call.maxAnswerBytes ?? settings.maxAnswerBytes,
              timeoutMs: call.attemptMs ?? settings.attemptMs,
            },
            world,
          )
        } catch (error) {
          if (!(error instanceof HttpFailure) || error.kind !== 'closed') throw error
          // zebrad does not answer 401: it closes the connection. After its restart the cookie is another one.
          if (!isRepeatable) credentials.forget()
          else if (!isSecond && (await credentials.renew(method))) continue
          throw error
        }
        if (answer.status === 401 && !isSecond && (await credentials.renew(method))) continue
        return readJson(answer, method)
      }
    } catch (error) {
      throw error instanceof HttpFailure ? rpcErrorOf(error, method, url) : error
    }
  }

/** Repeats `work` while its errors are transient, within the bounds of number and time. */
const createRetries =
  (
    settings: { deadlineMs: number; maxAttempts: number; backoff: Backoff },
    world: World,
    signalOf: (call: RpcCallOptions) => AbortSignal,
  ) =>
  async <T>(method: string, call: RpcCallOptions, work: () => Promise<T>): Promise<T> => {
    const deadline = world.monotonicMs() + (call.deadlineMs ?? settings.deadlineMs)
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (!isRpcError(error)) throw error
        if (call.isRepeatable === false && error.mayHaveRun) throw outcomeUnknown(method, error)
        const pauseMs = backoffMs(settings.backoff, attempt, world)
        const isOver = attempt >= settings.maxAttempts || world.monotonicMs() + pauseMs >= deadline
        if (!error.isTransient || isOver) throw error
        await pause(world, pauseMs, signalOf(call))
      }
    }
  }

/** Answers in the order of the calls; null if the node did not answer with an array. */
const readBatch = <T>(
  json: unknown,
  firstId: number,
  size: number,
  method: string,
  schema: z.ZodType<T>,
): T[] | null => {
  if (!Array.isArray(json)) return null
  if (json.length !== size) {
    const message = `${method}: a batch of ${size} has ${json.length} answers`
    throw new RpcError('RPC_BAD_ANSWER', message, { method })
  }
  const byId = new Map(json.map((item) => [(item as { id?: unknown } | null)?.id, item as unknown]))
  return Array.from({ length: size }, (_, i) =>
    readResult(readEnvelope(byId.get(firstId + i), method, firstId + i), method, schema),
  )
}

/** Error RPC_URL for anything but an http or https URL. */
const parseRpcUrl = (text: string): { url: URL; authOfUrl: RpcAuth } => {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new SecnodeError('RPC_URL', 'the address of the chain node is no http or https URL', {
      hint: 'For example: --rpc http://127.0.0.1:18232',
      exitCode: 2,
    })
  }
  const user = decodeURIComponent(url.username)
  const password = decodeURIComponent(url.password)
  url.username = ''
  url.password = ''
  return { url, authOfUrl: user === '' ? { kind: 'none' } : { kind: 'password', user, password } }
}

const requestText = (id: number, method: string, params: readonly unknown[]): string =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params })

const rpcErrorOf = (failure: HttpFailure, method: string, url: URL): RpcError => {
  const options = { method, mayHaveRun: failure.isSent, cause: failure }
  switch (failure.kind) {
    case 'unreachable':
      return new RpcError(
        'RPC_UNREACHABLE',
        `no connection to the chain node at ${url.href}: ${failure.message}`,
        {
          ...options,
          isTransient: true,
          hint: 'Is the node running, with its JSON-RPC server on this address and port?',
        },
      )
    case 'closed':
      return new RpcError(
        'RPC_UNREACHABLE',
        `the chain node at ${url.href} closed the connection without an answer; zebrad does so to a wrong cookie or password`,
        {
          ...options,
          isTransient: true,
          hint: 'Check --rpc-cookie against the cookie_dir of the node (a new cookie at each start), or --rpc-password. Else the node is stopping.',
        },
      )
    case 'timeout':
      return new RpcError('RPC_TIMEOUT', `${method}: ${failure.message}`, {
        ...options,
        isTransient: true,
        hint: 'The node is overloaded or hangs; its log may say why.',
      })
    case 'too-large':
      return new RpcError('RPC_TOO_LARGE', `${method}: ${failure.message}`, options)
  }
}

const outcomeUnknown = (method: string, error: RpcError): RpcError =>
  new RpcError(
    'RPC_OUTCOME_UNKNOWN',
    `${method} was sent, but no usable answer came: it may have been carried out`,
    {
      method,
      mayHaveRun: true,
      hint: 'Look into the wallet of the node before doing it again.',
      cause: error,
    },
  )

const chunksOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
