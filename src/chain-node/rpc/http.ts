import * as http from 'node:http'
import * as https from 'node:https'
import { messageOf } from '../../errors.ts'
import type { World } from '../../world.ts'
import { eitherOf } from '../../async/abort.ts'

export interface HttpRequest {
  url: URL
  agent: http.Agent | false
  authorization: string | undefined
  body: string
  maxAnswerBytes: number
  timeoutMs: number
  signal: AbortSignal
}

export interface HttpAnswer {
  status: number
  text: string
}

/**
 * Why there is no answer. `isSent`: a connection stood, so the server may have seen the request. `closed`: it ended a
 * standing connection without the first byte of an answer.
 */
export class HttpFailure extends Error {
  readonly kind: 'unreachable' | 'closed' | 'timeout' | 'too-large'
  readonly isSent: boolean

  constructor(kind: HttpFailure['kind'], message: string, isSent: boolean, cause?: unknown) {
    super(message, { cause })
    this.kind = kind
    this.isSent = isSent
  }
}

/**
 * One POST with a deadline over the whole exchange and a bound on the answer. Throws HttpFailure, or the signal's
 * reason. Redirects are answers like any other.
 */
export const postJson = async (request: HttpRequest, world: World): Promise<HttpAnswer> => {
  request.signal.throwIfAborted()
  const stop = new AbortController()
  const signal = eitherOf(request.signal, stop.signal)
  let isSent = false
  let hasAnswer = false
  let failure: HttpFailure | undefined
  const cancelTimer = world.setTimer(request.timeoutMs, () => {
    failure = new HttpFailure('timeout', `no answer within ${request.timeoutMs} ms`, isSent)
    stop.abort()
  })
  try {
    const answer = await openExchange(request, signal, () => {
      isSent = true
    })
    hasAnswer = true
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > request.maxAnswerBytes) {
        failure = new HttpFailure(
          'too-large',
          `the answer is larger than ${request.maxAnswerBytes} bytes`,
          true,
        )
        stop.abort()
        break
      }
      chunks.push(chunk)
    }
    if (failure !== undefined) throw failure
    return { status: answer.statusCode ?? 0, text: Buffer.concat(chunks, length).toString('utf8') }
  } catch (error) {
    if (request.signal.aborted) throw request.signal.reason
    const kind = isSent && !hasAnswer ? 'closed' : 'unreachable'
    throw failure ?? new HttpFailure(kind, messageOf(error) || 'connection failed', isSent, error)
  } finally {
    cancelTimer()
  }
}

const openExchange = async (
  request: HttpRequest,
  signal: AbortSignal,
  onConnected: () => void,
): Promise<http.IncomingMessage> =>
  new Promise((resolve, reject) => {
    const send = request.url.protocol === 'https:' ? https.request : http.request
    const outgoing = send(request.url, {
      method: 'POST',
      agent: request.agent,
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(request.body),
        ...(request.authorization === undefined ? {} : { authorization: request.authorization }),
      },
    })
    outgoing.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', onConnected)
      else onConnected()
    })
    outgoing.on('error', reject)
    outgoing.on('response', (answer) => {
      // Whoever reads the answer hears of an error as well; this is for one that stopped reading before.
      answer.on('error', () => undefined)
      resolve(answer)
    })
    outgoing.end(request.body)
  })
