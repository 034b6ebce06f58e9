import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Stands between a client and a node: counts what is asked, and delays answers. */
export interface Proxy extends AsyncDisposable {
  url: string
  /** Calls by method since the last `reset`; a batch counts each of its calls. */
  calls: ReadonlyMap<string, number>
  /** HTTP requests, and bytes of their answers. */
  requests: number
  answerBytes: number
  /** Milliseconds that every answer is held back. */
  delayMs: number
  /** Milliseconds of the node's own time for each request. */
  nodeMs: number[]
  reset(): void
}

export const startProxy = async (target: string): Promise<Proxy> => {
  const calls = new Map<string, number>()
  const timers = new Set<NodeJS.Timeout>()
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const body = Buffer.concat(chunks)
      const json = JSON.parse(body.toString()) as { method: string } | { method: string }[]
      for (const { method } of [json].flat()) calls.set(method, (calls.get(method) ?? 0) + 1)
      proxy.requests++
      const begun = performance.now()
      const forwarded = httpRequest(target, { method: 'POST', headers: incoming.headers }, (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('end', () => {
          const text = Buffer.concat(parts)
          proxy.nodeMs.push(performance.now() - begun)
          proxy.answerBytes += text.length
          const timer = setTimeout(() => {
            timers.delete(timer)
            outgoing.writeHead(answer.statusCode ?? 500, { 'content-type': 'application/json' }).end(text)
          }, proxy.delayMs)
          timers.add(timer)
        })
      })
      forwarded.on('error', () => outgoing.destroy())
      forwarded.end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    calls,
    requests: 0,
    answerBytes: 0,
    delayMs: 0,
    nodeMs: [],
    reset: () => {
      calls.clear()
      proxy.requests = 0
      proxy.answerBytes = 0
      proxy.nodeMs = []
    },
    [Symbol.asyncDispose]: async () => {
      for (const timer of timers) clearTimeout(timer)
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  return proxy
}
