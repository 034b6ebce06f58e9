import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  authorization: string | undefined
  body: unknown
  /** Number of the TCP connection that it came on, from 0. */
  connection: number
}

export interface LoopbackServer extends AsyncDisposable {
  url: string
  received: Received[]
  close(): Promise<void>
}

/** A real HTTP server on loopback that answers as the test says; `body` is the parsed JSON of the request. */
export const startServer = async (
  handle: (body: never, response: ServerResponse, request: IncomingMessage) => void | Promise<void>,
): Promise<LoopbackServer> => {
  const received: Received[] = []
  const connections: unknown[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    if (!connections.includes(request.socket)) connections.push(request.socket)
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
      const { authorization } = request.headers
      received.push({ authorization, body, connection: connections.indexOf(request.socket) })
      void handle(body as never, response, request)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    received,
    close,
    [Symbol.asyncDispose]: close,
  }
}

export interface RpcRequest {
  id: number
  method: string
  params: unknown[]
}

export const reply = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

/** As zcashd and zend write it. */
export const result = (request: RpcRequest, value: unknown) => ({
  result: value,
  error: null,
  id: request.id,
})
export const refusal = (request: RpcRequest, code: number, message: string) => ({
  result: null,
  error: { code, message },
  id: request.id,
})
