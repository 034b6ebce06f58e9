import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Alert } from '../../../src/service/alerts/alert.ts'

export interface Received {
  alert: Alert
  body: string
  headers: IncomingHttpHeaders
}

/** A real HTTP server that alerts are posted to. */
export interface Listener {
  url: string
  /** What it took, and what it did not. */
  taken: Received[]
  refused: Received[]
  /** How it answers from now on: 200 by default; `hang` not at all. */
  answer: number | 'hang' | ((response: ServerResponse) => void)
  close(): Promise<void>
}

export const startListener = async (): Promise<Listener> => {
  const server: Server = createServer((request, response) => {
    void text(request).then((body) => {
      const received = { alert: JSON.parse(body) as Alert, body, headers: request.headers }
      const { answer } = listener
      const isTaken = typeof answer === 'number' && answer < 300
      listener[isTaken ? 'taken' : 'refused'].push(received)
      if (typeof answer === 'function') answer(response)
      else if (answer !== 'hang') response.writeHead(answer).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const listener: Listener = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    taken: [],
    refused: [],
    answer: 200,
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
  return listener
}
