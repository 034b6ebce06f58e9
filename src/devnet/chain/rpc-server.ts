import { timingSafeEqual } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { bytesToHex } from '../../../protocol/index.ts'
import { SecnodeError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { dispatch, type RpcAnswer, type RpcMethods } from './rpc/dispatch.ts'
import { rpcCode } from './rpc/errors.ts'
import type { RpcDialect } from './rpc/dialect.ts'
import { isObject } from './rpc/params.ts'

export type RpcServerAuth =
  | { kind: 'none' }
  | { kind: 'password'; user: string; password: string }
  /** Writes `__cookie__:<random hex>` to the file at every start, as the daemons do. */
  | { kind: 'cookie'; path: string }

/** Faults of real nodes that a client must survive. */
export type RpcFault =
  /** Error -28 with this text. */
  | { kind: 'warming-up'; message?: string }
  /** HTTP 500 with plain text, when all workers and places of the queue are taken. */
  | { kind: 'overloaded' }
  /** Takes the request and never answers. */
  | { kind: 'hang' }
  /** Closes the connection instead of answering. */
  | { kind: 'drop' }

export interface RpcServerOptions {
  methods: RpcMethods
  dialect: RpcDialect
  auth: RpcServerAuth
  world: Pick<World, 'randomBytes'>
  /** Loopback only. */
  host?: string
  /** 0: any free port. */
  port?: number
  maxBodyBytes?: number
}

export interface RpcServer {
  /** `http://host:port/`. Throws before `start`. */
  readonly url: string
  start(): Promise<void>
  stop(): Promise<void>
  /** Answers with this fault until told otherwise, or the given number of times; null ends it. */
  simulate(fault: RpcFault | null, times?: number): void
}

/** Calls in one HTTP request. */
const maxBatch = 10_000
/** zcashd takes 32 MB; a block of 2 MB is 4 MB of hex. */
const defaultMaxBodyBytes = 16_000_000

export const createRpcServer = (options: RpcServerOptions): RpcServer => {
  const { methods, dialect, world, host = '127.0.0.1', maxBodyBytes = defaultMaxBodyBytes } = options
  if (!/^127(\.\d{1,3}){3}$|^::1$/.test(host)) {
    throw new SecnodeError('DEVNET_RPC_HOST', `the embedded chain listens on loopback only, not on ${host}`)
  }
  let server: Server | null = null
  let credentials: Buffer | null = null
  let fault: RpcFault | null = null
  let faultsLeft = Infinity

  const nextFault = (): RpcFault | null => {
    if (fault === null || faultsLeft <= 0) return null
    faultsLeft--
    return fault
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST') {
      sendText(response, 405, 'JSONRPC server handles only POST requests')
      return
    }
    if (!isAuthorized(request, credentials, dialect)) {
      if (dialect === 'zebrad') {
        request.socket.destroy()
        return
      }
      response.setHeader('www-authenticate', 'Basic realm="jsonrpc"')
      sendText(response, 401, '')
      return
    }
    const body = await readBody(request, maxBodyBytes)
    if (body === null) {
      response.setHeader('connection', 'close')
      sendText(response, 413, 'Request body too large')
      return
    }
    const current = nextFault()
    if (current?.kind === 'hang') return
    if (current?.kind === 'drop') {
      request.socket.destroy()
      return
    }
    if (current?.kind === 'overloaded') {
      sendText(response, 500, 'Work queue depth exceeded')
      return
    }
    const warming = current === null ? null : (current.message ?? 'Loading block index...')
    const { status, text } = answerBody(body, dialect, (method, params) =>
      warming === null
        ? dispatch(methods, method, params, dialect)
        : { error: { code: rpcCode.warmingUp, message: warming } },
    )
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(text)
  }

  return {
    get url() {
      const address = server?.address() as AddressInfo | null | undefined
      if (address === null || address === undefined) {
        throw new SecnodeError(
          'DEVNET_RPC_STOPPED',
          'the JSON-RPC server of the embedded chain is not running',
        )
      }
      return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}/`
    },
    start: async () => {
      if (server !== null) return
      credentials = await issueCredentials(options.auth, world)
      const started = createServer((request, response) => {
        handle(request, response).catch(() => request.socket.destroy())
      })
      started.keepAliveTimeout = 30_000
      // A request that is broken at the level of HTTP.
      started.on('clientError', (_error, socket: Socket) => socket.destroy())
      server = started
      await listen(started, options.port ?? 0, host)
    },
    stop: async () => {
      const stopped = server
      if (stopped === null) return
      server = null
      await new Promise<void>((resolve) => {
        stopped.close(() => resolve())
        stopped.closeAllConnections()
      })
      if (options.auth.kind === 'cookie') await rm(options.auth.path, { force: true })
    },
    simulate: (next, times = Infinity) => {
      fault = next
      faultsLeft = times
    },
  }
}

const listen = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })

/** The bytes that the Authorization header must decode to; null when none is asked for. */
const issueCredentials = async (
  auth: RpcServerAuth,
  world: Pick<World, 'randomBytes'>,
): Promise<Buffer | null> => {
  if (auth.kind === 'none') return null
  if (auth.kind === 'password') return Buffer.from(`${auth.user}:${auth.password}`, 'utf8')
  const cookie = `__cookie__:${bytesToHex(world.randomBytes(32))}`
  await writeFile(auth.path, cookie, { mode: 0o600 })
  return Buffer.from(cookie, 'utf8')
}

/** zebrad looks at the password only. */
const isAuthorized = (request: IncomingMessage, credentials: Buffer | null, dialect: RpcDialect): boolean => {
  if (credentials === null) return true
  const [scheme, encoded] = (request.headers.authorization ?? '').split(' ', 2)
  if (scheme?.toLowerCase() !== 'basic' || encoded === undefined) return false
  const part = (bytes: Buffer): Buffer =>
    dialect === 'zebrad' ? bytes.subarray(bytes.indexOf(':') + 1) : bytes
  const [given, expected] = [part(Buffer.from(encoded, 'base64')), part(credentials)]
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** Null when it is larger than allowed. */
const readBody = async (request: IncomingMessage, maxBytes: number): Promise<string | null> => {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return null
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length).toString('utf8')
}

const sendText = (response: ServerResponse, status: number, text: string): void => {
  response.writeHead(status, { 'content-type': 'text/plain' })
  response.end(text)
}

type Run = (method: string, params: unknown) => RpcAnswer

interface CallAnswer {
  answer: RpcAnswer
  id: unknown
  /** The request's `jsonrpc`, if it had one. */
  version: unknown
}

const answerBody = (body: string, dialect: RpcDialect, run: Run): { status: number; text: string } => {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return parseError(dialect)
  }
  // zebrad's parser takes nothing but objects and arrays.
  if (dialect === 'zebrad' && !isObject(json) && !Array.isArray(json)) return parseError(dialect)
  if (!Array.isArray(json)) return single(answerCall(json, dialect, run), dialect)
  if (dialect === 'zebrad' && json.length === 0) {
    return single(
      { answer: error(rpcCode.invalidRequest, 'Invalid request'), id: null, version: '2.0' },
      dialect,
    )
  }
  if (json.length > maxBatch) {
    const answer = error(rpcCode.invalidRequest, `more than ${maxBatch} calls in one batch`)
    return single({ answer, id: null, version: undefined }, dialect)
  }
  const answers = json.map((call) => envelope(answerBatched(call, dialect, run), dialect))
  return { status: 200, text: `${JSON.stringify(answers)}\n` }
}

const parseError = (dialect: RpcDialect): { status: number; text: string } => {
  const answer = error(rpcCode.parseError, 'Parse error')
  if (dialect !== 'zebrad') return single({ answer, id: null, version: undefined }, dialect)
  return { ...single({ answer, id: null, version: '2.0' }, dialect), status: 400 }
}

/** zebrad's compatibility layer does not look into batches, so each call must be JSON-RPC 2.0. */
const answerBatched = (call: unknown, dialect: RpcDialect, run: Run): CallAnswer => {
  const isStrict = dialect === 'zebrad' && (!isObject(call) || call['jsonrpc'] !== '2.0')
  if (!isStrict) return answerCall(call, dialect, run)
  const id = isObject(call) ? (call['id'] ?? null) : null
  return { answer: error(rpcCode.invalidRequest, 'Invalid request'), id, version: '2.0' }
}

const answerCall = (call: unknown, dialect: RpcDialect, run: Run): CallAnswer => {
  if (!isObject(call)) {
    return { answer: error(rpcCode.invalidRequest, 'Invalid Request object'), id: null, version: undefined }
  }
  const { id = null, jsonrpc: version, method, params } = call
  if (dialect === 'zebrad' && typeof method !== 'string') {
    return { answer: error(rpcCode.invalidRequest, 'Invalid request'), id, version: '2.0' }
  }
  if (method === undefined || method === null) {
    return { answer: error(rpcCode.invalidRequest, 'Missing method'), id, version }
  }
  if (typeof method !== 'string') {
    return { answer: error(rpcCode.invalidRequest, 'Method must be a string'), id, version }
  }
  return { answer: run(method, params), id, version }
}

const error = (code: number, message: string): RpcAnswer => ({ error: { code, message } })

const single = (call: CallAnswer, dialect: RpcDialect): { status: number; text: string } => ({
  status: dialect === 'zebrad' || !('error' in call.answer) ? 200 : httpStatus(call.answer.error.code),
  text: `${JSON.stringify(envelope(call, dialect))}\n`,
})

/** JSONErrorReply of zcashd's and zend's httprpc.cpp. */
const httpStatus = (code: number): number => {
  if (code === rpcCode.invalidRequest) return 400
  return code === rpcCode.methodNotFound ? 404 : 500
}

const envelope = ({ answer, id, version }: CallAnswer, dialect: RpcDialect): unknown => {
  if (dialect === 'zebrad' && version === '2.0') return { jsonrpc: '2.0', ...answer, id }
  const result = 'result' in answer ? answer.result : null
  const failure = 'error' in answer ? answer.error : null
  const head = dialect === 'zebrad' && version !== undefined ? { jsonrpc: version } : {}
  return { ...head, result, error: failure, id }
}
